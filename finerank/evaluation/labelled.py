"""Labelled pairs from a file: rows of (query, document, label), what people have who have no ids.

What a label may be and what a pair that stands there twice means, each command decides for itself.
"""

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from ..errors import InputError
from .files import csv_rows, grade_of, json_list, json_rows
from .types import CorpusDocument, Qrels

LabelledFormat: TypeAlias = Literal["csv", "jsonl", "json"]

FORMATS: Final[dict[str, LabelledFormat]] = {
    ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json",
}  # fmt: skip
"""By suffix: a CSV with a header, JSON Lines, a JSON list of objects."""
_READERS: Final = {"csv": csv_rows, "jsonl": json_rows, "json": json_list}


@dataclass(frozen=True, slots=True)
class PairFields:
    """Which column or key holds what."""

    query: str = "query"
    document: str = "document"
    label: str = "label"


class LabelledRow(NamedTuple):
    """query: without blanks around it, and never empty.   label: as it stands there.   place: for messages."""

    query: str
    document: str
    label: Any
    place: str


def labelled_rows(
    file: Path,
    warnings: list[str],
    fields: PairFields | None = None,
    *,
    form: LabelledFormat | None = None,
    remedy: str = "",
) -> Iterator[LabelledRow]:
    """The rows of a file, one after the other.

    form: None = by the file's suffix.   remedy: what helps where a column is missing.
    Raises InputError naming the file and the line (or the number of the object) that cannot be used, and for a file
    without a row.
    """
    form = form or FORMATS.get(file.suffix.lower())
    if form is None:
        raise InputError(f"{file}: labelled pairs are read from .csv, .jsonl or .json; say which with --format")
    names = fields or PairFields()
    needed = ", ".join(astuple(names))
    is_empty = True
    for place, row in _READERS[form](file, warnings):
        is_empty = False
        missing = [name for name in astuple(names) if row.get(name) is None]
        if missing:
            found = ", ".join(str(key) for key in row if row[key] is not None) or "nothing"
            raise InputError(f"{place} has no {missing[0]!r}; it needs {needed} and has {found}{remedy}")
        query, document = (_text(row[name], name, place) for name in (names.query, names.document))
        if not query.strip():
            raise InputError(f"{place}: {names.query!r} is empty; a pair needs the text that was searched for")
        yield LabelledRow(query.strip(), document, row[names.label], place)
    if is_empty:
        raise InputError(f"{file} has no rows; it needs {needed}")


def read_labelled(file: Path, warnings: list[str]) -> tuple[dict[str, str], dict[str, CorpusDocument], Qrels]:
    """(queries, corpus, qrels). Equal texts are one query q1, q2, ..., or one document d1, d2, ...

    The corpus is all documents of the file. A pair with several labels keeps the highest. Raises InputError as
    `labelled_rows` does, and for a label that is no grade.
    """
    queries: dict[str, str] = {}
    documents: dict[str, str] = {}
    qrels: Qrels = {}
    num_disputed = 0
    for query, document, label, place in labelled_rows(file, warnings):
        grade = grade_of(label, place)
        query_id = queries.setdefault(query, f"q{len(queries) + 1}")
        document_id = documents.setdefault(document, f"d{len(documents) + 1}")
        grades = qrels.setdefault(query_id, {})
        num_disputed += grades.get(document_id, grade) != grade
        grades[document_id] = max(grade, grades.get(document_id, grade))
    if num_disputed:
        warnings.append(f"{file}: {num_disputed:,} pairs have several labels; the highest counts")
    corpus = {id_: CorpusDocument(text) for text, id_ in documents.items()}
    return {id_: text for text, id_ in queries.items()}, corpus, qrels


def _text(value: Any, name: str, place: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"{place}: {name!r} is {type(value).__name__}; it must be a text")
    # A lone surrogate can be written in JSON, but no model can read it.
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
