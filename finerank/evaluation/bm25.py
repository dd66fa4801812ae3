"""BM25 as a first stage: bm25s over the terms of `TermAnalyzer` (segmented and stemmed), all documents scored.

Method, k1 and b are the index's, which are bm25s's defaults; Anserini's k1 = 0.9, b = 0.4 differ by 0.001 nDCG@10 on
NFCorpus.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, Final, TypeVar

import numpy as np

from ..retrieval.store import BM25_B, BM25_K1, BM25_METHOD
from ..retrieval.terms import TermAnalyzer, guess_language
from ..scores import FloatArray
from .ordering import best, descending_places
from .types import Dataset, Run

_SAMPLE: Final = 64
_T = TypeVar("_T")


def corpus_language(dataset: Dataset) -> str:
    """Guessed from documents all over the corpus. Queries are read as that language too: terms must meet."""
    return guess_language(document.full_text for document in _sample(list(dataset.corpus.values())))


def terms_sample(dataset: Dataset, analyzer: TermAnalyzer) -> list[list[str]]:
    """Terms of some documents and queries; they change when the analyzer does, which a cache must notice."""
    documents = [analyzer.terms(each.full_text) for each in _sample(list(dataset.corpus.values()))]
    return documents + [analyzer.query_terms(text) for text in _sample(list(dataset.queries.values()))]


class Bm25Index:
    """Documents by their terms, in memory."""

    def __init__(self, ids: Sequence[str], terms: Iterable[list[str]]) -> None:
        import bm25s

        self.ids = list(ids)
        self._places = descending_places(self.ids)
        self._index = bm25s.BM25(k1=BM25_K1, b=BM25_B, method=BM25_METHOD)
        listed = list(terms)
        self._has_terms = any(listed)
        if self._has_terms:
            self._index.index(listed, show_progress=False)

    def search(self, terms: list[str], num_results: int, excluded: Iterable[str] = ()) -> dict[str, float]:
        """The best documents that have one of the terms; a term that stands twice counts twice."""
        scores = self._scores(terms)
        if scores is None:
            return {}
        scores[scores <= 0] = -np.inf
        unwanted = set(excluded)
        found = best(scores, self._places, num_results + len(unwanted))
        kept = [position for position in found if self.ids[position] not in unwanted]
        return {self.ids[position]: float(scores[position]) for position in kept[:num_results]}

    def _scores(self, terms: list[str]) -> FloatArray | None:
        """(N,) fp32, 0 where no term occurs; None if no term occurs anywhere."""
        if not self._has_terms or not any(term in self._index.vocab_dict for term in terms):
            return None
        known = [term for term in terms if term in self._index.vocab_dict]
        return np.array(self._index.get_scores(known), dtype=np.float32)


class TermSearch:
    """A dataset's documents by their terms, analysed and indexed when they are first searched.

    language: of the corpus; None = guessed.
    """

    def __init__(self, dataset: Dataset, language: str | None = None) -> None:
        self._dataset = dataset
        self._analyzer = TermAnalyzer(language or corpus_language(dataset))

    @property
    def settings(self) -> dict[str, Any]:
        """How it is done, as JSON values."""
        import bm25s

        made_by = {"k1": BM25_K1, "b": BM25_B, "method": BM25_METHOD, "bm25s": bm25s.__version__}
        return {**made_by, "terms": self._analyzer.to_dict()}

    def sample(self) -> list[list[str]]:
        """See `terms_sample`."""
        return terms_sample(self._dataset, self._analyzer)

    def run(self, num_results: int, pick: Callable[[list[str]], list[str]] = list) -> tuple[Run, dict[str, float]]:
        """(run, seconds of each query, its analysis included).   pick: of a query's terms those to look for."""
        index, excluded = self._index, self._dataset.excluded_by_query
        run: Run = {}
        seconds: dict[str, float] = {}
        for query_id, text in self._dataset.queries.items():
            started = time.perf_counter()
            terms = pick(self._analyzer.query_terms(text))
            run[query_id] = index.search(terms, num_results, excluded.get(query_id, ()))
            seconds[query_id] = time.perf_counter() - started
        return run, seconds

    @cached_property
    def _index(self) -> Bm25Index:
        corpus = self._dataset.corpus
        return Bm25Index(list(corpus), (self._analyzer.terms(each.full_text) for each in corpus.values()))


def _sample(items: Sequence[_T]) -> Sequence[_T]:
    return items[:: max(1, len(items) // _SAMPLE)]
