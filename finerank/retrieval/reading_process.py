"""Files read in a process of their own: a parser that crashes or hangs on one file takes down no other."""

import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

from ..errors import UnreadableError
from .types import SourceDocument

_PATIENCE_S: Final = 120.0
"""For the next document of a file. A PDF of 5,000 pages takes some 30 s."""
_AHEAD: Final = 32
"""Messages read before they are asked for."""


class ReadingAccidentError(UnreadableError):
    """A parser crashed, hung or ran out of memory: perhaps not the file's fault, so it is worth another try."""


class ReadingProcess:
    """One worker, started again when it has died. One thread may read; `end` and `close` may be called from any."""

    def __init__(self, patience_s: float = _PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._worker: _Worker | None = None
        self._is_closed = False
        self._lock = threading.Lock()

    def documents(self, file: Path | bytes, name: str, notes: list[str]) -> Iterator[SourceDocument]:
        """As readers.read_file, or read_bytes for a file's content.

        Raises ReadingAccidentError where the parser crashed or did not come to an end, or the reading was ended.
        """
        worker = self._running(name)
        worker.ask(file, name)
        is_over = False
        try:
            while True:
                kind, *rest = self._next(worker, name)
                is_over = kind != "document"
                if kind == "document":
                    yield rest[0]
                elif kind == "end":
                    notes.extend(rest[0])
                    return
                elif kind == "raised":
                    raise rest[0]
                else:
                    notes.extend(rest[1])
                    raise (UnreadableError if kind == "unreadable" else ReadingAccidentError)(rest[0])
        finally:
            if not is_over:  # nobody wants the rest of the file
                self.end()

    def end(self) -> None:
        """Stops what is being read; the next file starts another worker."""
        with self._lock:
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.end()

    def close(self) -> None:
        """Nothing can be read any more."""
        with self._lock:
            self._is_closed = True
        self.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _running(self, name: str) -> "_Worker":
        with self._lock:
            if self._is_closed:
                raise ReadingAccidentError(f"{name} was not read, for the reading was ended; index it again")
            if self._worker is None:
                self._worker = _Worker()
            return self._worker

    def _next(self, worker: "_Worker", name: str) -> Any:
        try:
            message = worker.next(self._patience_s)
        except queue.Empty:
            raise ReadingAccidentError(
                f"{name} was not read within {self._patience_s:.0f} s; split it, or save it anew"
            ) from None
        if message is None:
            raise ReadingAccidentError(
                f"{name} crashed its parser (exit code {worker.process.wait()}); open it in its own program and save "
                "it anew"
            )
        return message


class _Worker:
    """The process, and the thread that takes its answers."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "finerank.retrieval.reading_worker", str(os.getpid())]
        # In a session of its own, so that Ctrl-C ends it by way of this process only, without a traceback.
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        self._messages: queue.Queue[Any] = queue.Queue(_AHEAD)
        threading.Thread(target=self._take, name="finerank-answers", daemon=True).start()

    def ask(self, file: Path | bytes, name: str) -> None:
        assert self.process.stdin is not None
        with suppress(OSError, ValueError):  # it has died or was ended; reading its answer says so
            pickle.dump((file, name), self.process.stdin)
            self.process.stdin.flush()

    def next(self, patience_s: float) -> Any:
        """None after its end, however often it is asked. Raises queue.Empty."""
        message = self._messages.get(timeout=patience_s)
        if message is None:
            self._messages.put(None)  # there may be others who wait
        return message

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        while self._messages.get() is not None:  # or the thread that fills it would wait for ever
            pass
        self._messages.put(None)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(OSError):  # a worker that has died leaves what was written to it
                    pipe.close()

    def _take(self) -> None:
        assert self.process.stdout is not None
        try:
            while True:
                self._messages.put(pickle.load(self.process.stdout))
        except EOFError:
            pass
        except Exception:  # in the middle of an answer, or what came is none
            self.process.kill()
        self._messages.put(None)
