"""`python -m finerank.retrieval.reading_worker`: reads files for another process, so that a file that crashes or hangs
a parser costs that file only.

Takes pickled (path or content, name) on standard input, gives pickled messages on standard output:
("document", SourceDocument), then ("end", notes), ("unreadable", why, notes), or ("raised", error) for what is
not the file's fault, such as a package that is not installed.
"""

import os
import pickle
import sys
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import UnreadableError
from .readers import read_bytes, read_file


def main() -> None:
    """Until standard input ends."""
    questions = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a parser prints must not get between the answers
    while True:
        try:
            file, name = pickle.load(questions)
        except EOFError:
            return
        _read(file, name, answers)


def _read(file: Path | bytes, name: str, answers: BinaryIO) -> None:
    notes: list[str] = []
    documents = read_bytes(file, name, notes) if isinstance(file, bytes) else read_file(file, name, notes)
    try:
        for document in documents:
            _send(answers, ("document", document))
        _send(answers, ("end", notes))
    except BrokenPipeError:
        raise SystemExit from None
    except UnreadableError as error:
        _send(answers, ("unreadable", str(error), notes))
    except MemoryError:
        _send(answers, ("unreadable", f"{name} takes more memory than there is; split it", notes))
    except Exception as error:
        _send(answers, ("raised", error))


def _send(answers: BinaryIO, message: tuple[Any, ...]) -> None:
    pickle.dump(message, answers, protocol=pickle.HIGHEST_PROTOCOL)
    answers.flush()


if __name__ == "__main__":
    main()
