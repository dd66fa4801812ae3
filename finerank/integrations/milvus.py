"""Milvus: a rerank function as pymilvus-model has them, without needing that package."""

from collections.abc import Sequence
from importlib import import_module
from math import nan
from typing import Any, NamedTuple

from .scoring import Scorer, Source


class _Result(NamedTuple):
    text: str
    score: float
    index: int  # type: ignore[assignment]  # as pymilvus-model calls it; a tuple's method is hidden


class RerankResult(_Result):
    """(text, score, index) of one document.

    score: probability of relevance; NaN if `error`.   index: position in the list that was given.
    is_truncated: the model read only the beginning.   error: why there is no score, or None.
    """

    is_truncated: bool = False
    error: str | None = None


class FinerankRerankFunction:
    """Reranks texts that a collection's search found: `rerank(query, [hit["entity"]["text"] for hit in hits])`.

    model: a model's name, a `Reranker` or a `Client`; None = the embedded model.
    options: `loading` of a named model, `instruction`, `min_score`, `batch_size` as in `Reranker.rank`.
    """

    def __init__(self, model: Source = None, **options: Any) -> None:
        self._scorer = Scorer(model, **options)
        self._scorer.load()
        self._result_type = _result_type()

    def __call__(self, query: str, documents: Sequence[str], top_k: int = 5) -> list[Any]:
        """The best `top_k`, best first, then every document without a score, with NaN; a warning counts those.

        They are pymilvus-model's `RerankResult` where that package is installed, else `RerankResult` of this module;
        both have `is_truncated` and `error`. Raises InputError for a blank query or a `top_k` below 1.
        """
        results = []
        for each in self._scorer.rank(query, documents, top_n=top_k):
            score = nan if each.error is not None else each.score
            result = self._result_type(text=documents[each.index], score=score, index=each.index)
            result.is_truncated, result.error = each.is_truncated, each.error
            results.append(result)
        return results


def _result_type() -> Any:
    """The type of pymilvus-model, which is installed into pymilvus, if it is there."""
    try:
        return import_module("pymilvus.model.base").RerankResult
    except (ImportError, AttributeError):
        return RerankResult
