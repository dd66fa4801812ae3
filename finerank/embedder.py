"""`Embedder`: texts to vectors, the first stage of retrieval."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from .models.bi_encoder import load_bi_encoder
from .models.loading import LoadOptions, find
from .models.pretrained import count_tokens, document_offsets
from .scores import FloatArray
from .texts import Window


@dataclass(frozen=True, slots=True)
class EmbedderInfo:
    """Which model embeds. Vectors of two embedders with the same fingerprint may be compared."""

    name: str
    fingerprint: str
    dtype: str
    device: str
    max_length: int
    dimensions: int
    default_instruction: str | None = None
    is_default: bool = False


class Embedder:
    """First version: the embedded model through sentence-transformers."""

    def __init__(self, model: str | None = None, **options: Any) -> None:
        bi_encoder = load_bi_encoder(find(model, LoadOptions(**options)), "")
        self._encoder = bi_encoder._encoder
        info = bi_encoder.info
        dimensions = self._encoder.get_embedding_dimension()
        self.info = EmbedderInfo(
            info.name, info.fingerprint, info.dtype, info.device, info.max_length, dimensions, None, info.is_default
        )

    def embed_queries(self, queries: Sequence[str], *, instruction: str | None = None) -> FloatArray:
        """(N, D) fp32, each of length 1."""
        return np.asarray(self._encoder.encode_query(list(queries), normalize_embeddings=True), dtype=np.float32)

    def embed_documents(
        self, documents: Sequence[str], *, on_progress: Callable[[int, int], None] | None = None
    ) -> FloatArray:
        """(N, D) fp32, each of length 1."""
        return np.asarray(self._encoder.encode_document(list(documents), normalize_embeddings=True), dtype=np.float32)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without special ones and without a limit."""
        return count_tokens(self._encoder.tokenizer, texts)

    def token_offsets(self, text: str) -> list[Window]:
        """Characters of each token of `text`."""
        return document_offsets(self._encoder.tokenizer, text)

    def close(self) -> None:
        """Nothing to end yet."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
