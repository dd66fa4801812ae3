"""TREC's two formats, and BEIR's table of judgements: qrels and runs as everybody exchanges them."""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from ..errors import InputError
from .files import grade_of, lines, named
from .ordering import ranked
from .types import Qrels, Run

_BEIR_COLUMNS: Final = ("query-id", "corpus-id", "score")
_Judgement = tuple[str, str, int]


def read_qrels(file: Path, warnings: list[str]) -> Qrels:
    """Judgements of a file: BEIR's table with a header, or TREC's four columns without.

    A pair that is judged twice keeps its higher grade. Raises InputError for any other form, and for a file without
    a judgement.
    """
    qrels: Qrels = {}
    twice: list[str] = []
    for query_id, document_id, grade in _judgements(file, warnings):
        grades = qrels.setdefault(query_id, {})
        if document_id in grades:
            twice.append(f"{query_id} {document_id}")
        grades[document_id] = max(grade, grades.get(document_id, grade))
    if not qrels:
        raise InputError(f"{file} has no judgements; it needs lines of query id, document id and grade")
    if twice:
        warnings.append(f"{file}: {len(twice):,} pairs are judged twice, the higher grade counts: {named(twice)}")
    return qrels


def read_run(file: Path, warnings: list[str]) -> Run:
    """A TREC run: query id, a word, document id, rank, score, name of the run; the order is that of the scores.

    A document that stands twice under a query keeps its better score. Raises InputError for any other form.
    """
    run: Run = {}
    twice: list[str] = []
    for number, line in lines(file, warnings):
        place, columns = f"{file}, line {number}", line.split()
        if len(columns) != 6:
            raise InputError(f"{place} has {len(columns)} columns; a TREC run has 6: query Q0 document rank score name")
        query_id, _, document_id, _, written, _ = columns
        score = _score(written, place)
        scores = run.setdefault(query_id, {})
        if document_id in scores:
            twice.append(f"{query_id} {document_id}")
        scores[document_id] = max(score, scores.get(document_id, score))
    if not run:
        raise InputError(f"{file} has no results; a TREC run has lines of: query Q0 document rank score name")
    if twice:
        warnings.append(f"{file}: {len(twice):,} results stand twice, the better score counts: {named(twice)}")
    return run


def write_run(run: Run, file: Path, name: str) -> None:
    """As trec_eval reads it; `name` without blanks is its last column.

    Raises InputError, before anything is written, for ids that `check_ids` refuses.
    """
    for query_id, scores in run.items():
        check_ids([query_id, *scores])
    tag = "_".join(name.split()) or "run"
    with file.open("w", encoding="utf-8", newline="\n") as out:
        for query_id, scores in run.items():
            for rank, document_id in enumerate(ranked(scores), start=1):
                out.write(f"{query_id} Q0 {document_id} {rank} {scores[document_id]:.9g} {tag}\n")


def check_ids(ids: Iterable[str]) -> None:
    """Raises InputError for one that a TREC run, whose columns are parted by blanks, cannot hold."""
    for id_ in ids:
        if id_.split() != [id_]:
            raise InputError(f"the id {id_!r} has a blank or is empty, which a TREC run cannot hold; give another id")


def read_excluded(file: Path, warnings: list[str]) -> frozenset[tuple[str, str]]:
    """(query id, document id) a line, with or without BEIR's header."""
    pairs = []
    for number, line in lines(file, warnings):
        columns = line.split("\t")
        if len(columns) < 2:
            raise InputError(f"{file}, line {number} has no tab; it must be: query id, tab, document id")
        if (columns[0], columns[1]) != _BEIR_COLUMNS[:2]:
            pairs.append((columns[0].strip(), columns[1].strip()))
    return frozenset(pairs)


def _judgements(file: Path, warnings: list[str]) -> Iterator[_Judgement]:
    table: list[int] | None = None
    for index, (number, line) in enumerate(lines(file, warnings)):
        place = f"{file}, line {number}"
        columns = line.split("\t") if "\t" in line else line.split()
        if index == 0:
            table = _header(columns, place, warnings)
            if table is not None and not _is_grade(columns[-1]):
                continue
        if table is not None:
            yield _beir(columns, table, place)
        else:
            yield _trec(columns, place)


def _header(columns: list[str], place: str, warnings: list[str]) -> list[int] | None:
    """Where BEIR's columns stand, None for TREC's four. Raises InputError if it is neither."""
    names = [column.strip() for column in columns]
    if all(name in names for name in _BEIR_COLUMNS):
        return [names.index(name) for name in _BEIR_COLUMNS]
    is_data = _is_grade(names[-1])
    if len(names) == 4 and is_data:
        return None
    if len(names) == 3 and is_data:
        warnings.append(f"{place}: there is no header; read as query id, document id, grade")
        return [0, 1, 2]
    raise InputError(
        f"{place}: the header is {' '.join(names)!r}; it must be {' '.join(_BEIR_COLUMNS)!r} with tabs between, or "
        "the file TREC's: query 0 document grade"
    )


def _is_grade(written: str) -> bool:
    """Meant as one, that is; whether it can be one `grade_of` says."""
    try:
        float(written)
    except ValueError:
        return written.strip().lower() in ("true", "false")
    return True


def _beir(columns: list[str], table: list[int], place: str) -> _Judgement:
    if len(columns) <= max(table):
        raise InputError(f"{place} has {len(columns)} columns; it needs query id, document id and grade")
    query_id, document_id, grade = (columns[position].strip() for position in table)
    return query_id, document_id, grade_of(grade, place)


def _trec(columns: list[str], place: str) -> _Judgement:
    if len(columns) != 4:
        raise InputError(f"{place} has {len(columns)} columns; TREC's qrels have 4: query 0 document grade")
    return columns[0], columns[2], grade_of(columns[3], place)


def _score(written: str, place: str) -> float:
    try:
        score = float(written)
    except ValueError:
        score = math.nan
    if math.isnan(score):
        raise InputError(f"{place}: the score is {written!r}; it must be a number")
    return score
