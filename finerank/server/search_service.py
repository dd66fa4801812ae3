"""`SearchService`: searches an index as the service answers any other call.

The query is embedded and the candidates are reranked by `RerankService`, so the server's models, their limits, the
keys' quotas, the result cache and the figures hold for searches too; the recall runs in threads. Used from the event
loop only; it knows no HTTP.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from ..texts import check_query
from .search_index import Collection, SearchIndex, installed
from .service import ANYONE, EmbeddingCall, Origin, RerankCall, RerankService

if TYPE_CHECKING:
    from ..embedder import Embedder, Embeddings
    from ..retrieval.options import SearchOptions
    from ..retrieval.searcher import Recall, Searcher
    from ..retrieval.types import SearchFacts, SearchResult
    from ..types import Ranking

_log = logging.getLogger(__name__)
T = TypeVar("T")

_THREADS: Final = 4
"""Recalls at a time: Milvus uses several cores for each."""


class SearchService:
    """index: that of the settings, None without one.   on_searched: called with what is true of each answer."""

    def __init__(self, service: RerankService) -> None:
        self._service = service
        self._threads = ThreadPoolExecutor(_THREADS, "finerank-search")
        self.on_searched: list[Callable[[SearchFacts], None]] = []
        self.index = SearchIndex(service) if service.settings.search_db is not None else None

    async def search(
        self,
        find: "Callable[[], Awaitable[Searcher]]",
        query: str,
        options: "SearchOptions",
        *,
        model: str | None = None,
        origin: Origin = ANYONE,
    ) -> "SearchResult":
        """The best passages, of which `depth` are reranked by `model`, the server's first if it is None.

        find: gives the searcher; opening an index counts as part of the search's time.
        Raises InputError, RetrievalError, OverloadedError, DeadlineError, and what `RerankService.rank` raises.
        """
        async with self._service.deadline(origin, "recall or rerank fewer candidates") as limit:
            until = time.monotonic() + limit
            searcher = await find()
            with self._service.recalls.admit(1, 1, limit):
                embedded, embed_s = await self._embedded(searcher, query, options, _left(origin, until))
                recall = await self.in_thread(lambda: searcher.recall(query, options, embedded=embedded))
            if embed_s is not None:
                recall.facts.seconds["embed"] = embed_s
            ranking = await self._ranked(recall, model, _left(origin, until))
            result = await self.in_thread(lambda: searcher.result(recall, ranking))
        for listener in self.on_searched:
            listener(result.facts)
        return result

    async def searcher(self, collection: str | None = None) -> "Searcher":
        """Of a collection of the server's index, opened if need be. Raises what `SearchIndex.searcher` raises."""
        assert self.index is not None  # callers look whether there is one
        return await self.index.searcher(collection)

    async def collections(self, origin: Origin = ANYONE) -> list[Collection]:
        """Of the server's index; none if it has no index. Raises RetrievalError, DeadlineError."""
        if self.index is None:
            return []
        async with self._service.deadline(origin, "look whether the database answers"):
            return await self.index.collections()

    async def embedder(self) -> "Embedder":
        """For texts that belong to no index: that of the server's index if it is open, else the server's own."""
        if self.index is not None and self.index.embedder is not None:
            return self.index.embedder
        return await self._service.embedding.ready()

    async def in_thread(self, work: Callable[[], T]) -> T:
        """In one of the search's own threads: a slow database must not hold up what else the server does in threads."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, installed, work)

    async def warm_up(self) -> None:
        """Opens the index at start; what goes wrong is logged here and tried again when somebody searches."""
        try:
            if self.index is not None:
                await self.searcher()
        except Exception as error:
            _log.warning("the index cannot be searched yet: %s", error)

    async def close(self) -> None:
        """Gives the index back to other processes."""
        await asyncio.to_thread(self._threads.shutdown, True, cancel_futures=True)
        if self.index is not None:
            await self.index.close()

    async def _embedded(
        self, searcher: "Searcher", query: str, options: "SearchOptions", origin: Origin
    ) -> "tuple[Embeddings | None, float | None]":
        """(the query's vector, seconds); None if the search needs none, or its model is not the server's.

        Embedded by the service, in the company of all others: so it is counted, charged to the caller's key, refused
        if too much waits, and taken back if the caller hangs up.
        """
        embedder, slots = searcher.embedder, self._service.pool.embedders
        slot = next((slot for slot in slots if embedder is not None and slot.loaded is embedder), None)
        if options.mode == "bm25" or slot is None:
            return None, None
        check_query(query)
        started = time.monotonic()
        found = await self._service.embed(EmbeddingCall(texts=[query], kind="query"), origin, slot)
        return found, time.monotonic() - started

    async def _ranked(self, recall: "Recall", model: str | None, origin: Origin) -> "Ranking | None":
        """None if there is nothing to rerank, or no model that should."""
        from ..retrieval.searcher import is_to_rerank, not_reranked

        if not recall.candidates:  # no model need be there then
            return None
        pool = self._service.pool
        slot = await pool.ready_slot(model)
        is_named = pool.is_named(model, slot) or slot.reranker.calibration is not None
        if not is_to_rerank(slot.reranker.info, recall, is_named):
            recall.facts.warnings.append(not_reranked(slot.reranker.info))
            return None
        asked = recall.options
        call = RerankCall(
            query=recall.query,
            documents=recall.texts,
            instruction=asked.instruction,
            min_score=asked.min_score,
            model=model,
        )
        started = time.monotonic()
        ranking = await self._service.rank(call, origin)
        recall.facts.seconds["rerank"] = time.monotonic() - started
        return ranking


def _left(origin: Origin, until: float) -> Origin:
    """`origin` with the time that is left.   until: monotonic seconds."""
    return replace(origin, timeout_s=max(0.001, until - time.monotonic()))
