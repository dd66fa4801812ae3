"""From files to documents: one file here for each format.

Knows nothing of models and indexes. What cannot be read raises UnreadableError, whose message names the file, what is
wrong with it and what to do; what was read in part is one of the `notes`.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path, PurePath
from typing import Final, TypeAlias

from ...errors import FinerankError, UnreadableError
from ..types import SourceDocument
from .file import File
from .sniffing import kind_of

Reader: TypeAlias = Callable[[File], Iterator[SourceDocument]]

_KINDS: Final[dict[str, str]] = {
    **dict.fromkeys((".txt", ".text", ".log", ".rst"), "text"),
    **dict.fromkeys((".md", ".markdown"), "markdown"),
    **dict.fromkeys((".html", ".htm", ".xhtml"), "html"),
    **dict.fromkeys((".csv", ".tsv", ".jsonl", ".ndjson"), "rows"),
    ".pdf": "pdf",
    ".docx": "docx",
}
"""Suffix -> the module here that reads it; imported when the first such file comes, for some are heavy."""

SUFFIXES: Final[frozenset[str]] = frozenset(_KINDS)
"""Of the files that can be read, lower-case, with the point."""


def read_file(path: Path, name: str, notes: list[str] | None = None) -> Iterator[SourceDocument]:
    """The documents of the file at `path`, one after another; nothing is opened before the first is asked for.

    name: the path as the user sees it; ids, sources and messages carry it.   notes: is told what could not be read of
    a file that was read otherwise.
    Raises UnreadableError, also after some documents, if what comes then cannot be read.
    """
    return _documents(File(_printable(name), path=path, notes=[] if notes is None else notes))


def read_bytes(content: bytes, name: str, notes: list[str] | None = None) -> Iterator[SourceDocument]:
    """The same of a file's content, such as a browser sent."""
    return _documents(File(_printable(name), content=content, notes=[] if notes is None else notes))


def _printable(name: str) -> str:
    """A name whose bytes are no UTF-8 reaches Python with lone surrogates, which no store takes."""
    return name.encode("utf-8", "backslashreplace").decode()


def _documents(file: File) -> Iterator[SourceDocument]:
    kind = _kind(file)
    reader: Reader = import_module(f".{kind}", __name__).read
    has_any = False
    try:
        for document in reader(file):
            has_any = True
            yield document
    except (FinerankError, MemoryError):
        raise
    except ModuleNotFoundError:  # an extra that is not installed
        raise
    except Exception as error:  # parsers raise all kinds for a broken file
        reason = (str(error) or repr(error)).splitlines()[0]
        raise UnreadableError(
            f"{file.name} is broken or no {kind} file ({reason}); open it in its own program and save it anew"
        ) from error
    if not has_any:
        raise UnreadableError(f"{file.name} holds no text; leave it out")


def _kind(file: File) -> str:
    if not file.head(1):
        raise UnreadableError(f"{file.name} is empty; leave it out, or copy it again")
    return _KINDS.get(PurePath(file.name).suffix.lower()) or kind_of(file)
