"""Bi-encoders (sentence-transformers embedders): query and document are read apart and compared by cosine."""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from ..scores import log_odds_of_cosine
from ..texts import Window, windows_of
from ..types import ModelInfo
from .base import BatchResult, EncodedPair, PairModel
from .pretrained import check_room, count_tokens, document_offsets
from .sentence_encoder import load_encoder

if TYPE_CHECKING:
    from .loading import Source

_KEPT_QUERIES: Final = 256
_KEPT_DOCUMENT_BYTES: Final = 64 << 20
"""Of document vectors: 43,000 of 384 numbers. A document's vector is the same for every query."""


class BiEncoder(PairModel):
    """score = (1 + cosine) / 2.

    encoder: a loaded sentence_transformers.SentenceTransformer; its own prompts for queries and documents are used.
    """

    def __init__(self, info: ModelInfo, encoder: Any) -> None:
        self.info = info
        self._encoder = encoder
        self._tokenizer = encoder.tokenizer
        self._queries: OrderedDict[str, Tensor] = OrderedDict()
        self._documents: OrderedDict[bytes, Tensor] = OrderedDict()

    def encode(self, query: str, documents: Sequence[str], instruction: str | None) -> list[EncodedPair]:
        query_tokens = self._check_query(query)
        room = self._room()
        return [
            EncodedPair(
                payload=(query, document),
                own_tokens=min(count, room),
                num_tokens=count,
                is_truncated=count > room,
                shared_key=query,
                shared_tokens=query_tokens,
            )
            for document, count in zip(documents, count_tokens(self._tokenizer, documents), strict=True)
        ]

    def windows(
        self, query: str, document: str, instruction: str | None, max_tokens: int | None, overlap: float
    ) -> list[Window]:
        room = self._room()
        size = min(room, max_tokens or room)
        return windows_of(document_offsets(self._tokenizer, document), len(document), size, overlap)

    @torch.inference_mode()
    def compute(self, pairs: Sequence[EncodedPair]) -> BatchResult:
        fresh = {pair.payload[0]: pair.shared_tokens for pair in pairs if pair.payload[0] not in self._queries}
        queries = torch.stack([self._query_vector(pair.payload[0]) for pair in pairs])
        documents, num_tokens = self._document_vectors(pairs)
        cosine = (queries * documents).sum(-1).cpu().numpy()
        return BatchResult(log_odds_of_cosine(cosine), num_tokens + sum(fresh.values()))

    def release_memory(self) -> None:
        self._queries.clear()
        self._documents.clear()

    def _document_vectors(self, pairs: Sequence[EncodedPair]) -> tuple[Tensor, int]:
        """((N, D), tokens that had to be read): a document that was read for another query is known."""
        keys = [hashlib.blake2b(pair.payload[1].encode(), digest_size=16).digest() for pair in pairs]
        missing = {key: pair for key, pair in zip(keys, pairs, strict=True) if key not in self._documents}
        here = {key: self._documents[key] for key in keys if key in self._documents}
        if missing:
            read = self._vectors(self._encoder.encode_document, [pair.payload[1] for pair in missing.values()])
            # Copies: a row of a batch would keep the whole batch.
            here.update((key, vector.clone()) for key, vector in zip(missing, read, strict=True))
        for key in here:
            self._documents[key] = here[key]
            self._documents.move_to_end(key)
        vectors = torch.stack([here[key] for key in keys])
        while len(self._documents) * vectors[0].nbytes > _KEPT_DOCUMENT_BYTES:
            self._documents.popitem(last=False)
        return vectors, sum(pair.own_tokens for pair in missing.values())

    def _query_vector(self, query: str) -> Tensor:
        """(D,); a query is read alone, so that its vector does not depend on what else is in the batch."""
        if query not in self._queries:
            self._queries[query] = self._vectors(self._encoder.encode_query, [query])[0]
            if len(self._queries) > _KEPT_QUERIES:
                self._queries.popitem(last=False)
        self._queries.move_to_end(query)
        return self._queries[query]

    def _vectors(self, encode: Any, texts: list[str]) -> Tensor:
        """(N, D) of length 1, fp32."""
        vectors: Tensor = encode(texts, batch_size=len(texts), convert_to_tensor=True, show_progress_bar=False)
        return torch.nn.functional.normalize(vectors.float(), dim=-1)

    def _check_query(self, query: str) -> int:
        (count,) = count_tokens(self._tokenizer, [self._prompt("query") + query])
        check_room(count + self._num_special() - 1, self.info.max_length)
        return count

    def _room(self) -> int:
        """Tokens of a document that the model reads."""
        (prompt,) = count_tokens(self._tokenizer, [self._prompt("document")])
        return self.info.max_length - prompt - self._num_special()

    def _num_special(self) -> int:
        return int(self._tokenizer.num_special_tokens_to_add(pair=False))

    def _prompt(self, name: str) -> str:
        return self._encoder.prompts.get(name) or ""


def load_bi_encoder(source: "Source", weights: str) -> BiEncoder:
    """Raises UnsupportedError if its code must run and may not, DamagedError if it cannot be loaded."""
    encoder = load_encoder(source)
    max_length = min(source.options.max_length, encoder.max_seq_length)
    info = source.info("bi_encoder", max_length=max_length, default_instruction=None, weights=weights)
    return BiEncoder(info, encoder)
