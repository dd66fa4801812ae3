"""`SearchService`: searches an index with the recall in threads and the reranking in the company of all other callers.

The first stage is finerank.retrieval's; the second is `RerankService.rank`, so the server's models, their limits,
their result cache and their figures hold for searches too. Used from the event loop only; it knows no HTTP.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from ..errors import DeadlineError, RetrievalError
from ..extras import remedy_for
from .search_index import SearchIndex
from .service import ANYONE, Origin, RerankCall, RerankService

if TYPE_CHECKING:
    from ..embedder import Embedder
    from ..retrieval.options import SearchOptions
    from ..retrieval.searcher import Recall, Searcher
    from ..retrieval.types import SearchResult
    from ..types import Ranking

_log = logging.getLogger(__name__)
T = TypeVar("T")

_THREADS: Final = 4
"""Recalls at a time: the embedding model and Milvus use several cores each."""


class SearchService:
    """index: that of the settings, None without one."""

    def __init__(self, service: RerankService) -> None:
        settings = service.settings
        self._service = service
        self._threads = ThreadPoolExecutor(_THREADS, "finerank-search")
        self._loading = asyncio.Lock()
        self.index = SearchIndex(settings) if settings.search_db is not None else None

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
        Raises InputError, RetrievalError, DeadlineError, and what `RerankService.rank` raises.
        """
        limit = self.limit_of(origin)
        deadline = time.monotonic() + limit
        try:
            async with asyncio.timeout(limit):
                searcher = await find()
                recall = await self.in_thread(lambda: searcher.recall(query, options))
                ranking = await self._ranked(recall, model, origin, deadline)
                return await self.in_thread(lambda: searcher.result(recall, ranking))
        except TimeoutError as error:
            if isinstance(error, DeadlineError):
                raise
            raise DeadlineError(
                f"not done within {limit:g} s; recall or rerank fewer candidates, or allow more with X-Request-Timeout "
                f"(seconds, up to --request-timeout, {self._service.settings.request_timeout:g})"
            ) from None

    def limit_of(self, origin: Origin) -> float:
        """Seconds that a call of this origin may take."""
        longest = self._service.settings.request_timeout
        return min(origin.timeout_s or longest, longest)

    async def searcher(self, collection: str | None = None) -> "Searcher":
        """Of a collection of the server's index, opened if need be.

        Raises UnknownCollectionError, RetrievalError (locked, damaged, out of reach), ModelError.
        """
        index = self.index
        assert index is not None  # callers look whether there is one
        async with self._loading:
            info = await self.in_thread(lambda: index.info(collection))
            # One that nobody named is not loaded for an index that cannot use it.
            may_fit = info.is_default_embedding or self._service.embedding.is_named
            shared = await self._service.embedding.ready() if may_fit else None
            return await self.in_thread(lambda: index.searcher(collection, shared))

    async def embedder(self) -> "Embedder":
        """For texts that belong to no index: that of the server's index if it is open, else the server's own."""
        if self.index is not None and self.index.embedder is not None:
            return self.index.embedder
        return await self._service.embedding.ready()

    async def in_thread(self, work: Callable[[], T]) -> T:
        """In one of the search's own threads: a slow database must not hold up what else the server does in threads."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, _installed, work)

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
            await asyncio.to_thread(self.index.close)

    async def _ranked(self, recall: "Recall", model: str | None, origin: Origin, deadline: float) -> "Ranking | None":
        """None if there is nothing to rerank, or no model that should."""
        from ..retrieval.searcher import is_to_rerank

        if not recall.candidates:
            return None
        slot = await self._service.pool.ready_slot(model)
        if not is_to_rerank(slot.reranker.info, recall):
            return None
        call = RerankCall(
            query=recall.query, documents=recall.texts, instruction=recall.options.instruction, model=model
        )
        started = time.monotonic()
        left = max(0.001, deadline - started)
        ranking = await self._service.rank(call, replace(origin, timeout_s=left))
        recall.facts.seconds["rerank"] = time.monotonic() - started
        return ranking


def _installed(work: Callable[[], T]) -> T:
    """Raises RetrievalError if the extra is missing."""
    try:
        return work()
    except ModuleNotFoundError as error:
        remedy = remedy_for(error)
        if remedy is None:
            raise
        raise RetrievalError(remedy) from None
