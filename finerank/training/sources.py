"""`read_training_data`: from the files that people have to examples. What a file is, its content says.

A row of a file is read in formats.py; whether the whole makes sense is asked in checking.py.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Final

from ..errors import InputError
from ..evaluation.datasets import load_dataset
from ..evaluation.files import csv_rows, grade_of, json_list, json_rows, lines, named
from ..evaluation.labelled import LabelledFormat, PairFields, labelled_rows
from ..evaluation.types import Dataset
from .examples import Candidate, Example
from .formats import EXPECTED, ExampleMaker, Row, RowFormat, format_of_row, unknown_row

DEFAULT_SPLIT: Final = "train"
_CONTAINERS: Final = {"csv": csv_rows, "jsonl": json_rows, "json": json_list}
_Grades = dict[str, int]


@dataclass(slots=True)
class TrainingData:
    """What was read, in order.

    examples: one a line, or one for each query and instruction of judgements and of labelled pairs.
    warnings: what was odd in the files and how it was taken.
    format: "jsonl", "messages", "beir" or "labelled"; several with commas between.
    documents: the corpora of BEIR folders, whole, to mine or draw negatives from.
    num_examples: path as it was given -> examples read from there.
    """

    examples: list[Example] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    format: str = ""
    documents: list[str] = field(default_factory=list)
    num_examples: dict[str, int] = field(default_factory=dict)


def read_training_data(
    paths: str | Path | Sequence[str | Path], *, split: str | None = None, fields: PairFields | None = None
) -> TrainingData:
    """The examples of one or several files and folders, joined:

    JSON Lines of {"query", "positives", "negatives", "instruction"?, "positive_scores"?, "negative_scores"?}, where
    scores are a teacher's log-odds; ms-swift's {"messages", "positive_messages", "negative_messages"} a line; pairs of
    query, document and label, and perhaps instruction (CSV, JSONL, JSON list); BEIR folders.

    split: of BEIR folders, train if None.   fields: what the columns of pairs are called.
    A grade becomes the label grade / highest grade of its file or folder.
    Raises InputError naming file and line for what cannot be read, and for a file with rows of several formats.
    """
    listed = [paths] if isinstance(paths, str | Path) else list(paths)
    if not listed:
        raise InputError(f"there is no training data; {EXPECTED}")
    data = TrainingData()
    maker = ExampleMaker()
    formats: dict[str, None] = {}
    for each in listed:
        path = Path(each).expanduser()
        if not path.exists():
            raise InputError(f"there is no file or folder {each}")
        before = len(data.examples)
        if path.is_dir():
            formats["beir"] = None
            _read_folder(path, split or DEFAULT_SPLIT, data, maker)
        else:
            formats[_read_file(path, fields or PairFields(), data, maker)] = None
        data.num_examples[str(each)] = data.num_examples.get(str(each), 0) + len(data.examples) - before
    if split is not None and "beir" not in formats:
        raise InputError(f"split {split!r} belongs to a BEIR folder; {named([str(each) for each in listed])} is none")
    data.format = ", ".join(formats)
    return data


def examples_of(dataset: Dataset, place: str = "", maker: ExampleMaker | None = None) -> tuple[list[Example], int]:
    """(an example for each query with a judged document that can be read, number of judgements that were left out).

    Left out is what has no text, a query or a document, and what must not stand in a ranking.
    place: what messages call it; empty is the dataset's name.
    """
    maker = maker or ExampleMaker()
    highest = _highest(dataset.qrels.values())
    examples: list[Example] = []
    num_left_out = 0
    for query_id, grades in dataset.qrels.items():
        query = dataset.queries.get(query_id, "")
        candidates = _judged(dataset, query_id, highest, maker) if query.strip() else ()
        num_left_out += len(grades) - len(candidates)
        if candidates:
            instruction = dataset.instructions.get(query_id)
            examples.append(Example(query, candidates, instruction, f"{place or dataset.name}, query {query_id}"))
    return examples, num_left_out


def _judged(dataset: Dataset, query_id: str, highest: int, maker: ExampleMaker) -> tuple[Candidate, ...]:
    found = []
    for document_id, grade in dataset.qrels[query_id].items():
        document = dataset.corpus.get(document_id)
        text = "" if document is None else document.full_text
        if text.strip() and (query_id, document_id) not in dataset.excluded:
            found.append(maker.candidate(text, _label(grade, highest)))
    return tuple(found)


def _read_folder(path: Path, split: str, data: TrainingData, maker: ExampleMaker) -> None:
    dataset = load_dataset(path, split=split)
    place = str(path / "qrels" / f"{dataset.split}.tsv")
    examples, num_left_out = examples_of(dataset, place, maker)
    data.warnings += dataset.warnings
    if num_left_out:
        data.warnings.append(
            f"{place}: {num_left_out:,} judgements are not trained on: their query or document has no text, or "
            "exclude.tsv names them"
        )
    if not examples:
        raise InputError(f"{place} has no judgement whose query and document have a text")
    data.examples += examples
    texts = (document.full_text for document in dataset.corpus.values())
    data.documents += [maker.shared(text) for text in texts if text.strip()]


def _read_file(path: Path, fields: PairFields, data: TrainingData, maker: ExampleMaker) -> RowFormat:
    container = _container_of(path)
    rows = _CONTAINERS[container](path, data.warnings)
    first = next(rows, None)
    if first is None:
        raise InputError(f"{path} has no rows; {EXPECTED}")
    place, row = first
    form = format_of_row(row, place, fields)
    if form is None:
        raise unknown_row(row, place)
    uniform = _uniform(chain([first], rows), form, fields)
    if form == "labelled":
        data.examples += _from_pairs(path, container, fields, uniform, data.warnings, maker)
        return form
    maker.ignored.clear()
    data.examples += [maker.example(form, row, place) for place, row in uniform]
    if maker.ignored:
        keys = ", ".join(f"{key!r} ({count:,} lines)" for key, count in maker.ignored.most_common(5))
        data.warnings.append(f"{path}: these keys mean nothing here and are ignored: {keys}")
    return form


def _container_of(path: Path) -> LabelledFormat:
    """By its first character. Raises InputError for an empty file, and for one that is no text."""
    _, first = next(lines(path, []), (0, ""))
    if not first:
        raise InputError(f"{path} is empty; {EXPECTED}")
    if "\0" in first:
        raise InputError(f"{path} is no text; {EXPECTED}")
    starts: dict[str, LabelledFormat] = {"{": "jsonl", "[": "json"}
    return starts.get(first.lstrip()[0], "csv")


def _uniform(rows: Iterator[tuple[str, Any]], form: RowFormat, fields: PairFields) -> Iterator[tuple[str, Row]]:
    """The rows. Raises InputError at one of another format; what only lacks a key is left to its reader."""
    for place, row in rows:
        found = format_of_row(row, place, fields)
        if found not in (form, None):
            raise InputError(
                f"{place} has the keys {', '.join(row)} ({found}), but the rows before it are of another format "
                f"({form}); make two files of them"
            )
        yield place, row


def _from_pairs(
    path: Path,
    container: LabelledFormat,
    fields: PairFields,
    rows: Iterator[tuple[str, Row]],
    warnings: list[str],
    maker: ExampleMaker,
) -> list[Example]:
    """One example for each query and instruction; a pair that stands there twice keeps its highest grade."""
    groups: dict[tuple[str, str | None], _Grades] = {}
    places: dict[tuple[str, str | None], str] = {}
    num_again = num_disputed = 0
    # The reader of pairs knows no instruction, so the same rows are read beside it.
    for (_, row), pair in zip(rows, labelled_rows(path, [], fields, form=container), strict=True):
        grade = max(0, grade_of(pair.label, pair.place))
        key = (pair.query, maker.instruction(row.get("instruction"), pair.place))
        places.setdefault(key, pair.place)
        grades = groups.setdefault(key, {})
        document = maker.shared(pair.document)
        num_again += document in grades
        num_disputed += grades.get(document, grade) != grade
        grades[document] = max(grade, grades.get(document, grade))
    if num_again:
        warnings.append(
            f"{path}: {num_again:,} pairs stand there again and count once; {num_disputed:,} of them have another "
            "label than before, where the highest counts"
        )
    highest = _highest(groups.values())
    return [
        Example(
            query,
            tuple(maker.candidate(text, _label(grade, highest)) for text, grade in grades.items()),
            instruction,
            places[query, instruction],
        )
        for (query, instruction), grades in groups.items()
    ]


def _highest(judged: Iterable[_Grades]) -> int:
    """At least 1."""
    return max(1, max((grade for grades in judged for grade in grades.values()), default=1))


def _label(grade: int, highest: int) -> float:
    return max(0, grade) / highest
