"""`Store`: where the chunks of an index are, whatever is behind it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ..scores import FloatArray
from .index_info import FileRecord, IndexInfo
from .types import Chunk, Found

BM25_K1: Final = 1.5
BM25_B: Final = 0.75
"""Those that Milvus Lite 3.2 has, whatever it is told; so an index on a server finds the same."""
BM25_METHOD: Final = "lucene"
"""Its formula, as bm25s names it."""


@dataclass(slots=True)
class Entry:
    """A chunk on its way into a store.   vector: (D,) fp32 of length 1.   terms: for BM25."""

    chunk: Chunk
    vector: FloatArray
    terms: Sequence[str]


class Store(ABC):
    """Chunks with their vectors and terms, and the files they came from. Methods may be called from any thread."""

    where: str
    """For people: the file or address, and the collection."""
    info: IndexInfo

    @abstractmethod
    def dense(self, vector: FloatArray, limit: int, filter_: str | None = None) -> list[Found]:
        """The chunks nearest to `vector` (D,), by cosine, best first. Raises InputError for a bad filter."""

    @abstractmethod
    def bm25(self, terms: Sequence[str], limit: int, filter_: str | None = None) -> list[Found]:
        """The chunks with the highest BM25 score for `terms`, best first; none without a common term."""

    @abstractmethod
    def add(self, entries: Sequence[Entry]) -> None:
        """Stores chunks; those with a known id replace it."""

    @abstractmethod
    def remove(self, file_ids: Sequence[str]) -> None:
        """Removes all chunks of these files."""

    @abstractmethod
    def count(self) -> int:
        """Chunks in the index."""

    @abstractmethod
    def files(self, ids: Sequence[str]) -> dict[str, FileRecord]:
        """Id -> record of those of the files that are known."""

    @abstractmethod
    def all_files(self) -> Iterator[FileRecord]: ...

    @abstractmethod
    def put_files(self, records: Iterable[FileRecord]) -> None:
        """Stores records over those with the same id."""

    @abstractmethod
    def forget_files(self, ids: Sequence[str]) -> None:
        """Removes the records only."""

    @abstractmethod
    def save_info(self) -> None:
        """Stores `info`."""

    def finish(self) -> None:  # noqa: B027  (most have nothing to do)
        """After many additions: makes searching fast."""

    def close(self) -> None:  # noqa: B027
        """Gives everything back."""
