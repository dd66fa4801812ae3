"""`ResultCache`: scores that were computed before, by what they depend on.

Candidate sets repeat, in paging and in the loops of agents. A key is a hash over the model's fingerprint, the
instruction, the query, the document and what decides how much of it is read; so an entry never has to be invalidated.
An entry carries a checksum: one that was damaged or planted is a miss, not a score. A store that fails costs speed,
never an answer.
"""

import hashlib
import logging
import math
import struct
import threading
import time
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self

_log = logging.getLogger(__name__)

_ENTRY: Final = struct.Struct("<fIIBII")
_CHECK: Final = struct.Struct("<I")
_ENTRY_BYTES: Final = 330
"""Of a key, an entry and their places in Python's memory: measured with tracemalloc, rounded up."""
_PAUSE_S: Final = 10.0
"""A store that failed is left alone for so long: a full disk fails every call, slowly."""


@dataclass(slots=True)
class CachedScore:
    """What is known of a (query, document), see RankedDocument.   prompt_tokens: of its prompts, see Usage."""

    log_odds: float
    num_tokens: int
    prompt_tokens: int
    is_truncated: bool
    window: tuple[int, int] | None

    def pack(self, key: bytes) -> bytes:
        start, end = self.window or (0, 0)
        flags = self.is_truncated | (self.window is not None) << 1
        entry = _ENTRY.pack(self.log_odds, self.num_tokens, self.prompt_tokens, flags, start, end)
        return entry + _CHECK.pack(zlib.crc32(key + entry))

    @classmethod
    def unpack(cls, key: bytes, value: object) -> Self | None:
        """None if these are not the bytes that `pack` made for this key."""
        if not isinstance(value, bytes) or len(value) != _ENTRY.size + _CHECK.size:
            return None
        entry, check = value[: _ENTRY.size], value[_ENTRY.size :]
        if _CHECK.unpack(check)[0] != zlib.crc32(key + entry):
            return None
        log_odds, num_tokens, prompt_tokens, flags, start, end = _ENTRY.unpack(entry)
        if not math.isfinite(log_odds):
            return None
        return cls(log_odds, num_tokens, prompt_tokens, bool(flags & 1), (start, end) if flags & 2 else None)


class Store(Protocol):
    """Entries by key, bounded; any method may raise.

    is_in_process: it keeps objects and may be asked in an event loop; any other keeps bytes, which are checked.
    """

    is_in_process: bool

    def get_many(self, keys: Sequence[bytes]) -> Mapping[bytes, object]: ...

    def put_many(self, entries: Mapping[bytes, Any]) -> None: ...

    def close(self) -> None: ...


class MemoryStore:
    """In this process; the least recently used goes first. Thread-safe."""

    is_in_process = True

    def __init__(self, max_bytes: int) -> None:
        self._max_entries = max(1, max_bytes // _ENTRY_BYTES)
        self._entries: OrderedDict[bytes, object] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def get_many(self, keys: Sequence[bytes]) -> Mapping[bytes, object]:
        with self._lock:
            found = {key: self._entries[key] for key in keys if key in self._entries}
            for key in found:
                self._entries.move_to_end(key)
        return found

    def put_many(self, entries: Mapping[bytes, Any]) -> None:
        with self._lock:
            self._entries.update(entries)
            while len(self._entries) > self._max_entries:
                self._entries.popitem(last=False)

    def close(self) -> None:
        with self._lock:
            self._entries.clear()


class ResultCache:
    """A store, guarded and counted. Thread-safe as far as its store is.

    hits, misses: documents.   errors: calls of the store that failed.   damaged: entries that were not what was put.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._paused_until = 0.0
        self.hits = self.misses = self.errors = self.damaged = 0

    @property
    def is_fast(self) -> bool:
        """May it be asked in an event loop?"""
        return self._store.is_in_process

    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, CachedScore]:
        """What is known of them; a failing store knows nothing."""
        found: dict[bytes, CachedScore] = {}
        if time.monotonic() >= self._paused_until:
            try:
                found = self._unpacked(self._store.get_many(keys))
            except Exception as error:
                self._pause("read", error)
        self.hits += len(found)
        self.misses += len(keys) - len(found)
        return found

    def put_many(self, scores: Mapping[bytes, CachedScore]) -> None:
        """Keeps them if the store can."""
        if not scores or time.monotonic() < self._paused_until:
            return
        try:
            is_object = self._store.is_in_process
            self._store.put_many(scores if is_object else {key: score.pack(key) for key, score in scores.items()})
        except Exception as error:
            self._pause("written", error)

    def close(self) -> None:
        self._store.close()

    def _unpacked(self, found: Mapping[bytes, object]) -> dict[bytes, CachedScore]:
        scores: dict[bytes, CachedScore] = {}
        for key, value in found.items():
            score = value if isinstance(value, CachedScore) else CachedScore.unpack(key, value)
            if score is None:
                self.damaged += 1
                _log.warning("an entry of the result cache is damaged and is not used; it will be computed again")
            else:
                scores[key] = score
        return scores

    def _pause(self, what: str, error: Exception) -> None:
        self.errors += 1
        self._paused_until = time.monotonic() + _PAUSE_S
        _log.warning(
            "the result cache cannot be %s (%s: %s); without it for %.0f s", what, type(error).__name__, error, _PAUSE_S
        )


def cache_keys(scope: Iterable[object], query: str, documents: Sequence[str]) -> list[bytes]:
    """A 16-byte key for each document.   scope: all else that its score depends on, the fingerprint first."""
    base = hashlib.blake2b(digest_size=16)
    for part in (*scope, query):
        data = repr(part).encode("utf-8", "surrogatepass")
        base.update(len(data).to_bytes(8, "little") + data)
    keys = []
    for document in documents:
        own = base.copy()
        own.update(document.encode())
        keys.append(own.digest())
    return keys
