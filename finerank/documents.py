"""From the content of a file to documents: text, JSON Lines and CSV.

Knows nothing of models, of the file system or of who asks. What cannot be read raises InputError; what was read in
part is a warning.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Final, Literal, TypeAlias

from .errors import InputError

Format: TypeAlias = Literal["text", "jsonl", "csv"]

UTF8_BOM: Final = b"\xef\xbb\xbf"
UTF16_BOMS: Final = (b"\xff\xfe", b"\xfe\xff")
_BY_SUFFIX: Final[dict[str, Format]] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv"}
_LONGEST_CSV_FIELD: Final = 2**31 - 1  # the most that the csv module takes on every system; its default is 131,072


@dataclass(slots=True)
class Documents:
    """What was read, in order.

    texts: what gets ranked; anything but a string will be that document's error.   originals: what is handed back.
    """

    texts: list[Any] = field(default_factory=list)
    originals: list[Any] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def add(self, text: Any, original: Any) -> None:
        self.texts.append(text)
        self.originals.append(original)


class MissingFieldError(InputError):
    """A key or column is not there.   place: where.   kind: "key" or "column".   found: those that are there."""

    def __init__(self, place: str, kind: str, name: str, found: str) -> None:
        super().__init__(f"{place} has no {kind} {name!r}; its {kind}s are {found}; choose with --field")
        self.place, self.kind, self.name, self.found = place, kind, name, found


def format_of(name: str) -> Format:
    """By the suffix of a file's name; text where that says nothing."""
    return _BY_SUFFIX.get(PurePath(name).suffix.lower(), "text")


def documents_of(content: str, name: str, form: Format, *, text_field: str = "text") -> Documents:
    """`content` of the file `name` as documents. Raises InputError.

    text_field: which key of an object, or column of a CSV, holds the text.
    """
    documents = Documents()
    for text, original in _READERS[form](content, text_field, name):
        documents.add(text, original)
    if not documents.texts:
        raise InputError(f"{name} has no documents; it needs at least one line of {form} with text in it")
    return documents


def lines_of(content: str) -> Iterator[tuple[int, str]]:
    """(number from 1, line) of the lines that have anything in them."""
    # Not splitlines(): it also splits at form feeds and at U+2028, which occur inside documents.
    for number, line in enumerate(content.split("\n"), start=1):
        if line.strip():
            yield number, line.removesuffix("\r")


def json_value(line: str, place: str) -> Any:
    """One line of JSON Lines. Raises InputError that names the `place`."""
    try:
        return json.loads(line, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise InputError(f"{place} is not JSON: {error.msg} at character {error.colno}") from None
    except ValueError as error:  # NaN, and whole numbers of more than 4,300 digits
        raise InputError(f"{place} is not JSON: {error}") from None
    except RecursionError:
        raise InputError(f"{place} is nested too deeply; the text of a document belongs at the top") from None


def csv_rows(content: str, name: str, *required: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """(number of its last line, row) of a CSV with a header that has the `required` columns. Raises InputError."""
    csv.field_size_limit(_LONGEST_CSV_FIELD)
    rows = csv.DictReader(io.StringIO(content, newline=""), restkey="(more)")
    try:
        columns = rows.fieldnames or ()
        for column in required:
            if column not in columns:
                raise MissingFieldError(name, "column", column, _listed(columns))
        for row in rows:
            yield rows.line_num, row
    except csv.Error as error:
        raise InputError(f"{name}, line {rows.line_num} is not CSV: {error}") from None


def _from_text(content: str, text_field: str, name: str) -> Iterator[tuple[Any, Any]]:
    for _, line in lines_of(content):
        yield line, line


def _from_jsonl(content: str, text_field: str, name: str) -> Iterator[tuple[Any, Any]]:
    for number, line in lines_of(content):
        place = f"{name}, line {number}"
        value = json_value(line, place)
        yield _text_of(value, text_field, place), value


def _from_csv(content: str, text_field: str, name: str) -> Iterator[tuple[Any, Any]]:
    for _, row in csv_rows(content, name, text_field):
        yield row[text_field] or "", row


def _text_of(value: Any, text_field: str, place: str) -> Any:
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        raise InputError(f"{place} is {type(value).__name__}; a document is a JSON string, or an object with its text")
    if text_field not in value:
        raise MissingFieldError(place, "key", text_field, _listed(value))
    return value[text_field]


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _listed(names: Any) -> str:
    return ", ".join(map(str, names)) or "none"


_READERS: Final[dict[Format, Callable[[str, str, str], Iterator[tuple[Any, Any]]]]] = {
    "text": _from_text,
    "jsonl": _from_jsonl,
    "csv": _from_csv,
}
