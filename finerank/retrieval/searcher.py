"""`Searcher`: a query to passages, in two stages.

embed, dense and BM25 recall -> fusion -> rules, near-duplicates -> rerank the best -> grouping, diversity, top_n
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, Self

from ..embedder import Embedder
from ..errors import InputError, RetrievalError
from ..ranking import select
from ..scores import FloatArray
from ..texts import check_query
from ..types import ModelInfo, Ranking
from .chunking import embedding_text
from .diversity import diversify
from .duplicates import collapse
from .fusion import codes_of, fuse
from .grouping import group
from .milvus_store import COLLECTION, MilvusStore
from .options import SearchOptions
from .rules import apply_rules
from .store import Store
from .terms import TermAnalyzer
from .types import Found, Hit, SearchFacts, SearchResult

_MOST_QUERY_CHARS: Final = 100_000


class Ranker(Protocol):
    """What of a `Reranker` is needed here; a server gives its own, which queues and counts."""

    @property
    def info(self) -> ModelInfo: ...

    def rank(self, query: str, documents: Sequence[str], *, instruction: str | None = None) -> Ranking: ...

    async def arank(self, query: str, documents: Sequence[str], *, instruction: str | None = None) -> Ranking: ...


@dataclass(slots=True)
class Recall:
    """What goes to the reranker.   hits: of all candidates, best first.   options: as asked."""

    query: str
    options: SearchOptions
    hits: list[Hit]
    facts: SearchFacts

    @property
    def candidates(self) -> list[Hit]:
        """Those that are reranked."""
        return self.hits[: self.options.depth]

    @property
    def texts(self) -> list[str]:
        """What the reranker reads of them."""
        return [embedding_text(hit.chunk) for hit in self.candidates]


class Searcher:
    """Searches one index. Methods may be called from any thread.

    >>> with Searcher.open("manuals.db") as searcher:                       # doctest: +SKIP
    ...     for hit in searcher.search("What does alarm E07 mean?", top_n=3).hits:
    ...         print(hit.score, hit.chunk.place)

    reranker: a `Reranker`, or anything with its `rank` and `arank`; None = the order of the recall.
    """

    def __init__(self, store: Store, embedder: Embedder | None, reranker: Ranker | None = None) -> None:
        """embedder: None only for searches with mode "bm25".

        Raises RetrievalError if the index was made with another embedding model.
        """
        if embedder is not None:
            store.info.check_embedding(embedder.info, store.where)
        self.store = store
        self.reranker = reranker
        self._embedder = embedder
        self._analyzer = TermAnalyzer.from_dict(store.info.analyzer)
        self._owned: list[Any] = []

    @classmethod
    def open(
        cls,
        db: str,
        *,
        collection: str = COLLECTION,
        reranker: Ranker | None = None,
        token: str | None = None,
        embedding: Mapping[str, Any] | None = None,
    ) -> Self:
        """The index at `db`, with the embedding model it was made with; `close` closes both, not the reranker.

        embedding: options of the `Embedder`, `model` among them where its name has changed.
        Raises RetrievalError if there is no index, or it is in use, or made with another embedding model.
        """
        store = MilvusStore.open(db, collection, token=token)
        try:
            embedder = embedder_of(store, embedding or {})
            searcher = cls(store, embedder, reranker)
        except BaseException:
            store.close()
            raise
        searcher._owned = [store, embedder]
        return searcher

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """By the embedding model's tokenizer; for budgets of a language model, whose own is mostly not here."""
        if self._embedder is None:
            raise InputError("tokens are counted by the embedding model; open the index with it")
        return self._embedder.count_tokens(texts)

    def close(self) -> None:
        """Of what `open` opened."""
        for each in self._owned:
            each.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def search(self, query: str, options: SearchOptions | None = None, **changes: Any) -> SearchResult:
        """The best passages. `changes` are fields of SearchOptions, over those of `options`.

        Raises InputError if the query or an option cannot be used.
        """
        recall = self.recall(query, options, **changes)
        ranking = None
        if self.reranker is not None and is_to_rerank(self.reranker.info, recall):
            with _timed(recall.facts, "rerank"):
                ranking = self.reranker.rank(query, recall.texts, instruction=recall.options.instruction)
        return self.result(recall, ranking)

    async def asearch(self, query: str, options: SearchOptions | None = None, **changes: Any) -> SearchResult:
        """`search`, awaitable: the recall in a thread, the reranking in company of other callers'."""
        recall = await asyncio.to_thread(self.recall, query, options, **changes)
        ranking = None
        if self.reranker is not None and is_to_rerank(self.reranker.info, recall):
            with _timed(recall.facts, "rerank"):
                ranking = await self.reranker.arank(query, recall.texts, instruction=recall.options.instruction)
        return await asyncio.to_thread(self.result, recall, ranking)

    def recall(self, query: str, options: SearchOptions | None = None, **changes: Any) -> Recall:
        """The first stage, with what stands between it and the reranker."""
        options = _with_changes(options or SearchOptions(), changes)
        options.check()
        check_query(query)
        if len(query) > _MOST_QUERY_CHARS:
            raise InputError(f"the query has {len(query):,} characters; give at most {_MOST_QUERY_CHARS:,}")
        facts = SearchFacts(instruction=options.instruction)
        dense, bm25, codes = self._found(query, options, facts)
        hits = fuse(dense, bm25, codes)
        facts.num_dense, facts.num_bm25, facts.num_recalled = len(dense), len(bm25), len(hits)
        with _timed(facts, "rules"):
            hits, facts.dropped = apply_rules(hits, options.rules)
            if options.duplicates is not None:
                before = len(hits)
                hits = collapse(hits, options.duplicates)
                facts.num_duplicates = before - len(hits)
        return Recall(query, options, hits, facts)

    def result(self, recall: Recall, ranking: Ranking | None) -> SearchResult:
        """The last stage. ranking: of `recall.texts`, None if there is no reranker."""
        options, facts = recall.options, recall.facts
        hits = recall.hits
        if ranking is not None:
            hits = _reranked(recall, ranking)
            facts.reranker = ranking.facts.model
            facts.instruction = ranking.facts.instruction
            facts.num_reranked = len(ranking)
            facts.warnings += ranking.facts.warnings
            if ranking.facts.num_failed:
                facts.warnings.append(f"the reranker could not read {ranking.facts.num_failed} of the candidates")
        elif options.min_score is not None and recall.hits:
            raise InputError(f"min_score is {options.min_score}, but no reranker gives a score; leave it out")
        if options.group:
            hits = group(hits)
        if options.diversity:
            hits = diversify(hits, options.diversity, options.top_n)
        return SearchResult(recall.query, hits[: options.top_n], recall.hits, facts)

    def _vector(self, embedder: Embedder, query: str, facts: SearchFacts) -> FloatArray:
        answer = embedder.embed([query], "query")
        if answer.errors:
            raise RetrievalError(f"the query has no vector: {answer.errors[0]}; search with mode bm25")
        if answer.truncated:
            facts.warnings.append(
                f"{embedder.info.name} read only the beginning of the query: it has {answer.num_tokens[0]:,} tokens, "
                f"the model reads {embedder.info.max_length:,}"
            )
        vector: FloatArray = answer.vectors[0]
        return vector

    def _found(self, query: str, options: SearchOptions, facts: SearchFacts) -> tuple[Sequence[Found], ...]:
        """By meaning, by words, and by the query's codes alone."""
        dense: Sequence[Found] = ()
        bm25: Sequence[Found] = ()
        codes: Sequence[Found] = ()
        if options.mode != "bm25":
            if self._embedder is None:
                raise InputError(f"mode {options.mode!r} needs the embedding model {self.store.info.embedding_model}")
            facts.embedding_model = self._embedder.info.name
            with _timed(facts, "embed"):
                vector = self._vector(self._embedder, query, facts)
            with _timed(facts, "dense"):
                dense = self.store.dense(vector, options.recall, options.filter)
        if options.mode != "dense":
            terms = self._analyzer.query_terms(query)
            if not terms:
                facts.warnings.append("the query has no word that BM25 could look for; only its meaning was compared")
            with _timed(facts, "bm25"):
                bm25 = self.store.bm25(terms, options.recall, options.filter)
                if options.mode == "hybrid" and (wanted := codes_of(terms)):
                    codes = self.store.bm25(wanted, options.recall, options.filter)
        return dense, bm25, codes


def is_to_rerank(info: ModelInfo, recall: Recall) -> bool:
    """Is there anything to rerank, and a model that can?

    Not by a bi-encoder that nobody named: it compares vectors, as the recall did, and would only forget what BM25
    found. (Of 300 manual pages the one with the alarm's code fell from the first place to none.)
    """
    if not recall.candidates:
        return False
    if info.is_default and info.kind == "bi_encoder":
        recall.facts.warnings.append(
            f"not reranked: {info.name}, the model that comes with finerank, compares vectors, as the recall did; name "
            "a reranker such as Qwen/Qwen3-Reranker-0.6B"
        )
        return False
    return True


def embedder_of(store: Store, options: Mapping[str, Any]) -> Embedder:
    """The embedding model that an index was made with. options: of `Embedder`; a `model` wins over the index's."""
    info = store.info
    given = {name: value for name, value in options.items() if value is not None}
    model = given.pop("model", None) or (None if info.is_default_embedding else info.embedding_model)
    if model is not None:
        given.setdefault("dimensions", info.dimensions)
    return Embedder(model, **given)


def _with_changes(options: SearchOptions, changes: Mapping[str, Any]) -> SearchOptions:
    unknown = [name for name in changes if name not in SearchOptions.__dataclass_fields__]
    if unknown:
        known = ", ".join(SearchOptions.__dataclass_fields__)
        raise InputError(f"{unknown[0]} is no option of a search; there are {known}")
    return replace(options, **changes) if changes else options


def _reranked(recall: Recall, ranking: Ranking) -> list[Hit]:
    """Best first; what failed comes after all that have a score, and the candidates that were not read last.

    With `min_score` only those that reach it, and those that failed, for nobody knows.
    """
    candidates = recall.candidates
    hits: list[Hit] = []
    for ranked in select(ranking, top_n=None, min_score=recall.options.min_score):
        hit = replace(candidates[ranked.index], is_truncated=ranked.is_truncated, error=ranked.error)
        if ranked.error is None:
            hit.score, hit.log_odds = ranked.score, ranked.log_odds
        hits.append(hit)
    rest = recall.hits[len(candidates) :]
    return hits if recall.options.min_score is not None else hits + rest


@contextmanager
def _timed(facts: SearchFacts, stage: str) -> Iterator[None]:
    started = time.perf_counter()
    try:
        yield
    finally:
        facts.seconds[stage] = facts.seconds.get(stage, 0.0) + time.perf_counter() - started
