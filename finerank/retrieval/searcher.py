"""`Searcher`: a query to passages, in two stages.

embed, dense and BM25 recall -> fusion -> rules, near-duplicates -> rerank the best -> grouping, diversity, top_n
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, Self
from urllib.parse import urlsplit

from ..embedder import Embedder, Embeddings
from ..errors import InputError, RetrievalError
from ..models.text_loading import is_remote
from ..scores import FloatArray
from ..texts import check_query
from ..types import ModelInfo, Ranking
from .chunking import embedding_text
from .diversity import diversify
from .duplicates import collapse
from .fusion import codes_of, fuse
from .grouping import group
from .milvus_store import COLLECTION, MilvusStore
from .notes import Note, note
from .options import SearchOptions
from .rules import apply_rules
from .store import Store
from .terms import TermAnalyzer
from .types import Found, Hit, Ranker, SearchFacts, SearchResult

_MOST_QUERY_CHARS: Final = 100_000
_OF_REMOTE: Final = frozenset({"dimensions", "base_url", "api_key"})
"""Options of an `Embedder` that say something of a model behind an API; the others are about loading one here."""


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

    reranker: a `Reranker`, or anything that can do what a `Ranker` can; None = the order of the recall.
    """

    def __init__(
        self, store: Store, embedder: Embedder | Callable[[], Embedder] | None, reranker: Ranker | None = None
    ) -> None:
        """embedder: None only for searches with mode "bm25"; a function is called by the first search that needs one,
        and `close` closes what it gave.

        Raises RetrievalError if the index was made with another embedding model; with a function, that search does.
        """
        self.store = store
        self.reranker = reranker
        self._analyzer = TermAnalyzer.from_dict(store.info.analyzer)
        self._load = embedder if callable(embedder) else None
        self._embedder = None if callable(embedder) else embedder
        self._loading = threading.Lock()
        self._owns_store = False
        if self._embedder is not None:
            store.info.check_embedding(self._embedder.info, store.where)

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

        The model is loaded by the first search that needs it, which one with mode "bm25" does not.
        embedding: options of the `Embedder`, `model` among them where its name has changed; see `embedder_of`.
        Raises RetrievalError if there is no index, or it is in use. The first search raises what `Embedder` raises, and
        RetrievalError if the index was made with another embedding model.
        """
        store = MilvusStore.open(db, collection, token=token)
        try:
            searcher = cls(store, lambda: embedder_of(store, embedding or {}), reranker)
        except BaseException:
            store.close()
            raise
        searcher._owns_store = True
        return searcher

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """By the embedding model's tokenizer; for budgets of a language model, whose own is mostly not here."""
        return self._needed_embedder("counting tokens").count_tokens(texts)

    def close(self) -> None:
        """Closes the embedding model that was loaded here, and the index if `open` opened it."""
        with self._loading:
            if self._load is not None and self._embedder is not None:
                self._embedder.close()
        if self._owns_store:
            self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def search(self, query: str, options: SearchOptions | None = None, **changes: Any) -> SearchResult:
        """The best passages. `changes` are fields of SearchOptions, over those of `options`.

        Raises InputError if the query or an option cannot be used.
        """
        recall = self.recall(query, options, **changes)
        asked, ranking = recall.options, None
        if (reranker := self._reranker_for(recall)) is not None:
            with _timed(recall.facts, "rerank"):
                ranking = reranker.rank(query, recall.texts, instruction=asked.instruction, min_score=asked.min_score)
        return self.result(recall, ranking)

    async def asearch(self, query: str, options: SearchOptions | None = None, **changes: Any) -> SearchResult:
        """`search`, awaitable: the recall in a thread, the reranking in company of other callers'."""
        recall = await asyncio.to_thread(self.recall, query, options, **changes)
        asked, ranking = recall.options, None
        if (reranker := self._reranker_for(recall)) is not None:
            with _timed(recall.facts, "rerank"):
                ranking = await reranker.arank(
                    query, recall.texts, instruction=asked.instruction, min_score=asked.min_score
                )
        return await asyncio.to_thread(self.result, recall, ranking)

    @property
    def embedder(self) -> Embedder | None:
        """None as long as none is loaded."""
        return self._embedder

    def recall(
        self, query: str, options: SearchOptions | None = None, *, embedded: Embeddings | None = None, **changes: Any
    ) -> Recall:
        """The first stage, with what stands between it and the reranker.

        embedded: what `embedder` makes of the query, where that is known already.
        """
        options = (options or SearchOptions()).with_changes(changes)
        options.check()
        check_query(query)
        if len(query) > _MOST_QUERY_CHARS:
            raise InputError(f"the query has {len(query):,} characters; give at most {_MOST_QUERY_CHARS:,}")
        facts = SearchFacts(instruction=options.instruction)
        dense, bm25, codes = self._found(query, options, embedded, facts)
        hits = fuse(dense, bm25, codes)
        facts.num_dense, facts.num_bm25, facts.num_recalled = len(dense), len(bm25), len(hits)
        with _timed(facts, "rules"):
            hits, facts.dropped = apply_rules(hits, options.rules)
            if options.duplicates is not None:
                before = len(hits)
                hits = collapse(hits, options.duplicates)
                facts.num_duplicates = before - len(hits)
        for place, hit in enumerate(hits, start=1):
            hit.recall_rank = place  # what rules and duplicates moved the reranker did not
        return Recall(query, options, hits, facts)

    def result(self, recall: Recall, ranking: Ranking | None) -> SearchResult:
        """The last stage.   ranking: of `recall.texts` with the `min_score` of its options, None if none was made."""
        options, facts = recall.options, recall.facts
        hits = recall.hits
        if ranking is not None:
            hits = _reranked(recall, ranking)
            facts.reranker = ranking.facts.model
            facts.instruction = ranking.facts.instruction
            facts.num_reranked = len(recall.candidates)
            facts.warnings += ranking.facts.warnings
            if ranking.facts.num_failed:
                facts.warnings.append(note("unread", count=ranking.facts.num_failed))
        elif options.min_score is not None and recall.hits:
            raise InputError(f"min_score is {options.min_score!r}, but no reranker gives a score; leave it out")
        if options.group:
            hits = group(hits)
        if options.diversity:
            hits = diversify(hits, options.diversity, options.top_n)
        return SearchResult(recall.query, hits[: options.top_n], recall.hits, facts)

    def _reranker_for(self, recall: Recall) -> Ranker | None:
        """None if there is nothing to rerank, or nothing that should."""
        reranker = self.reranker
        if reranker is None or not recall.candidates:
            return None
        # A calibration belongs to one model, so whoever gives one has named that.
        if is_to_rerank(reranker.info, recall, is_named=reranker.calibration is not None):
            return reranker
        recall.facts.warnings.append(not_reranked(reranker.info))
        return None

    def _needed_embedder(self, what: str) -> Embedder:
        with self._loading:
            if self._embedder is None:
                info = self.store.info
                if self._load is None:
                    raise InputError(f"{what} needs the embedding model {info.embedding_model}; open the index with it")
                loaded = self._load()
                try:
                    info.check_embedding(loaded.info, self.store.where)
                except BaseException:
                    loaded.close()
                    raise
                self._embedder = loaded
            return self._embedder

    def _vector(self, embedder: Embedder, answer: Embeddings, facts: SearchFacts) -> FloatArray:
        if answer.errors:
            raise RetrievalError(f"the query has no vector: {answer.errors[0]}; search with mode bm25")
        if answer.truncated:
            info, count = embedder.info, answer.num_tokens[0]
            facts.warnings.append(note("query_cut", model=info.name, count=count, limit=info.max_length))
        vector: FloatArray = answer.vectors[0]
        return vector

    def _found(
        self, query: str, options: SearchOptions, embedded: Embeddings | None, facts: SearchFacts
    ) -> tuple[Sequence[Found], ...]:
        """By meaning, by words, and by the query's codes alone."""
        dense: Sequence[Found] = ()
        bm25: Sequence[Found] = ()
        codes: Sequence[Found] = ()
        if options.mode != "bm25":
            embedder = self._needed_embedder(f"mode {options.mode!r}")
            facts.embedding_model = embedder.info.name
            with _timed(facts, "embed"):
                answer = embedder.embed([query], "query") if embedded is None else embedded
                vector = self._vector(embedder, answer, facts)
            with _timed(facts, "dense"):
                dense = self.store.dense(vector, options.recall, options.filter)
        if options.mode != "dense":
            terms = self._analyzer.query_terms(query)
            if not terms:
                facts.warnings.append(note("nothing_compared" if options.mode == "bm25" else "no_words"))
            with _timed(facts, "bm25"):
                bm25 = self.store.bm25(terms, options.recall, options.filter)
                if options.mode == "hybrid" and (wanted := codes_of(terms)):
                    codes = self.store.bm25(wanted, options.recall, options.filter)
        return dense, bm25, codes


def is_to_rerank(info: ModelInfo, recall: Recall, is_named: bool = False) -> bool:
    """Is there anything to rerank, and a model that should?   is_named: somebody asked for this model.

    Not by a bi-encoder that nobody named: it compares vectors, as the recall did, and would only forget what BM25
    found. (Of 300 manual pages the one with the alarm's code fell from the first place to none.) Whoever leaves a
    model out for that says so, see `not_reranked`.
    """
    return bool(recall.candidates) and (is_named or not info.is_default or info.kind != "bi_encoder")


def not_reranked(info: ModelInfo) -> Note:
    """What to add to a search's warnings where `is_to_rerank` says no to candidates."""
    return note("not_reranked", model=info.name)


def embedder_of(store: Store, options: Mapping[str, Any]) -> Embedder:
    """The embedding model that an index was made with.

    options: of `Embedder`; a `model` wins over the index's, a `base_url` over the one the index was made with. Those of
    loading a model here (device, dtype, ...) are passed over for one behind an API.
    """
    info = store.info
    given = {name: value for name, value in options.items() if value is not None}
    model = given.pop("model", None) or (None if info.is_default_embedding else info.embedding_model)
    if model is not None:
        given.setdefault("dimensions", info.dimensions)
    if model is not None and is_remote(model):
        given = {name: value for name, value in given.items() if name in _OF_REMOTE}
        if "base_url" not in given:
            given["base_url"] = info.embedding_base_url
            _refuse_to_give_key_away(info.embedding_base_url, given, store.where)
    return Embedder(model, **given)


def _refuse_to_give_key_away(url: str | None, given: Mapping[str, Any], where: str) -> None:
    """An index may come from somebody else: its address gets nobody's key unless they name the address too."""
    is_here = url is None or urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")
    if (
        is_here
        or url == os.environ.get("OPENAI_BASE_URL")
        or not ("api_key" in given or os.environ.get("OPENAI_API_KEY"))
    ):
        return
    raise RetrievalError(
        f"{where} names {url} as the address of its embedding model, and your API key would be sent there; if you "
        "trust it, give --embedding-url (base_url) or set OPENAI_BASE_URL to that address"
    )


def _reranked(recall: Recall, ranking: Ranking) -> list[Hit]:
    """Best first; what failed comes after all that have a score, and the candidates that were not read last.

    With `min_score` only those that reach it, and those that failed, for nobody knows.
    """
    candidates = recall.candidates
    hits: list[Hit] = []
    for ranked in ranking:
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
