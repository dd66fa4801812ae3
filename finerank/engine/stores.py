"""Places for a `ResultCache` outside this process's memory: a folder, a Redis server.

Several servers may share either. Only bytes are stored and read: diskcache would else read pickles, which run code.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ..errors import SettingsError
from .result_cache import MemoryStore, ResultCache, Store

_REDIS_TIMEOUT_S: Final = 0.5
_REDIS_PREFIX: Final = b"finerank:"
_REDIS_EXPIRE_S: Final = 7 * 24 * 3600
"""Redis has no bound of ours; entries that nobody asks for leave by themselves."""


def open_cache(where: str, max_bytes: int) -> ResultCache | None:
    """`memory`, `off`, `disk:FOLDER` or `redis://...`. Raises SettingsError if the place cannot be used."""
    if where == "off":
        return None
    if where == "memory":
        return ResultCache(MemoryStore(max_bytes))
    store: Store = DiskStore(Path(where[5:]), max_bytes) if where.startswith("disk:") else RedisStore(where)
    return ResultCache(store)


class DiskStore:
    """SQLite files in a folder, through diskcache; evicts the oldest entries beyond `max_bytes`."""

    is_in_process = False

    def __init__(self, folder: Path, max_bytes: int) -> None:
        try:
            import diskcache
        except ModuleNotFoundError:
            raise SettingsError("a cache on disk needs diskcache: pip install 'finerank[server]'") from None

        class BytesOnly(diskcache.Disk):  # type: ignore[misc]  # diskcache has no types
            """Refuses every form but raw bytes."""

            def fetch(self, mode: int, filename: Any, value: Any, read: bool) -> Any:
                return bytes(value) if mode == diskcache.core.MODE_RAW and isinstance(value, bytes) else None

        try:
            self._cache = diskcache.Cache(
                str(folder.expanduser()), disk=BytesOnly, size_limit=max_bytes, eviction_policy="least-recently-stored"
            )
        except (OSError, sqlite3.Error) as error:
            raise SettingsError(
                f"--result-cache: {folder} cannot be used: {error}; name a folder to write in"
            ) from None

    def get_many(self, keys: Sequence[bytes]) -> Mapping[bytes, object]:
        found = {key: self._cache.get(key) for key in keys}
        return {key: value for key, value in found.items() if value is not None}

    def put_many(self, entries: Mapping[bytes, bytes]) -> None:
        with self._cache.transact():
            for key, value in entries.items():
                self._cache.set(key, value)

    def close(self) -> None:
        self._cache.close()


class RedisStore:
    """A Redis server; one round trip a call."""

    is_in_process = False

    def __init__(self, url: str) -> None:
        try:
            import redis
        except ModuleNotFoundError:
            raise SettingsError("a cache in Redis needs the package redis: pip install 'finerank[redis]'") from None
        try:
            self._redis: Any = redis.Redis.from_url(
                url, socket_timeout=_REDIS_TIMEOUT_S, socket_connect_timeout=_REDIS_TIMEOUT_S
            )
        except ValueError as error:
            raise SettingsError(f"--result-cache: {error}; give redis://host:port/0") from None

    def get_many(self, keys: Sequence[bytes]) -> Mapping[bytes, object]:
        values = self._redis.mget([_REDIS_PREFIX + key for key in keys])
        return {key: value for key, value in zip(keys, values, strict=True) if value is not None}

    def put_many(self, entries: Mapping[bytes, bytes]) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        for key, value in entries.items():
            pipeline.set(_REDIS_PREFIX + key, value, ex=_REDIS_EXPIRE_S)
        pipeline.execute()

    def close(self) -> None:
        self._redis.close()
