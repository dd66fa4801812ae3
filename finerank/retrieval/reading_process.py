"""Files read in a process of their own: a parser that crashes or hangs on one file takes down no other."""

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


class ReadingProcess:
    """One worker, started again when it has died. Not for several threads at once."""

    def __init__(self, patience_s: float = _PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._worker: subprocess.Popen[bytes] | None = None
        self._messages: queue.Queue[Any] = queue.Queue()

    def documents(self, file: Path | bytes, name: str, notes: list[str]) -> Iterator[SourceDocument]:
        """As readers.read_file, or read_bytes for a file's content.

        Raises UnreadableError also where the parser crashed or did not come to an end.
        """
        self._ask(file, name)
        is_over = False
        try:
            while True:
                kind, *rest = self._next(name)
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
                    raise UnreadableError(rest[0])
        finally:
            if not is_over:  # nobody wants the rest of the file
                self.close()

    def close(self) -> None:
        worker, self._worker = self._worker, None
        if worker is None:
            return
        worker.kill()
        worker.wait()
        while self._messages.get() is not None:  # or the thread that fills it would wait for ever
            pass
        _close_pipes(worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, file: Path | bytes, name: str) -> None:
        worker = self._worker or self._start()
        assert worker.stdin is not None
        with suppress(BrokenPipeError):  # it has died; reading its answer says so
            pickle.dump((file, name), worker.stdin)
            worker.stdin.flush()

    def _start(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "finerank.retrieval.reading_worker"]
        self._worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._messages = queue.Queue(_AHEAD)
        threading.Thread(target=_pass_on, args=(self._worker, self._messages), daemon=True).start()
        return self._worker

    def _next(self, name: str) -> Any:
        try:
            message = self._messages.get(timeout=self._patience_s)
        except queue.Empty:
            self.close()
            raise UnreadableError(
                f"{name} was not read within {self._patience_s:.0f} s; split it, or save it anew"
            ) from None
        if message is None:
            worker, self._worker = self._worker, None
            code = None if worker is None else worker.wait()
            _close_pipes(worker)
            raise UnreadableError(
                f"{name} crashed its parser (exit code {code}); open it in its own program and save it anew"
            )
        return message


def _close_pipes(worker: "subprocess.Popen[bytes] | None") -> None:
    for pipe in () if worker is None else (worker.stdin, worker.stdout):
        if pipe is not None:
            with suppress(OSError):  # a worker that has died leaves what was written to it
                pipe.close()


def _pass_on(worker: "subprocess.Popen[bytes]", messages: "queue.Queue[Any]") -> None:
    """None when the worker has ended."""
    assert worker.stdout is not None
    try:
        while True:
            messages.put(pickle.load(worker.stdout))
    except (EOFError, pickle.UnpicklingError, ValueError, OSError):
        messages.put(None)
