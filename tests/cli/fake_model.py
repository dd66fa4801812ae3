"""A model that needs no weights: relevance is the number of words that query and document share."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from finerank.models.base import BatchResult, EncodedPair, PairModel
from finerank.reranker import Reranker
from finerank.texts import Window
from finerank.types import ModelInfo


class FakeModel(PairModel):
    """Reads 8 words of a document.

    The query "slow" takes a minute.   A document "broken" cannot be computed.   minds_neighbours: scores depend on
    company, which the self-test must find.
    """

    def __init__(self, *, is_default: bool = False, minds_neighbours: bool = False) -> None:
        self.info = ModelInfo(
            name="fake",
            kind="yes_no",
            fingerprint="0123456789abcdef",
            dtype="float32",
            device="cpu",
            max_length=64,
            default_instruction="the default",
            is_default=is_default,
        )
        self.instructions: list[str | None] = []
        self._minds_neighbours = minds_neighbours

    def encode(self, query: str, documents: Sequence[str], instruction: str | None) -> list[EncodedPair]:
        self.instructions.append(instruction)
        return [
            EncodedPair((query, text), len(text.split()[:8]) + 1, len(text.split()), len(text.split()) > 8)
            for text in documents
        ]

    def windows(
        self, query: str, document: str, instruction: str | None, max_tokens: int | None, overlap: float
    ) -> list[Window]:
        middle = len(document) // 2
        return [(0, middle), (middle, len(document))]

    def compute(self, pairs: Sequence[EncodedPair]) -> BatchResult:
        if pairs[0].payload[0] == "slow":
            time.sleep(60)
        extra = 9.0 * len(pairs) if self._minds_neighbours else 0.0
        values = [_shared_words(*pair.payload) + extra for pair in pairs]
        return BatchResult(np.array(values, dtype=np.float32), sum(pair.own_tokens for pair in pairs))


def _shared_words(query: str, document: str) -> float:
    if document == "broken":
        raise RuntimeError("this one cannot be computed")
    return float(len(set(query.lower().split()) & set(document.lower().split()))) - 1.0


class FakeLoader:
    """Stands in for the class Reranker; remembers how it was called."""

    def __init__(self, **model_options: Any) -> None:
        self._model_options = model_options
        self.name: str | None = None
        self.options: dict[str, Any] = {}

    def __call__(self, model: str | None = None, **options: Any) -> Reranker:
        self.name, self.options = model, options
        self.model = FakeModel(**{"is_default": model is None, **self._model_options})
        return Reranker.from_model(self.model, long_documents=options.get("long_documents", "truncate"))
