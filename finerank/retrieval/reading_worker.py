"""`python -m finerank.retrieval.reading_worker PARENT`: reads files for another process, so that a file that crashes or
hangs a parser costs that file only.

Takes pickled (path or content, name) on standard input, gives pickled messages on standard output:
("document", SourceDocument), then ("end", notes), ("unreadable", why, notes), ("accident", why, notes) where another
try may go well, or ("raised", error) for what is not the file's fault, such as a package that is not installed.
PARENT: the other process's id; the worker ends with it, whatever it is doing.
"""

import os
import pickle
import sys
import threading
import time
from pathlib import Path
from typing import Any, BinaryIO, Final

from ..errors import UnreadableError
from .readers import read_bytes, read_file

_LOOK_EVERY_S: Final = 1.0


def main() -> None:
    """Until standard input ends."""
    threading.Thread(target=_end_with, args=(int(sys.argv[1]),), daemon=True).start()
    questions = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a parser prints must not get between the answers
    try:
        while True:
            file, name = pickle.load(questions)
            _read(file, name, answers)
    except (EOFError, BrokenPipeError, pickle.UnpicklingError):  # nobody asks or nobody listens any more
        os._exit(0)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY_S)
    os._exit(1)


def _read(file: Path | bytes, name: str, answers: BinaryIO) -> None:
    notes: list[str] = []
    documents = read_bytes(file, name, notes) if isinstance(file, bytes) else read_file(file, name, notes)
    try:
        for document in documents:
            _send(answers, ("document", document))
        _send(answers, ("end", notes))
    except BrokenPipeError:
        raise
    except UnreadableError as error:
        _send(answers, ("unreadable", str(error), notes))
    except MemoryError:
        _send(answers, ("accident", f"{name} takes more memory than there is; split it", notes))
    except Exception as error:
        _send(answers, ("raised", error))


def _send(answers: BinaryIO, message: tuple[Any, ...]) -> None:
    pickle.dump(message, answers, protocol=pickle.HIGHEST_PROTOCOL)
    answers.flush()


if __name__ == "__main__":
    main()
