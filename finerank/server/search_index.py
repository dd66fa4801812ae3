"""`SearchIndex`: the index that the server was started with, its collections opened as they are asked for.

Used from the event loop only. What blocks runs in threads that hold nobody else up: a collection whose embedding model
has to be downloaded keeps those waiting who search that collection, and no others.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ..errors import RetrievalError
from ..extras import remedy_for
from .embedder_slot import EmbedderSlot, local_options
from .model_slot import in_thread

if TYPE_CHECKING:
    from ..embedder import Embedder
    from ..retrieval.index_info import IndexInfo
    from ..retrieval.milvus_store import MilvusStore
    from ..retrieval.searcher import Searcher
    from .service import RerankService

T = TypeVar("T")

_FRESH_S: Final = 5.0
"""So long an opened collection is taken to be what it was: in a Milvus server others may make it anew."""


class UnknownCollectionError(RetrievalError):
    """The index has no collection of that name."""


@dataclass(frozen=True, slots=True)
class Collection:
    """What the server tells of one.   num_chunks: as Milvus counts them.   error: why it cannot be searched."""

    name: str
    is_default: bool
    num_chunks: int | None = None
    embedding_model: str | None = None
    dimensions: int | None = None
    error: str | None = None


@dataclass(slots=True)
class _Opened:
    """checked_at: monotonic seconds when it was last seen to be what it was."""

    store: "MilvusStore"
    searcher: "Searcher"
    embedder: "Embedder"
    checked_at: float

    @property
    def is_fresh(self) -> bool:
        return time.monotonic() - self.checked_at < _FRESH_S


class SearchIndex:
    """db, default: the index and the collection that is searched unless another is named."""

    def __init__(self, service: "RerankService") -> None:
        settings = service.settings
        assert settings.search_db is not None
        self.db = settings.search_db
        self.default = settings.search_collection
        self._service = service
        self._token = settings.search_token
        self._client: Any = None
        self._connecting = threading.Lock()
        self._opened: dict[str, _Opened] = {}
        self._opening: dict[str, asyncio.Task[_Opened]] = {}
        self._slots: dict[tuple[str, int], EmbedderSlot] = {}
        self._stores: list[MilvusStore] = []

    @property
    def embedder(self) -> "Embedder | None":
        """That of the default collection, None until it was opened."""
        opened = self._opened.get(self.default)
        return None if opened is None else opened.embedder

    async def searcher(self, name: str | None = None) -> "Searcher":
        """Of a collection, opened if need be: once for all who wait; one who stops waiting does not end it.

        Raises UnknownCollectionError naming those that are there, RetrievalError, NotReadyError for its model.
        """
        wanted = name or self.default
        opened = self._opened.get(wanted)
        if opened is None or not opened.is_fresh:
            opened = await asyncio.shield(self._looking(wanted))
        return opened.searcher

    async def collections(self) -> list[Collection]:
        """All that are there, also those that cannot be searched. Raises RetrievalError if none can be had."""
        return await in_thread(lambda: installed(lambda: [self._told(name) for name in self._names()]))

    async def close(self) -> None:
        """Another process may have it then."""
        opening = list(self._opening.values())
        for task in opening:
            task.cancel()
        await asyncio.gather(*opening, return_exceptions=True)
        await asyncio.to_thread(self._let_go)
        slots, self._slots = self._slots, {}
        for slot in slots.values():
            self._service.pool.embedders.remove(slot)
            await slot.close()

    def _looking(self, name: str) -> "asyncio.Task[_Opened]":
        if name not in self._opening:
            task = asyncio.get_running_loop().create_task(self._open(name))
            self._opening[name] = task
            task.add_done_callback(lambda done: self._looked(name, done))
        return self._opening[name]

    def _looked(self, name: str, done: "asyncio.Task[_Opened]") -> None:
        """A failure is told to those who wait, if any still do; the next one tries again."""
        del self._opening[name]
        if not done.cancelled():
            done.exception()

    async def _open(self, name: str) -> _Opened:
        """As it is now: the one that is open, unless it was dropped or made anew in another way."""
        known = self._opened.get(name)
        info = await in_thread(lambda: installed(lambda: self._info(name)))
        if known is None or not _is_same(known.store.info, info):
            # Searches may still be under way in the store of before; it stays open until the end.
            known = await self._opened_anew(name)
        known.checked_at = time.monotonic()
        self._opened[name] = known
        return known

    async def _opened_anew(self, name: str) -> _Opened:
        store = await in_thread(lambda: _store(self.db, name, self._token))
        try:
            embedder = await (await self._slot_for(store)).ready()
            searcher = await in_thread(lambda: _searcher(store, embedder))
        except BaseException:
            await asyncio.to_thread(store.close)
            raise
        self._stores.append(store)
        return _Opened(store, searcher, embedder, time.monotonic())

    async def _slot_for(self, store: "MilvusStore") -> EmbedderSlot:
        """The server's own embedding model if the collection was made with it; else one that its like share."""
        info, own = store.info, self._service.embedding
        key = (info.embedding_fingerprint, info.dimensions)
        if own.may_be(info.embedding_model, is_default=info.is_default_embedding):
            facts = (await own.ready()).info
            if (facts.fingerprint, facts.dimensions) == key:
                return own
        if key not in self._slots:
            self._slots[key] = slot = EmbedderSlot(
                self._service.settings, wanted=info.embedding_model, load=lambda: self._loaded_for(store)
            )
            self._service.pool.add_embedder(slot)
        return self._slots[key]

    def _loaded_for(self, store: "MilvusStore") -> "Embedder":
        from ..retrieval.searcher import embedder_of

        return embedder_of(store, local_options(self._service.settings))

    def _info(self, name: str) -> "IndexInfo":
        """How a collection was made."""
        from ..retrieval.milvus_store import read_info

        there = self._names()
        if name not in there:
            raise UnknownCollectionError(
                f"there is no collection {name[:100]!r} here; there are: {', '.join(there) or 'none'}"
            )
        where = f"{self.db}, collection {name}"
        info = read_info(self._client, name, where)
        if info is None:
            raise RetrievalError(
                f"{where} is not finished: it is being made, or its making was cut short; run finerank index again"
            )
        return info

    def _told(self, name: str) -> Collection:
        """Without loading it, which for a large one takes a database long and much memory."""
        from ..retrieval.milvus_connection import refusals

        is_default = name == self.default
        try:
            info = self._info(name)
            with refusals(self.db):
                num_chunks = int(self._client.get_collection_stats(name)["row_count"])
        except RetrievalError as error:
            return Collection(name, is_default, error=str(error))
        return Collection(name, is_default, num_chunks, info.embedding_model, info.dimensions)

    def _names(self) -> list[str]:
        from ..retrieval.milvus_connection import connect, is_path, refusals
        from ..retrieval.milvus_store import collections_of

        with self._connecting:
            if self._client is None:
                if is_path(self.db) and not Path(self.db).expanduser().exists():
                    raise RetrievalError(
                        f"there is no index at {self.db}; make one with finerank index FOLDER --db {self.db}"
                    )
                self._client = connect(self.db, self._token)
        with refusals(self.db):
            return collections_of(self._client)

    def _let_go(self) -> None:
        with self._connecting:
            for store in self._stores:
                store.close()
            if self._client is not None:
                from ..retrieval.milvus_connection import release

                release(self._client, self.db)
            self._client = None
            self._opened, self._stores = {}, []


def installed(work: Callable[[], T]) -> T:
    """Raises RetrievalError if the extra is missing."""
    try:
        return work()
    except ModuleNotFoundError as error:
        remedy = remedy_for(error)
        if remedy is None:
            raise
        raise RetrievalError(remedy) from None


def _store(db: str, name: str, token: str | None) -> "MilvusStore":
    from ..retrieval.milvus_store import MilvusStore

    return MilvusStore.open(db, name, token=token)


def _searcher(store: "MilvusStore", embedder: "Embedder") -> "Searcher":
    from ..retrieval.searcher import Searcher

    return Searcher(store, embedder)


def _is_same(one: "IndexInfo", other: "IndexInfo") -> bool:
    """Is it searched in the same way? Where its files lay does not matter."""
    return replace(one, roots={}) == replace(other, roots={})
