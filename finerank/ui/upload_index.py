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
from itertools import islice
from typing import TYPE_CHECKING, Final

from ..errors import InputError, RetrievalError
from ..extras import remedy_for
from ..server.search_service import SearchService
from .upload import RawFile

if TYPE_CHECKING:
    from ..embedder import Embedder
    from ..retrieval.searcher import Searcher

MOST_SETS: Final = 8
MOST_BYTES: Final = 512 << 20
"""Of vectors and texts of all sets together."""
_AT_ONCE: Final = 2
"""Sets that are being indexed; others wait."""
_SAMPLES: Final = 3
_SAMPLE_CHARS: Final = 4000


class UploadIndex:
    """One set of files on its way into an index.

    num_done: files that were read.   current: the name of the one in hand.   num_chunks: passages so far.
    unreadable: (file, why).   notes: what was odd.   num_bytes: of the finished index.
    """

    def __init__(self, token: str, files: Sequence[RawFile]) -> None:
        self.token = token
        self.num_files = len(files)
        self.num_done = 0
        self.current = files[0].name
        self.num_chunks = 0
        self.num_bytes = 0
        self.unreadable: list[tuple[str, str]] = []
        self.notes: list[str] = []
        self._started = time.monotonic()
        self._files: Sequence[RawFile] = files
        self.task: asyncio.Task[Searcher] | None = None

    @property
    def is_done(self) -> bool:
        return self.task is not None and self.task.done()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    async def searcher(self) -> "Searcher":
        """When it is there. Raises InputError if nothing could be read of any file, and what loading a model raises."""
        assert self.task is not None
        # Whoever waits may go away; the index is there for others too.
        return await asyncio.shield(self.task)

    def build(self, embedder: "Embedder") -> "Searcher":
        """In a thread."""
        from ..retrieval.chunking import Chunker
        from ..retrieval.indexer import Indexer, new_info
        from ..retrieval.memory_store import MemoryStore
        from ..retrieval.searcher import Searcher
        from ..retrieval.terms import TermAnalyzer

        language = _language_of(self._files)
        store = MemoryStore(new_info(embedder, Chunker(embedder), TermAnalyzer(language)))
        with Indexer(store, embedder) as indexer:
            for file in self._files:
                self.current = file.name
                report = indexer.add_bytes(file.content, file.name)
                self.unreadable += report.unreadable
                self.notes += report.notes
                self.num_done += 1
                self.num_chunks = store.count()
        self._files = ()
        if not self.num_chunks:
            raise InputError("; ".join(why for _, why in self.unreadable) or "the files hold no text")
        store.finish()
        self.num_bytes = store.num_bytes
        return Searcher(store, embedder)


class UploadIndexes:
    """The last sets that were opened: at most 8, and at most 512 MiB together, but for the newest one."""

    def __init__(self, search: SearchService) -> None:
        self._search = search
        self._sets: OrderedDict[str, UploadIndex] = OrderedDict()
        self._secret = secrets.token_bytes(32)
        self._threads = ThreadPoolExecutor(_AT_ONCE, "finerank-uploads")

    def open(self, files: Sequence[RawFile]) -> UploadIndex:
        """Those files, being indexed from now on unless they are already there."""
        token = self.token_of(files)
        known = self._sets.get(token)
        if known is None or (known.is_done and known.task is not None and known.task.exception() is not None):
            known = self._sets[token] = UploadIndex(token, files)
            known.task = asyncio.get_running_loop().create_task(self._build(known))
            known.task.add_done_callback(_heard)
        self._sets.move_to_end(token)
        self._make_room()
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
        embedder = await self._search.embedder()
        searcher = await asyncio.get_running_loop().run_in_executor(self._threads, _installed, index, embedder)
        self._make_room()
        return searcher

    def _make_room(self) -> None:
        """The longest unused go first."""
        while len(self._sets) > 1 and (
            len(self._sets) > MOST_SETS or sum(each.num_bytes for each in self._sets.values()) > MOST_BYTES
        ):
            self._sets.popitem(last=False)


def _installed(index: UploadIndex, embedder: "Embedder") -> "Searcher":
    try:
        return index.build(embedder)
    except ModuleNotFoundError as error:
        raise RetrievalError(remedy_for(error) or str(error)) from None


def _heard(task: "asyncio.Task[Searcher]") -> None:
    """A failure is told to whoever searches; asyncio need not complain that nobody did."""
    if not task.cancelled():
        task.exception()


def _language_of(files: Sequence[RawFile]) -> str:
    """Guessed from the beginnings of a few of them."""
    from ..errors import UnreadableError
    from ..retrieval.reading_process import ReadingProcess
    from ..retrieval.terms import guess_language

    texts: list[str] = []
    with ReadingProcess() as reading:
        for file in files[:: max(1, len(files) // _SAMPLES)][:_SAMPLES]:
            try:
                for document in islice(reading.documents(file.content, file.name, []), _SAMPLES):
                    texts.append(" ".join(section.text for section in document.sections)[:_SAMPLE_CHARS])
            except UnreadableError:
                continue
    return guess_language(texts)
