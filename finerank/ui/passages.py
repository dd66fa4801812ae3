"""A PDF or Word file as documents for the reranker: its passages, each with the page where it begins."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from ..client.limits import estimate_tokens
from ..errors import FinerankError, UnreadableError
from ..extras import remedy_for
from ..texts import Window
from ..types import Document
from .texts import PageError

Passages: TypeAlias = Sequence[Document]

_MOST_TOKENS: Final = 512
_LEFT_FOR_QUERY: Final = 64
_KEPT: Final = 4
_AT_ONCE: Final = 4
_MOST_WAITING: Final = 16
"""Files that are being read or wait for it."""


@dataclass(frozen=True, slots=True)
class _Limit:
    """What of an embedding model a chunker asks for.   max_length: tokens of a passage and eight more."""

    name: str
    max_length: int


class _Estimate:
    """A Measure without a tokenizer: rerankers differ in theirs, and a passage need not fill them to the last token."""

    def __init__(self, tokens: int) -> None:
        self.info = _Limit("the reranker", tokens + 8)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [estimate_tokens(text) for text in texts]

    def token_offsets(self, text: str) -> list[Window]:
        """Each character, so that a text is parted into pieces of as many characters."""
        return [(index, index + 1) for index in range(len(text))]


class PassageReader:
    """Remembers the last few files: one is read when it is chosen, and again for each ranking. For one event loop.

    Files are read in threads of its own, for a broken one may take two minutes, and keep nobody from what the server
    does in the loop's threads.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, Future[Passages]] = OrderedDict()
        self._threads = ThreadPoolExecutor(_AT_ONCE, "finerank-passages")

    async def passages(self, content: bytes, name: str, max_length: int) -> Passages:
        """{"text", "source", "title", "page", "last_page"} of each passage, in order.

        max_length: tokens that the reranker reads. Raises UnreadableError, also for a file that could not be read
        before; PageError while too many others are being read.
        """
        tokens = max(64, min(_MOST_TOKENS, max_length - _LEFT_FOR_QUERY))
        key = hashlib.blake2b(f"{tokens} {name}\0".encode(errors="replace") + content).digest()
        known = self._known.get(key)
        if known is None:
            self._check_room()
            known = self._known[key] = self._threads.submit(_read, content, name, tokens)
        self._known.move_to_end(key)
        self._make_room()
        try:
            # Whoever waits may go away; others may wait for the same file.
            return await asyncio.shield(asyncio.wrap_future(known))
        except UnreadableError:
            raise
        except Exception:  # not the file's fault
            if self._known.get(key) is known:
                del self._known[key]
            raise

    def _check_room(self) -> None:
        waiting = sum(not each.done() for each in self._known.values())
        if waiting >= _MOST_WAITING:
            raise PageError("file.busy", count=waiting)

    def _make_room(self) -> None:
        done = [key for key, each in self._known.items() if each.done()]
        for key in done[: max(0, len(done) - _KEPT)]:
            del self._known[key]


def _read(content: bytes, name: str, tokens: int) -> Passages:
    try:
        from ..retrieval.chunking import Chunker, embedding_text
        from ..retrieval.reading_process import ReadingProcess
    except ModuleNotFoundError as error:
        raise FinerankError(f"{name}: {remedy_for(error) or error}") from None
    chunker, notes = Chunker(_Estimate(tokens), tokens), list[str]()
    with ReadingProcess() as reading:
        documents = reading.documents(content, _with_suffix(name, content), notes)
        chunks = [chunk for each in documents for chunk in chunker.chunks(each)]
    return [
        {
            "text": embedding_text(chunk),
            "source": chunk.source,
            "title": chunk.title,
            "page": chunk.page,
            "last_page": chunk.last_page,
        }
        for chunk in chunks
    ]


def _with_suffix(name: str, content: bytes) -> str:
    """Readers go by the suffix; a PDF may be called `report.txt`."""
    suffix = ".pdf" if content.startswith(b"%PDF") else ".docx"
    return name if name.lower().endswith(suffix) else f"{name}{suffix}"


def page_of(document: Any) -> tuple[str, int, int] | None:
    """(file, first page, last page) of a passage; None for other documents, and where the file has no pages."""
    if not isinstance(document, dict) or not isinstance(document.get("page"), int) or "source" not in document:
        return None
    page: int = document["page"]
    last = document.get("last_page")
    return str(document["source"]), page, last if isinstance(last, int) else page
