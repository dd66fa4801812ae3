"""An index in memory, for a few files that somebody wants to ask about once: exact, and gone with the process."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import bm25s
import numpy as np

from ..errors import InputError
from ..scores import FloatArray
from .index_info import FileRecord, IndexInfo, file_id
from .store import BM25_B, BM25_K1, BM25_METHOD, Entry, Store
from .types import Chunk, Found


class MemoryStore(Store):
    """Vectors in one matrix, BM25 by bm25s; both are made anew after a change, when first searched."""

    def __init__(self, info: IndexInfo) -> None:
        self.info = info
        self.where = "an index in memory"
        self._entries: dict[str, Entry] = {}
        self._files: dict[str, FileRecord] = {}
        self._lock = threading.RLock()
        self._made: _Made | None = None

    @property
    def num_bytes(self) -> int:
        """Of vectors and texts, roughly."""
        with self._lock:
            entries = list(self._entries.values())
        return sum(each.vector.nbytes + 2 * len(each.chunk.text) + 64 * len(each.terms) for each in entries)

    def dense(self, vector: FloatArray, limit: int, filter_: str | None = None) -> list[Found]:
        _refuse_filter(filter_)
        made = self._index()
        if not made.chunks:
            return []
        return made.best(made.vectors @ vector, limit)

    def bm25(self, terms: Sequence[str], limit: int, filter_: str | None = None) -> list[Found]:
        _refuse_filter(filter_)
        made = self._index()
        if made.bm25 is None or not terms:
            return []
        scores: FloatArray = made.bm25.get_scores(list(terms))
        return [found for found in made.best(scores, limit) if found.score > 0.0]

    def add(self, entries: Sequence[Entry]) -> None:
        with self._lock:
            self._entries.update((entry.chunk.id, entry) for entry in entries)
            self._made = None

    def remove(self, file_ids: Sequence[str]) -> None:
        gone = set(file_ids)
        with self._lock:
            self._entries = {
                key: entry for key, entry in self._entries.items() if file_id(entry.chunk.source) not in gone
            }
            self._made = None

    def count(self) -> int:
        return len(self._entries)

    def files(self, ids: Sequence[str]) -> dict[str, FileRecord]:
        return {key: self._files[key] for key in ids if key in self._files}

    def all_files(self) -> Iterator[FileRecord]:
        return iter(list(self._files.values()))

    def put_files(self, records: Iterable[FileRecord]) -> None:
        self._files.update((record.id, record) for record in records)

    def forget_files(self, ids: Sequence[str]) -> None:
        for key in ids:
            self._files.pop(key, None)

    def save_info(self) -> None:
        """It is kept as it is."""

    def finish(self) -> None:
        self._index()

    def _index(self) -> "_Made":
        with self._lock:
            if self._made is None:
                self._made = _Made(list(self._entries.values()))
            return self._made


class _Made:
    """What is searched."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.chunks: list[Chunk] = [entry.chunk for entry in entries]
        self.vectors = np.stack([entry.vector for entry in entries]) if entries else np.zeros((0, 0), np.float32)
        self.bm25: Any = None
        if any(entry.terms for entry in entries):
            self.bm25 = bm25s.BM25(method=BM25_METHOD, k1=BM25_K1, b=BM25_B)
            self.bm25.index([list(entry.terms) for entry in entries], show_progress=False)

    def best(self, scores: FloatArray, limit: int) -> list[Found]:
        order = np.argsort(-scores, kind="stable")[:limit]
        return [Found(self.chunks[index], float(scores[index])) for index in order]


def _refuse_filter(filter_: str | None) -> None:
    if filter_:
        raise InputError(f"the filter {filter_!r} needs an index in Milvus; an index in memory has none")
