"""`UploadIndexes`: files that somebody opened on the page, searchable as long as there is room for them in memory.

Nothing is written to the disk. The same files are indexed once, whoever opens them; whoever does gets a token that
cannot be guessed, and only a token gives access.
"""

import asyncio
import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from ..errors import InputError, RetrievalError
from ..extras import remedy_for
from ..server.search_service import SearchService
from .texts import PageError
from .upload import RawFile

if TYPE_CHECKING:
    from ..embedder import Embedder
    from ..retrieval.searcher import Searcher

MOST_SETS: Final = 8
MOST_BYTES: Final = 512 << 20
"""Of vectors and texts of all sets together, and of the files of those that are not yet indexed."""
_AT_ONCE: Final = 2
"""Sets that are being indexed; others wait, as files."""
_SAMPLES: Final = 3
"""Files whose language is guessed."""


class UploadIndex:
    """One set of files on its way into an index.

    num_done: files that were read.   current: the name of the one in hand.   num_chunks: passages so far.
    unreadable: (file, why).   notes: what was odd.   num_bytes: of the files, then of the index; 0 if it failed.
    """

    def __init__(self, token: str, files: Sequence[RawFile]) -> None:
        self.token = token
        self.num_files = len(files)
        self.num_done = 0
        self.current = files[0].name
        self.num_chunks = 0
        self.num_bytes = sum(len(file.content) for file in files)
        self.unreadable: list[tuple[str, str]] = []
        self.notes: list[str] = []
        self._started = time.monotonic()
        self._files: Sequence[RawFile] = files
        self.task: asyncio.Task[Searcher] | None = None

    @property
    def is_done(self) -> bool:
        return self.task is not None and self.task.done()

    @property
    def is_failed(self) -> bool:
        return self.task is not None and self.is_done and (self.task.cancelled() or self.task.exception() is not None)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    async def searcher(self) -> "Searcher":
        """When it is there. Raises InputError if nothing could be read of any file, and what loading a model raises."""
        assert self.task is not None
        # Whoever waits may go away; the index is there for others too.
        return await asyncio.shield(self.task)

    def build(self, embedder: "Embedder") -> "tuple[Searcher, int]":
        """(the index, its bytes). In a thread. Raises InputError if nothing could be read of any file."""
        from ..retrieval.chunking import Chunker
        from ..retrieval.indexer import Indexer, new_info
        from ..retrieval.language import language_of
        from ..retrieval.memory_store import MemoryStore
        from ..retrieval.searcher import Searcher
        from ..retrieval.terms import TermAnalyzer

        language = language_of([(file.content, file.name) for file in self._files], most_files=_SAMPLES)
        store = MemoryStore(new_info(embedder, Chunker(embedder), TermAnalyzer(language)))
        with Indexer(store, embedder) as indexer:
            for file in self._files:
                self.current = file.name
                report = indexer.add_bytes(file.content, file.name)
                self.unreadable += report.unreadable
                self.notes += report.notes
                self.num_done += 1
                self.num_chunks = store.count()
        if not self.num_chunks:
            raise InputError("; ".join(why for _, why in self.unreadable) or "the files hold no text")
        store.finish()
        return Searcher(store, embedder), store.num_bytes

    def let_go(self, num_bytes: int) -> None:
        """Of the files, whatever became of them.   num_bytes: of what is kept instead."""
        self._files, self.num_bytes = (), num_bytes


class UploadIndexes:
    """The last sets that were opened: at most 8, and at most 512 MiB together, but for the newest one.

    Those that were not used for longest make room, once they are indexed. For one event loop.
    """

    def __init__(self, search: SearchService) -> None:
        self._search = search
        self._sets: OrderedDict[str, UploadIndex] = OrderedDict()
        self._secret = secrets.token_bytes(32)
        self._threads = ThreadPoolExecutor(_AT_ONCE, "finerank-uploads")

    def open(self, files: Sequence[RawFile]) -> UploadIndex:
        """Those files, being indexed from now on unless they are already there.

        Raises PageError if as many others are not yet indexed as may be.
        """
        token = self.token_of(files)
        known = self._sets.get(token)
        if known is None or known.is_failed:
            known = UploadIndex(token, files)
            self._check_room(known.num_bytes)
            self._sets[token] = known
            known.task = asyncio.get_running_loop().create_task(self._build(known))
            known.task.add_done_callback(_heard)
            self._make_room()
        self._sets.move_to_end(token)
        return known

    def get(self, token: str) -> UploadIndex | None:
        """None if it was never there, or had to make room."""
        found = self._sets.get(token)
        if found is not None:
            self._sets.move_to_end(token)
        return found

    def token_of(self, files: Sequence[RawFile]) -> str:
        """Of names and contents, keyed: nobody can make one of a file that they do not have."""
        hashed = hashlib.blake2b(key=self._secret, digest_size=32)
        for file in sorted(files, key=lambda each: each.name):
            for part in (file.name.encode(errors="replace"), file.content):
                hashed.update(len(part).to_bytes(8, "big") + part)
        return hashed.hexdigest()

    async def _build(self, index: UploadIndex) -> "Searcher":
        kept = 0
        try:
            embedder = await self._search.embedder()
            searcher, kept = await asyncio.get_running_loop().run_in_executor(
                self._threads, _installed, index, embedder
            )
        finally:
            index.let_go(kept)
        self._make_room()
        return searcher

    def _check_room(self, num_bytes: int) -> None:
        """Sets that are not yet indexed make no room: somebody waits for them."""
        waiting = [each for each in self._sets.values() if not each.is_done]
        if waiting and (len(waiting) >= MOST_SETS or num_bytes + sum(each.num_bytes for each in waiting) > MOST_BYTES):
            raise PageError("search.busy", count=len(waiting))

    def _make_room(self) -> None:
        for token in [token for token, each in self._sets.items() if each.is_done]:
            if len(self._sets) <= MOST_SETS and sum(each.num_bytes for each in self._sets.values()) <= MOST_BYTES:
                return
            del self._sets[token]


def _installed(index: UploadIndex, embedder: "Embedder") -> "tuple[Searcher, int]":
    """In a thread. Raises RetrievalError if the extra is missing."""
    try:
        return index.build(embedder)
    except ModuleNotFoundError as error:
        raise RetrievalError(remedy_for(error) or str(error)) from None


def _heard(task: "asyncio.Task[Searcher]") -> None:
    """A failure is told to whoever searches; asyncio need not complain that nobody did."""
    if not task.cancelled():
        task.exception()
