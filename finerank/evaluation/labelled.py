"""A CSV or JSONL of (query, document, label): what people have who have no ids."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from ..errors import InputError
from .files import csv_rows, grade_of, json_rows
from .types import CorpusDocument, Qrels

_COLUMNS: Final = ("query", "document", "label")


def read_labelled(file: Path, warnings: list[str]) -> tuple[dict[str, str], dict[str, CorpusDocument], Qrels]:
    """(queries, corpus, qrels). Equal texts are one query q1, q2, ..., or one document d1, d2, ...

    The corpus is all documents of the file. A pair with several labels keeps the highest. Raises InputError for a file
    without the columns query, document and label, or without a row.
    """
    queries: dict[str, str] = {}
    documents: dict[str, str] = {}
    qrels: Qrels = {}
    num_disputed = 0
    for query, document, grade in _rows(file, warnings):
        query_id = queries.setdefault(query, f"q{len(queries) + 1}")
        document_id = documents.setdefault(document, f"d{len(documents) + 1}")
        grades = qrels.setdefault(query_id, {})
        num_disputed += grades.get(document_id, grade) != grade
        grades[document_id] = max(grade, grades.get(document_id, grade))
    if not queries:
        raise InputError(f"{file} has no rows; it needs the columns {', '.join(_COLUMNS)}")
    if num_disputed:
        warnings.append(f"{file}: {num_disputed:,} pairs have several labels; the highest counts")
    corpus = {id_: CorpusDocument(text) for text, id_ in documents.items()}
    return {id_: text for text, id_ in queries.items()}, corpus, qrels


def _rows(file: Path, warnings: list[str]) -> Iterator[tuple[str, str, int]]:
    rows = csv_rows(file, warnings) if file.suffix.lower() == ".csv" else json_rows(file, warnings)
    for place, row in rows:
        _check_columns(row, place)
        query, document = row["query"], row["document"]
        if not isinstance(query, str) or not query.strip() or not isinstance(document, str):
            raise InputError(f"{place}: query and document must be texts, and the query not blank")
        yield query.strip(), document, grade_of(row["label"], place)


def _check_columns(row: Mapping[str, Any], place: str) -> None:
    missing = [name for name in _COLUMNS if row.get(name) is None]
    if missing:
        found = ", ".join(str(name) for name in row) or "nothing"
        raise InputError(f"{place} has no {missing[0]!r}; it needs {', '.join(_COLUMNS)} and has {found}")
