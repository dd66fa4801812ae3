"""Plain text. A large file is read a part at a time and becomes several documents, so that memory stays bounded."""

import io
from collections.abc import Iterator
from typing import Final

from ..boilerplate import without_boilerplate
from ..types import Section, SourceDocument
from .encoding import cleaned, encoding_of
from .file import File, as_title

PART_CHARACTERS: Final = 2**20
"""A longer text becomes several documents, `NAME#1`, `NAME#2`, ..., parted at a blank line where there is one."""


def read(file: File) -> Iterator[SourceDocument]:
    """One document, or several of a large file; form feeds part pages, whose running headers and footers go."""
    encoding = encoding_of(file)
    with io.TextIOWrapper(file.open(), encoding=encoding.name, errors="replace") as stream:
        parts = _parts(stream)
        first = next(parts, "")
        second = next(parts, None)
        if second is None:
            documents: Iterator[tuple[str, str]] = iter([(file.name, first)])
        else:
            documents = _numbered(file.name, first, second, parts)
        page = 1 if encoding.has_pages else None
        title = ""
        for document_id, part in documents:
            title = title or _title(part) or file.stem
            sections = _sections(part, page)
            page = None if page is None else page + part.count("\f")
            if sections:
                yield SourceDocument(document_id, file.name, title, sections)


def _numbered(name: str, first: str, second: str, others: Iterator[str]) -> Iterator[tuple[str, str]]:
    yield f"{name}#1", first
    yield f"{name}#2", second
    for number, part in enumerate(others, start=3):
        yield f"{name}#{number}", part


def _parts(stream: io.TextIOBase) -> Iterator[str]:
    rest = ""
    while block := stream.read(PART_CHARACTERS):
        rest += cleaned(block)
        while len(rest) > PART_CHARACTERS:
            end = _end_of_part(rest)
            yield rest[:end]
            rest = rest[end:]
    if rest:
        yield rest


def _end_of_part(text: str) -> int:
    for border in ("\f", "\n\n", "\n", " "):
        found = text.rfind(border, PART_CHARACTERS // 2, PART_CHARACTERS)
        if found >= 0:
            return found + len(border)
    return PART_CHARACTERS


def _sections(part: str, page: int | None) -> list[Section]:
    if page is None:
        return [Section(part)] if part.strip() else []
    pages = [Section(text, number) for number, text in enumerate(part.split("\f"), start=page) if text.strip()]
    return without_boilerplate(pages)


def _title(text: str) -> str:
    for line in text.splitlines():
        if line.strip():
            return as_title(line) if len(line) <= 120 else ""
    return ""
