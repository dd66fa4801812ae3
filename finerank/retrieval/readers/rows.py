"""Files of many documents: CSV and TSV with a header, JSON Lines. One row at a time, whatever the file's size."""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Final

from ...documents import json_value
from ...errors import InputError, UnreadableError
from ..types import Section, SourceDocument
from .encoding import cleaned, encoding_of
from .file import File, as_title
from .metadata import DEEPEST, is_too_deep, metadata_of
from .row_ids import RowIds

_TEXT_FIELDS: Final = (
    "text", "content", "contents", "body", "document", "passage", "answer", "description", "abstract", "summary",
)  # fmt: skip
_TITLE_FIELDS: Final = ("title", "name", "headline", "heading", "subject", "question")
_ID_FIELDS: Final = ("_id", "id", "doc_id", "docid", "document_id", "pid")
_LONGEST_ROW: Final = 2**24
"""Characters of a row; where there are more, a quotation mark was never closed."""
_REST: Final = "(more)"
"""Key of what a row has beyond the header's columns."""


def read(file: File) -> Iterator[SourceDocument]:
    """One document a row, its other fields as metadata; rows without text are noted."""
    is_json = PurePath(file.name).suffix.lower() in (".jsonl", ".ndjson")
    problems = _Problems(file)
    seen = RowIds()
    with io.TextIOWrapper(
        file.open(), encoding=encoding_of(file).name, errors="replace", newline=None if is_json else ""
    ) as stream:
        for row in _json_rows(stream, problems) if is_json else _csv_rows(stream, file, problems):
            document = _document(file, row, seen, problems, has_types=is_json)
            if document is None:
                problems.add("without text, left out", row.line)
            else:
                problems.num_read += 1
                yield document
    problems.tell()


@dataclass(frozen=True, slots=True)
class _Row:
    """number: of the row, from 1.   line: of the file, where the row ends."""

    number: int
    line: int
    fields: Mapping[str, Any]


class _Problems:
    """Counts what is wrong with rows, so that a million of them is one note."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._counts: dict[str, tuple[int, int, str]] = {}
        self.num_read = 0

    def add(self, what: str, line: int, detail: str = "") -> None:
        """what: completes "3 rows ...".   line: its number, from 1."""
        count, first, told = self._counts.get(what, (0, line, detail))
        self._counts[what] = count + 1, first, told

    def tell(self) -> None:
        """As notes, or as an UnreadableError if nothing could be read."""
        notes = [
            f"{count:,} {'row' if count == 1 else 'rows'} {what} (first: line {first}{f', {detail}' if detail else ''})"
            for what, (count, first, detail) in self._counts.items()
        ]
        if not self.num_read:
            found = f": {'; '.join(notes)}" if notes else ""
            raise UnreadableError(f"{self._file.name} has no row with text{found}")
        self._file.notes.extend(f"{self._file.name}: {note}" for note in notes)


def _json_rows(stream: io.TextIOBase, problems: _Problems) -> Iterator[_Row]:
    for number, line in enumerate(_lines(stream), start=1):
        if len(line) >= _LONGEST_ROW:
            problems.add(f"of more than {_LONGEST_ROW:,} characters, left out", number)
            continue
        if not line.strip():
            continue
        try:
            value = json_value(line, "it")
        except InputError as error:
            problems.add("that cannot be read, left out", number, str(error))
            continue
        if isinstance(value, str):
            yield _Row(number, number, {"text": value})
        elif isinstance(value, dict):
            yield _Row(number, number, value)
        else:
            problems.add("with neither a JSON object nor a string, left out", number)


def _lines(stream: io.TextIOBase) -> Iterator[str]:
    """Of the longest only the beginning."""
    while line := stream.readline(_LONGEST_ROW):
        yield line
        while len(line) == _LONGEST_ROW and not line.endswith("\n"):
            line = stream.readline(_LONGEST_ROW)


def _csv_rows(stream: io.TextIOBase, file: File, problems: _Problems) -> Iterator[_Row]:
    guard = _RowGuard(stream, file.name)
    header = next(iter(guard), "")
    delimiter = max(",;\t|", key=header.count) if PurePath(file.name).suffix.lower() != ".tsv" else "\t"
    names = [cleaned(name).strip() for name in next(csv.reader([header], delimiter=delimiter), [])]
    if not any(names):
        raise UnreadableError(f"{file.name} has no header; its first line must name the columns")
    csv.field_size_limit(2**31 - 1)  # the guard sees to the length
    rows = csv.DictReader(guard, fieldnames=names, restkey=_REST, delimiter=delimiter)
    for number, row in enumerate(rows, start=1):
        guard.size = 0
        line = rows.line_num + 1  # the header was read before
        if _REST in row:
            problems.add(f"with more fields than the header, the others kept as {_REST}", line)
        yield _Row(number, line, row)


class _RowGuard:
    """The lines of a CSV. Raises UnreadableError where a row has no end."""

    def __init__(self, stream: io.TextIOBase, name: str) -> None:
        self._stream, self._name = stream, name
        self.size = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._stream.readline(_LONGEST_ROW)
        if not line:
            raise StopIteration
        self.size += len(line)
        if self.size >= _LONGEST_ROW:
            raise UnreadableError(
                f"{self._name} has a row of more than {_LONGEST_ROW:,} characters; close its quotation marks"
            )
        return line.replace("\0", "")


def _document(file: File, row: _Row, seen: RowIds, problems: _Problems, *, has_types: bool) -> SourceDocument | None:
    """None of a row without text."""
    fields = row.fields
    if is_too_deep(fields):
        problems.add(f"of more than {DEEPEST} levels, those below left out", row.line)
    by_name = {str(key).strip().lower(): key for key in reversed([*fields])}
    text_key, title_key, id_key = (_first(by_name, names) for names in (_TEXT_FIELDS, _TITLE_FIELDS, _ID_FIELDS))
    title = "" if title_key is None else as_title(_string(fields[title_key]))
    if text_key is None:
        text, beside = _string(fields), dict(fields)
        problems.add("whose fields are all its text, for none is called text or content", row.line)
    else:
        text = _string(fields[text_key])
        beside = {key: value for key, value in fields.items() if key not in (text_key, title_key)}
    text = text if text.strip() else title
    if not text.strip():
        return None
    own = None if id_key is None else _string(fields[id_key]).strip()
    document_id = _document_id(file.name, row, own, seen, problems)
    return SourceDocument(document_id, file.name, title, [Section(text)], metadata_of(beside, has_types=has_types))


def _document_id(name: str, row: _Row, own: str | None, seen: RowIds, problems: _Problems) -> str:
    """By the row's own id, or its number where rows have none; both if another row has that id."""
    if own is None:
        return f"{name}#{row.number}"
    if own and seen.is_new(own):
        return f"{name}#{own}"
    problems.add("with no id, or one that another row has, known by its number", row.line)
    return f"{name}#{own}@{row.number}"


def _first(by_name: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((by_name[name] for name in names if name in by_name), None)


def _string(value: Any, depth: int = 0) -> str:
    """What a field says: "" of null, lists one entry a line."""
    if value is None or (isinstance(value, list | dict) and depth > DEEPEST):
        return ""
    if isinstance(value, list):
        return "\n".join(filter(None, (_string(each, depth + 1) for each in value)))
    if isinstance(value, dict):
        said = ((key, _string(each, depth + 1)) for key, each in value.items())
        return "\n".join(f"{key}: {text}" for key, text in said if text)
    return cleaned(str(value))
