"""`SearchIndex`: the index that the server was started with, its collections opened as they are asked for.

Methods block; SearchService calls them in threads, one at a time.
"""

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RetrievalError
from ..settings import Settings

if TYPE_CHECKING:
    from ..embedder import Embedder
    from ..retrieval.index_info import IndexInfo
    from ..retrieval.milvus_store import MilvusStore
    from ..retrieval.searcher import Searcher


class UnknownCollectionError(RetrievalError):
    """The index has no collection of that name."""


@dataclass(frozen=True, slots=True)
class Collection:
    """What the server tells of one.   num_chunks: that can be found."""

    name: str
    num_chunks: int
    embedding_model: str
    dimensions: int
    is_default: bool


class SearchIndex:
    """embedder: that of the default collection, None until it was opened."""

    def __init__(self, settings: Settings) -> None:
        assert settings.search_db is not None
        self.db = settings.search_db
        self.default = settings.search_collection
        self.embedder: Embedder | None = None
        self._token = settings.search_token
        self._device = settings.device
        self._client: Any = None
        self._stores: dict[str, MilvusStore] = {}
        self._searchers: dict[str, Searcher] = {}
        self._embedders: dict[tuple[str, int], Embedder] = {}
        self._lock = threading.RLock()

    def info(self, name: str | None = None) -> "IndexInfo":
        """How a collection was made. Raises UnknownCollectionError naming those that are there, RetrievalError."""
        with self._lock:
            return self._store(name or self.default).info

    def searcher(self, name: str | None = None, shared: "Embedder | None" = None) -> "Searcher":
        """shared: an embedding model that is loaded anyway; used if the collection was made with it.

        Raises what `info` raises, and ModelError.
        """
        from ..retrieval.searcher import Searcher

        wanted = name or self.default
        with self._lock:
            if wanted not in self._searchers:
                store = self._store(wanted)
                embedder = self._embedder_of(store, shared)
                self._searchers[wanted] = Searcher(store, embedder)
                if wanted == self.default:
                    self.embedder = embedder
            return self._searchers[wanted]

    def collections(self) -> list[Collection]:
        """Raises RetrievalError."""
        with self._lock:
            return [self._facts_of(name) for name in self._names()]

    def close(self) -> None:
        """Another process may have it then."""
        with self._lock:
            self._let_go()
            for embedder in self._embedders.values():
                embedder.close()
            self._embedders = {}

    def _let_go(self) -> None:
        for store in self._stores.values():
            store.close()
        if self._client is not None:
            from ..retrieval.milvus_connection import release

            release(self._client, self.db)
        self._client = None
        self._stores, self._searchers = {}, {}

    def _facts_of(self, name: str) -> Collection:
        store = self._store(name)
        info = store.info
        return Collection(name, store.count(), info.embedding_model, info.dimensions, name == self.default)

    def _store(self, name: str) -> "MilvusStore":
        from ..retrieval.milvus_store import MilvusStore

        if name not in self._stores:
            there = self._names()
            if name not in there:
                raise UnknownCollectionError(
                    f"there is no collection {name[:100]!r} here; there are: {', '.join(there) or 'none'}"
                )
            self._stores[name] = MilvusStore.open(self.db, name, token=self._token)
        return self._stores[name]

    def _names(self) -> list[str]:
        from ..retrieval.milvus_connection import connect, is_path, refusals
        from ..retrieval.milvus_store import collections_of

        if self._client is None:
            if is_path(self.db) and not Path(self.db).expanduser().exists():
                raise RetrievalError(
                    f"there is no index at {self.db}; make one with finerank index FOLDER --db {self.db}"
                )
            self._client = connect(self.db, self._token)
        with refusals(self.db):
            return collections_of(self._client)

    def _embedder_of(self, store: "MilvusStore", shared: "Embedder | None") -> "Embedder":
        """Collections made with the same model share it."""
        from ..retrieval.searcher import embedder_of

        key = (store.info.embedding_fingerprint, store.info.dimensions)
        if shared is not None and (shared.info.fingerprint, shared.info.dimensions) == key:
            return shared
        if key not in self._embedders:
            self._embedders[key] = embedder_of(store, {"device": self._device})
        return self._embedders[key]
