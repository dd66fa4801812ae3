"""Labelled pairs from a file: a query, a document, and whether it is relevant."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from ..documents import csv_rows, json_value, lines_of
from ..errors import InputError

PairFormat: TypeAlias = Literal["csv", "jsonl", "json"]

_BY_SUFFIX: Final[dict[str, PairFormat]] = {
    ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json",
}  # fmt: skip
_LABELS: Final = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}


@dataclass(slots=True)
class LabelledPairs:
    """In the order of the file, every pair once.

    num_repeated: pairs that stood there again with the same label.
    num_contradicted: pairs that stood there with both labels, and were left out.
    """

    queries: list[str] = field(default_factory=list)
    documents: list[str] = field(default_factory=list)
    labels: list[bool] = field(default_factory=list)
    num_repeated: int = 0
    num_contradicted: int = 0

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class PairFields:
    """Which column or key holds what."""

    query: str = "query"
    document: str = "document"
    label: str = "label"


def read_pairs(file: Path, fields: PairFields | None = None, *, form: PairFormat | None = None) -> LabelledPairs:
    """The pairs of a CSV with a header, of JSON Lines, or of a JSON list of objects.

    form: None = by the file's suffix.
    Raises InputError naming the file and the line (or the number of the object) that cannot be used.
    """
    form = form or _BY_SUFFIX.get(file.suffix.lower())
    if form is None:
        raise InputError(f"{file}: labelled pairs are read from .csv, .jsonl or .json; say which with --format")
    content = _content(file)
    if not content.strip():
        raise InputError(f"{file} is empty; it needs pairs of a query, a document and a label")
    fields = fields or PairFields()
    return _once(_pair(record, place, fields) for place, record in _records(content, str(file), form, fields))


def _content(file: Path) -> str:
    try:
        return file.expanduser().read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"there is no file {file}") from None
    except IsADirectoryError:
        raise InputError(f"{file} is a folder; name a file of labelled pairs") from None
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8 at byte {error.start:,}; save it as UTF-8") from None


def _records(content: str, name: str, form: PairFormat, fields: PairFields) -> Iterator[tuple[str, Any]]:
    """(place, record)."""
    if form == "csv":
        for number, row in csv_rows(content, name):
            yield f"{name}, line {number}", row
    elif form == "jsonl":
        for number, line in lines_of(content):
            yield f"{name}, line {number}", json_value(line, f"{name}, line {number}")
    else:
        try:
            records = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{name} is not JSON: {error}") from None
        if not isinstance(records, list):
            raise InputError(f"{name} holds {type(records).__name__}, not a list of objects")
        for number, record in enumerate(records, start=1):
            yield f"{name}, object {number}", record


def _pair(record: Any, place: str, fields: PairFields) -> tuple[str, str, bool]:
    if not isinstance(record, Mapping):
        raise InputError(f"{place} is {type(record).__name__}, not an object with a query, a document and a label")
    for what, name in (("query", fields.query), ("document", fields.document), ("label", fields.label)):
        if record.get(name) is None:
            there = ", ".join(str(key) for key in record if record[key] is not None) or "nothing"
            raise InputError(f"{place} has no {name!r}, but {there}; name the right one with --{what}-field")
    query, document = record[fields.query], record[fields.document]
    for name, text in ((fields.query, query), (fields.document, document)):
        if not isinstance(text, str):
            raise InputError(f"{place}: {name!r} is {type(text).__name__}; it must be a text")
    if not query.strip():
        raise InputError(f"{place}: {fields.query!r} is empty; a pair needs the text that was searched for")
    return query, document, _label(record[fields.label], place, fields.label)


def _label(value: Any, place: str, name: str) -> bool:
    label = _LABELS.get(str(value).strip().lower())
    if label is None:
        raise InputError(f"{place}: {name!r} is {value!r}; it must be 1 (relevant) or 0 (not)")
    return label


def _once(found: Iterator[tuple[str, str, bool]]) -> LabelledPairs:
    labels: dict[tuple[str, str], Counter[bool]] = {}
    for query, document, label in found:
        labels.setdefault((query, document), Counter())[label] += 1
    pairs = LabelledPairs()
    for (query, document), counts in labels.items():
        if len(counts) > 1:
            pairs.num_contradicted += 1
            continue
        ((label, count),) = counts.items()
        pairs.num_repeated += count - 1
        pairs.queries.append(query)
        pairs.documents.append(document)
        pairs.labels.append(label)
    return pairs
