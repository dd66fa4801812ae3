"""Embedders as rerankers: query and document are read apart and compared by cosine."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from ..errors import TooLongError
from ..scores import FloatArray, log_odds_of_cosine
from ..texts import Window, windows_of
from ..types import ModelInfo
from .base import BatchResult, EncodedPair, PairModel
from .source import Source
from .text_loading import local_text_model
from .text_model import TextModel, of_length_1

_KEPT_QUERIES: Final = 256
_KEPT_DOCUMENT_BYTES: Final = 64 << 20
"""Of document vectors: 43,000 of 384 numbers. A document's vector is the same for every query."""


class _Sides(NamedTuple):
    """A pair's texts and their encodings, and the hash that its document's vector is kept under."""

    query: str
    query_item: EncodedPair
    document_item: EncodedPair
    document_key: bytes


class BiEncoder(PairModel):
    """score = (1 + cosine) / 2.   model: its own prompts for queries and documents are used."""

    def __init__(self, info: ModelInfo, model: TextModel) -> None:
        self.info = info
        self.num_bytes = model.num_bytes
        self._model = model
        self._queries: OrderedDict[str, FloatArray] = OrderedDict()
        self._documents: OrderedDict[bytes, FloatArray] = OrderedDict()

    def encode(self, query: str, documents: Sequence[str], instruction: str | None) -> list[EncodedPair]:
        query_item = self._query_item(query)
        return [
            EncodedPair(
                payload=_Sides(query, query_item, item, hashlib.blake2b(document.encode(), digest_size=16).digest()),
                own_tokens=item.prompt_tokens,
                num_tokens=item.num_tokens,
                is_truncated=item.is_truncated,
                shared_key=query,
                shared_tokens=query_item.prompt_tokens,
            )
            for document, item in zip(documents, self._model.encode(documents, "document", None), strict=True)
        ]

    def windows(
        self, query: str, document: str, instruction: str | None, max_tokens: int | None, overlap: float
    ) -> list[Window]:
        (empty,) = self._model.encode([""], "document", None)
        room = self.info.max_length - empty.prompt_tokens
        return windows_of(self._model.token_offsets(document), len(document), min(room, max_tokens or room), overlap)

    def compute(self, pairs: Sequence[EncodedPair]) -> BatchResult:
        self._model.on_pause = self.on_pause
        sides: list[_Sides] = [pair.payload for pair in pairs]
        queries, query_tokens = self._query_vectors({each.query: each.query_item for each in sides})
        documents, document_tokens, errors = self._document_vectors(
            {each.document_key: each.document_item for each in sides}
        )
        left = np.stack([queries[each.query] for each in sides])
        right = np.stack([documents[each.document_key] for each in sides])
        failed = {place: errors[each.document_key] for place, each in enumerate(sides) if each.document_key in errors}
        return BatchResult(log_odds_of_cosine((left * right).sum(-1)), query_tokens + document_tokens, failed)

    def release_memory(self) -> None:
        self._queries.clear()
        self._documents.clear()
        self._model.release_memory()

    def _query_item(self, query: str) -> EncodedPair:
        (item,) = self._model.encode([query], "query", None)
        if item.is_truncated:
            raise TooLongError(
                f"the query has {item.num_tokens} tokens, more than fit into the {self.info.max_length} that the model "
                "reads with its prompt; shorten it"
            )
        return item

    def _query_vectors(self, items: Mapping[str, EncodedPair]) -> tuple[dict[str, FloatArray], int]:
        """((D,) of each query, tokens that had to be read). A query is read alone, so that its vector does not depend
        on what else is in the batch.
        """
        found: dict[str, FloatArray] = {}
        num_tokens = 0
        for query, item in items.items():
            known = self._queries.get(query)
            if known is None:
                result = self._model.compute([item])
                num_tokens += result.computed_tokens
                known = of_length_1(result.values)[0]
            found[query] = self._queries[query] = known
            self._queries.move_to_end(query)
        while len(self._queries) > _KEPT_QUERIES:
            self._queries.popitem(last=False)
        return found, num_tokens

    def _document_vectors(
        self, items: Mapping[bytes, EncodedPair]
    ) -> tuple[dict[bytes, FloatArray], int, dict[bytes, str]]:
        """((D,) of each document, tokens that had to be read, why one has none)."""
        found = {key: self._documents[key] for key in items if key in self._documents}
        missing = [key for key in items if key not in found]
        num_tokens = 0
        errors: dict[bytes, str] = {}
        if missing:
            result = self._model.compute([items[key] for key in missing])
            num_tokens = result.computed_tokens
            errors = {missing[place]: error for place, error in result.errors.items()}
            # Copies: a row of a batch would keep the whole batch.
            found.update((key, row.copy()) for key, row in zip(missing, of_length_1(result.values), strict=True))
        for key, vector in found.items():
            if key not in errors:
                self._documents[key] = vector
                self._documents.move_to_end(key)
        num_bytes = next(iter(found.values())).nbytes
        while len(self._documents) * num_bytes > _KEPT_DOCUMENT_BYTES:
            self._documents.popitem(last=False)
        return found, num_tokens, errors


def load_bi_encoder(source: Source) -> BiEncoder:
    """Raises UnsupportedError if its code must run and may not, DamagedError if it cannot be loaded."""
    model = local_text_model(source)
    told = model.info
    info = source.info("bi_encoder", max_length=told.max_length, default_instruction=None, weights=told.fingerprint)
    return BiEncoder(info, model)
