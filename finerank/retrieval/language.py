"""In which language files are, seen from the beginnings of some of them."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Final, TypeAlias

from ..errors import UnreadableError
from .reading_process import ReadingProcess
from .terms import guess_language

NamedFile: TypeAlias = tuple[Path | bytes, str]
"""A path or a content, and its name."""

_MOST_FILES: Final = 12
_MOST_DOCUMENTS: Final = 20
"""Of a file."""
_MOST_CHARACTERS: Final = 4000
"""Of a document."""


def language_of(files: Sequence[NamedFile], *, most_files: int = _MOST_FILES) -> str:
    """The ISO 639 code of the language that most of them are in; "en" where none holds text.

    most_files: so many are read, from all over the list.
    """
    return guess_language(samples_of(files, most_files=most_files))


def samples_of(files: Sequence[NamedFile], *, most_files: int = _MOST_FILES) -> list[str]:
    """The beginnings of documents of some of the files; [] where none of those can be read."""
    texts: list[str] = []
    step = max(1, len(files) // most_files)
    with ReadingProcess() as reading:
        for file, name in files[::step][:most_files]:
            try:
                for document in islice(reading.documents(file, name, []), _MOST_DOCUMENTS):
                    texts.append(" ".join(section.text for section in document.sections)[:_MOST_CHARACTERS])
            except UnreadableError:
                continue
    return texts
