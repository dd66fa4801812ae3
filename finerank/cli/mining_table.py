"""What `finerank mine` found, for people."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from .console import on_one_line, show

if TYPE_CHECKING:
    from ..training.mining import Mined
    from ..training.mining_report import Doubt, Doubts, MiningReport

_QUERY_CHARACTERS: Final = 70
_DOCUMENT_CHARACTERS: Final = 110


def print_mined(mined: "Mined", name: str) -> None:
    """How many negatives, what was dropped and why, and which labels a person should look at."""
    report = mined.report
    show(_title(report, name), _figures(report), *_notes(mined))


def _title(report: "MiningReport", name: str) -> Text:
    stage = report.first_stage
    asked = [stage["name"], f"ranks {stage['ranks']}", f"margin {stage['margin']}"]
    if report.teacher is not None:
        asked.append(f"teacher {report.teacher.name}")
    counts = {"examples": report.num_examples, "queries": report.num_queries, "documents": report.num_documents}
    counted = [f"{number:,} {what}" for what, number in counts.items()]
    return Text(on_one_line(f"{name}: {', '.join([*counted, *asked])}"), "bold")


def _figures(report: "MiningReport") -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    table.add_column("number", justify="right")
    table.add_column("a query", justify="right")
    kinds = {"mined": report.num_mined, "random": report.num_random, "labelled in the data": report.num_labelled}
    for kind, number in kinds.items():
        table.add_row(f"negatives, {kind}", f"{number:,}", _share(number, report.num_queries))
    if report.num_short:
        filled = f", {report.num_filled:,} of them filled at random" if report.num_filled else ""
        table.add_row(f"queries with fewer than {report.wanted} mined{filled}", f"{report.num_short:,}", "")
        table.add_row("queries without any mined", f"{report.mined[0]:,}", "")
    for reason, number in report.dropped.items():
        table.add_row(f"dropped: {reason}", f"{number:,}", _share(number, report.num_queries))
    for reason, number in report.left_out.items():
        table.add_row(f"left out: {reason}", f"{number:,}", "")
    return table


def _share(number: int, queries: int) -> str:
    return f"{number / queries:.2f}" if queries else ""


def _notes(mined: "Mined") -> Iterator[Text]:
    report = mined.report
    negatives, positives = report.doubtful_negatives, report.doubtful_positives
    if negatives.num:
        yield from _doubtful(mined, negatives, "dropped as too good, and perhaps positives that nobody labelled")
    if positives.num:
        yield from _doubtful(mined, positives, "positives that the teacher finds worse than half of what it read")


def _doubtful(mined: "Mined", doubts: "Doubts", what: str) -> Iterator[Text]:
    which = f"the {len(doubts.worst)} most doubtful" if doubts.num > len(doubts.worst) else "they are"
    yield Text(f"{doubts.num:,} documents: {what}; {which}:")
    for doubt in doubts.worst:
        yield _doubt(mined, doubt)


def _doubt(mined: "Mined", doubt: "Doubt") -> Text:
    dataset = mined.pool.dataset
    query, document = dataset.queries[doubt.question_id], dataset.corpus[doubt.document_id].text
    figures = f"{doubt.score:.2f} against {doubt.other:.2f}"
    return Text(f"  {_short(query, _QUERY_CHARACTERS)} | {figures} | {_short(document, _DOCUMENT_CHARACTERS)}", "dim")


def _short(text: str, length: int) -> str:
    line = on_one_line(text[: 2 * length])
    return line if len(line) <= length else f"{line[: length - 3]}..."
