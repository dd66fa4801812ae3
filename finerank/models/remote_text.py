"""An embeddings API as a model: what `Embedder("openai:text-embedding-3-small")` runs. Tokens are estimates here."""

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Final

import numpy as np

from ..client.embeddings import EmbeddingClient
from ..client.limits import estimate_tokens
from ..errors import ProviderError
from ..texts import Window
from .base import BatchResult, EncodedPair
from .text_model import EmbedderInfo, TextModel
from .text_prompts import QWEN3_QUERY, TextKind, TextPrompts

BATCH_TOKENS: Final = 1 << 22
"""So much that a call travels in as few requests as its provider allows, which the client sees to."""
_PROBE: Final = "How long are the vectors of this model?"
_QWEN3: Final = re.compile(r"qwen3[-_]?embedding", re.IGNORECASE)
_BYTES_A_TOKEN: Final = 3
"""As `estimate_tokens` counts."""


class RemoteTextModel(TextModel):
    """Asks an EmbeddingClient, which `close` closes. A ProviderError that is not about one text fails the calls in its
    batch.

    The provider is asked once here, for the length of its vectors, so that a wrong key, name or address shows at once.
    Nothing is put before texts, but for models with Qwen3-Embedding in their name the instruction before queries: their
    servers do not write it.
    """

    def __init__(self, client: EmbeddingClient) -> None:
        self._client = client
        self.prompts = TextPrompts(QWEN3_QUERY if _QWEN3.search(client.model) else "")
        probe = client.embed([_PROBE])
        if probe.errors:
            raise ProviderError(f"{client.model} cannot be used: {probe.errors[0]}")
        dimensions = probe.vectors.shape[1]
        # Not the address: the same model may be reached at another one tomorrow.
        facts = [client.provider.name, client.model, dimensions, self.prompts.query]
        self.info = EmbedderInfo(
            name=f"{client.provider.name}:{client.model}",
            fingerprint=hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16],
            dtype="unknown",
            device=client.provider.name,
            max_length=0,
            dimensions=dimensions,
            default_instruction=self.prompts.default_instruction,
            counts_tokens=False,
            base_url=client.base_url,
        )

    def encode(self, texts: Sequence[str], kind: TextKind, instruction: str | None) -> list[EncodedPair]:
        prompt = self.prompts.before(kind, instruction)
        extra = estimate_tokens(prompt) if prompt else 0
        counts = self.count_tokens(texts)
        return [
            EncodedPair(prompt + text, count + extra, count, is_truncated=False)
            for text, count in zip(texts, counts, strict=True)
        ]

    def compute(self, pairs: Sequence[EncodedPair]) -> BatchResult:
        found = self._client.embed([pair.payload for pair in pairs])
        length = found.vectors.shape[1]
        if length not in (0, self.info.dimensions):
            raise ProviderError(
                f"{self.info.name} now gives vectors of {length:,} numbers, before of {self.info.dimensions:,}: "
                "another model is behind that name"
            )
        vectors = np.full((len(pairs), self.info.dimensions), np.nan, dtype=np.float32)
        if length:
            vectors[:] = found.vectors
        return BatchResult(vectors, found.prompt_tokens or sum(pair.own_tokens for pair in pairs), found.errors)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [estimate_tokens(text) for text in texts]

    def token_offsets(self, text: str) -> list[Window]:
        """Runs of some three bytes of UTF-8 each, so that as many come out as are counted."""
        offsets: list[Window] = []
        start = num_bytes = 0
        for position, char in enumerate(text):
            num_bytes += len(char.encode("utf-8", "replace"))
            if num_bytes >= _BYTES_A_TOKEN:
                offsets.append((start, position + 1))
                start, num_bytes = position + 1, 0
        if start < len(text):
            offsets.append((start, len(text)))
        return offsets

    def close(self) -> None:
        self._client.close()
