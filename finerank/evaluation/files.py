"""Files of a dataset, line by line: UTF-8 with or without a byte-order mark. What is odd becomes a warning."""

import csv
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ..documents import UTF8_BOM, UTF16_BOMS, json_value
from ..errors import InputError

_LONGEST_CSV_FIELD: Final = 2**31 - 1
_SHOWN: Final = 3
"""So many names stand in a message; the rest is counted."""


def named(names: list[str]) -> str:
    """The first of many names, for a message."""
    shown = ", ".join(repr(name) for name in names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN:,} more"


def raw_lines(file: Path, warnings: list[str]) -> Iterator[str]:
    """Lines with their ends. Raises InputError if the file is not there, or is UTF-16.

    Bytes that are not UTF-8 are replaced, and counted in a warning.
    """
    num_bad = 0
    try:
        with file.open("rb") as content:
            for number, line in enumerate(content):
                if number == 0:
                    line = _without_mark(line, file)
                try:
                    yield line.decode("utf-8")
                except UnicodeDecodeError:
                    num_bad += 1
                    yield line.decode("utf-8", errors="replace")
    except FileNotFoundError:
        raise InputError(f"there is no file {file}") from None
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from None
    if num_bad:
        warnings.append(
            f"{file}: bytes that are not UTF-8 were replaced by \N{REPLACEMENT CHARACTER} in {num_bad} lines"
        )


def lines(file: Path, warnings: list[str]) -> Iterator[tuple[int, str]]:
    """(number from 1, line without its end) of the lines that have anything in them."""
    for number, line in enumerate(raw_lines(file, warnings), start=1):
        if line.strip():
            yield number, line.rstrip("\r\n")


def json_rows(file: Path, warnings: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(place for messages, object) of each line. Raises InputError for a line that is none."""
    for number, line in lines(file, warnings):
        place = f"{file}, line {number}"
        value = json_value(line, place)
        if not isinstance(value, dict):
            raise InputError(f"{place} is a JSON {type(value).__name__}; it must be an object")
        yield place, value


def json_list(file: Path, warnings: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(place for messages, object) of each of a JSON list. Raises InputError for anything else."""
    found = json_value("".join(raw_lines(file, warnings)), str(file))
    if not isinstance(found, list):
        raise InputError(f"{file} holds {type(found).__name__}, not a list of objects")
    for number, value in enumerate(found, start=1):
        place = f"{file}, object {number}"
        if not isinstance(value, dict):
            raise InputError(f"{place} is a JSON {type(value).__name__}; it must be an object")
        yield place, value


def csv_rows(file: Path, warnings: list[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(place for messages, row) of a CSV with a header."""
    csv.field_size_limit(min(_LONGEST_CSV_FIELD, sys.maxsize))
    rows = csv.DictReader(raw_lines(file, warnings), restkey="(more)")
    try:
        for row in rows:
            yield f"{file}, line {rows.line_num}", row
    except csv.Error as error:
        raise InputError(f"{file}, line {rows.line_num} is not CSV: {error}") from None


def grade_of(value: object, place: str) -> int:
    """A judgement: a whole number, also written 1.0 or true. Raises InputError that names the `place`."""
    if isinstance(value, bool):
        return int(value)
    text = str(value).strip()
    if text.lower() in ("true", "false"):
        return int(text.lower() == "true")
    try:
        number = float(text)
    except ValueError:
        number = 0.5
    if not number.is_integer() or abs(number) > 1000:
        raise InputError(f"{place}: the grade is {text!r}; it must be a whole number such as 0, 1, 2")
    return int(number)


def _without_mark(line: bytes, file: Path) -> bytes:
    if line.startswith(UTF16_BOMS):
        raise InputError(f"{file} is UTF-16; save it as UTF-8")
    return line.removeprefix(UTF8_BOM)
