"""A model without weights: a pair's log-odds count the words that query and document share."""

import threading
from collections.abc import Sequence

import numpy as np

from finerank.errors import InputError
from finerank.models.base import BatchResult, EncodedPair, PairModel
from finerank.scores import FloatArray
from finerank.texts import Window
from finerank.types import ModelInfo

DEFAULT_INSTRUCTION = "find what answers the query"


class FakeModel(PairModel):
    """A document of more than 1,000 words is truncated; the words `explode` and `nan` do what they say.

    gate: nothing is computed while it is closed.
    """

    def __init__(self, name: str = "fake/overlap") -> None:
        self.info = ModelInfo(name, "yes_no", "0123456789abcdef", "float32", "cpu", 1000, None, DEFAULT_INSTRUCTION)
        self.gate = threading.Event()
        self.gate.set()
        self.computed: list[str] = []

    def encode(self, query: str, documents: Sequence[str], instruction: str | None) -> list[EncodedPair]:
        if instruction == "too long":
            raise InputError("the instruction is too long")
        words = set(query.lower().split())
        return [self._encode(words, document) for document in documents]

    def windows(
        self, query: str, document: str, instruction: str | None, max_tokens: int | None, overlap: float
    ) -> list[Window]:
        return [(0, len(document))]

    def compute(self, pairs: Sequence[EncodedPair]) -> BatchResult:
        self.gate.wait(10)
        return BatchResult(self._log_odds(pairs), sum(pair.own_tokens for pair in pairs))

    def _encode(self, words: set[str], document: str) -> EncodedPair:
        tokens = document.lower().split()
        shared = len(words & set(tokens)) - 2.0
        payload = (document, float("nan") if "nan" in tokens else shared)
        return EncodedPair(payload, max(1, min(len(tokens), 1000)), len(tokens), len(tokens) > 1000)

    def _log_odds(self, pairs: Sequence[EncodedPair]) -> FloatArray:
        for pair in pairs:
            self.computed.append(pair.payload[0])
            if "explode" in pair.payload[0]:
                raise RuntimeError("exploded")
        return np.array([pair.payload[1] for pair in pairs], dtype=np.float32)
