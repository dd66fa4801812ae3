"""From files and arguments to documents: text, JSON Lines and CSV.

Knows nothing of models. What cannot be read raises InputError; what was read in part is a warning.
"""

import csv
import io
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from ..errors import InputError

Format: TypeAlias = Literal["text", "jsonl", "csv"]

STANDARD_INPUT: Final = "-"
_BY_SUFFIX: Final[dict[str, Format]] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv"}
_BOM: Final = b"\xef\xbb\xbf"
_UTF16_BOMS: Final = (b"\xff\xfe", b"\xfe\xff")
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


def gather_documents(
    arguments: list[str], file: str | None, *, text_field: str = "text", form: Format | None = None
) -> Documents:
    """The documents of a command line: its own, or those of `file`. Raises InputError for none and for both."""
    if file is not None and arguments:
        raise InputError(f"{len(arguments)} documents were given beside --file {file}; give one or the other")
    if file is not None:
        return read_documents(file, text_field=text_field, form=form)
    if not arguments:
        raise InputError("no documents; give them after the query, or --file FILE, or --file - for standard input")
    return Documents(list(arguments), list(arguments))


def read_documents(file: str, *, text_field: str = "text", form: Format | None = None) -> Documents:
    """The documents of a file in UTF-8, or of standard input if `file` is "-".

    text_field: which key of an object, or column of a CSV, holds the text.
    form: None = by the file's suffix, and text where that says nothing.
    """
    name = "standard input" if file == STANDARD_INPUT else file
    form = form or _form_of(file)
    content, warnings = _decoded(_read(file), name)
    documents = Documents(warnings=warnings)
    for text, original in _READERS[form](content, text_field, name):
        documents.add(text, original)
    if not documents.texts:
        raise InputError(f"{name} has no documents; it needs at least one line of {form} with text in it")
    return documents


def _form_of(file: str) -> Format:
    suffix = Path(file).suffix.lower()
    if suffix == ".json":
        raise InputError(
            f"{file}: a whole JSON value is not read; write one JSON string or object a line and say --format jsonl"
        )
    return _BY_SUFFIX.get(suffix, "text")


def _read(file: str) -> bytes:
    if file == STANDARD_INPUT:
        return sys.stdin.buffer.read()
    try:
        return Path(file).expanduser().read_bytes()
    except FileNotFoundError:
        raise InputError(f"there is no file {file}") from None
    except IsADirectoryError:
        raise InputError(f"{file} is a folder; name a file with one document a line") from None
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from None


def _decoded(content: bytes, name: str) -> tuple[str, list[str]]:
    """The text without its byte-order mark, and a warning if bytes had to be replaced."""
    content = content.removeprefix(_BOM)
    if not content.strip():
        raise InputError(f"{name} is empty; it needs at least one document")
    if content.startswith(_UTF16_BOMS):
        raise InputError(f"{name} is UTF-16; save it as UTF-8")
    lines = content.split(b"\n")
    texts = [line.decode("utf-8", errors="replace") for line in lines]
    num_bad = sum(_is_undecodable(line) for line in lines)
    if not num_bad:
        return "\n".join(texts), []
    warning = f"{name}: bytes that are not UTF-8 were replaced by \N{REPLACEMENT CHARACTER} in {num_bad} of"
    return "\n".join(texts), [f"{warning} {len(lines) - (not lines[-1])} lines"]


def _is_undecodable(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False


def _from_text(content: str, text_field: str, name: str) -> Iterator[tuple[Any, Any]]:
    # Not splitlines(): it also splits at form feeds and at U+2028, which occur inside documents.
    for line in content.split("\n"):
        text = line.removesuffix("\r")
        if text.strip():
            yield text, text


def _from_jsonl(content: str, text_field: str, name: str) -> Iterator[tuple[Any, Any]]:
    for number, line in enumerate(content.split("\n"), start=1):
        if line.strip():
            value = _json_value(line, f"{name}, line {number}")
            yield _text_of(value, text_field, f"{name}, line {number}"), value


def _json_value(line: str, place: str) -> Any:
    try:
        return json.loads(line, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise InputError(f"{place} is not JSON: {error.msg} at character {error.colno}") from None
    except ValueError as error:  # NaN, and whole numbers of more than 4,300 digits
        raise InputError(f"{place} is not JSON: {error}") from None
    except RecursionError:
        raise InputError(f"{place} is nested too deeply; the text of a document belongs at the top") from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _text_of(value: Any, text_field: str, place: str) -> Any:
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        raise InputError(f"{place} is {type(value).__name__}; a document is a JSON string, or an object with its text")
    if text_field not in value:
        raise InputError(f"{place} has no key {text_field!r}; its keys are {_listed(value)}; choose with --field")
    return value[text_field]


def _from_csv(content: str, text_field: str, name: str) -> Iterator[tuple[Any, Any]]:
    csv.field_size_limit(_LONGEST_CSV_FIELD)
    rows = csv.DictReader(io.StringIO(content, newline=""), restkey="(more)")
    try:
        columns = rows.fieldnames or ()
        if text_field not in columns:
            raise InputError(
                f"{name} has no column {text_field!r}; its columns are {_listed(columns)}; choose with --field"
            )
        for row in rows:
            yield row[text_field] or "", row
    except csv.Error as error:
        raise InputError(f"{name}, line {rows.line_num} is not CSV: {error}") from None


def _listed(names: Any) -> str:
    return ", ".join(map(str, names)) or "none"


_READERS: Final[dict[Format, Callable[[str, str, str], Iterator[tuple[Any, Any]]]]] = {
    "text": _from_text,
    "jsonl": _from_jsonl,
    "csv": _from_csv,
}
