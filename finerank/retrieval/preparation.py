"""Files read and chunked in a thread, ahead of what is being embedded, and no further ahead than a bound."""

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from ..errors import UnreadableError
from .chunking import Chunker
from .index_info import FileRecord
from .reading_process import ReadingAccidentError, ReadingProcess
from .types import Chunk

_AHEAD: Final = 16
"""Portions that may wait."""
_PORTION: Final = 256
"""Chunks of a file that go on together: a file of any size passes in bounded memory."""


@dataclass(slots=True)
class Portion:
    """Some chunks of a file.   is_last: its record is complete now."""

    record: FileRecord
    chunks: Sequence[Chunk]
    is_last: bool


class Preparation:
    """Yields the portions of `files` in order, each a (content, record) as ReadingProcess takes it."""

    def __init__(self, reading: ReadingProcess, chunker: Chunker) -> None:
        self._reading = reading
        self._chunker = chunker

    def portions(self, files: Iterable[tuple[Any, FileRecord]]) -> Generator[Portion]:
        """A file that cannot be read ends with a record that says why."""
        return _ahead(
            lambda: (portion for file, record in files for portion in self.of_file(file, record)), self._reading.end
        )

    def of_file(self, file: Any, record: FileRecord) -> Generator[Portion]:
        notes: list[str] = []
        waiting: list[Chunk] = []
        try:
            for document in self._reading.documents(file, record.source, notes):
                for chunk in self._chunker.chunks(document):
                    waiting.append(chunk)
                    if len(waiting) == _PORTION:
                        yield Portion(record, waiting, is_last=False)
                        waiting = []
            record.state = "done"
        except UnreadableError as error:
            record.state, record.error, waiting = "unreadable", str(error), []
            if isinstance(error, ReadingAccidentError):
                record.digest = ""  # so that the next run tries it again
        record.notes = tuple(notes)
        yield Portion(record, waiting, is_last=True)


def _ahead(make: Callable[[], Iterable[Portion]], stop: Callable[[], None]) -> Generator[Portion]:
    """The same items, made in a thread. What it raises is raised here.

    stop: called if nobody wants the rest, for the thread may be waiting for a file.
    """
    made: queue.Queue[Any] = queue.Queue(_AHEAD)
    is_unwanted = threading.Event()

    def put(item: Any) -> None:
        while not is_unwanted.is_set():
            try:
                return made.put(item, timeout=0.1)
            except queue.Full:
                continue
        raise _NobodyWaits

    def run() -> None:
        try:
            for item in make():
                put((item, None))
            put((None, None))
        except _NobodyWaits:
            pass
        except BaseException as error:
            with suppress(_NobodyWaits):
                put((None, error))

    thread = threading.Thread(target=run, name="finerank-reading", daemon=True)
    thread.start()
    try:
        while True:
            item, error = made.get()
            if error is not None:
                raise error
            if item is None:
                return
            yield item
    except BaseException:  # also of whoever takes the items
        is_unwanted.set()
        stop()
        raise
    finally:
        thread.join(timeout=5.0)


class _NobodyWaits(Exception):  # noqa: N818  (a signal)
    """Whoever asked for the items has gone."""
