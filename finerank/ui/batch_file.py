"""Files of many queries with their documents, in; files of their rankings, out.

A line that cannot be used becomes a row with its error; only a file of which nothing can be read raises.
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ..documents import csv_rows, format_of, json_value, lines_of
from ..errors import InputError
from ..records import result_record
from ..types import Document, Ranking
from .texts import PageError
from .upload import Upload

_OWN_KEYS: Final = ("query", "documents", "instruction")
_CSV_COLUMNS: Final = ("line", "query", "place", "index", "score", "log_odds", "document", "error")


@dataclass(slots=True)
class Item:
    """One query with its documents.

    line: where in the file it begins, from 1.   more: keys of its line that come back untouched.
    error: why it cannot be ranked, or None.
    """

    line: int
    query: str = ""
    documents: list[Document] = field(default_factory=list)
    instruction: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an item: its ranking, or an error."""

    item: Item
    ranking: Ranking | None = None
    error: str | None = None


def items_of(upload: Upload) -> list[Item]:
    """JSON Lines {"query", "documents", "instruction"?} or CSV with the columns query and document.

    Raises PageError and InputError if the file as a whole is neither.
    """
    form = format_of(upload.name)
    if form == "text":
        raise PageError("batch.suffix", name=upload.name)
    items = (_from_csv if form == "csv" else _from_jsonl)(upload)
    if not items:
        raise PageError("batch.nothing", name=upload.name)
    return items


def jsonl_of(outcomes: Iterable[Outcome]) -> str:
    """One line for each item, in the order of the file."""
    return "".join(json.dumps(_record(each), ensure_ascii=False, allow_nan=False) + "\n" for each in outcomes)


def csv_of(outcomes: Iterable[Outcome]) -> str:
    """One row for each document, best first; an item without a ranking is one row with its error."""
    written = io.StringIO()
    rows = csv.DictWriter(written, _CSV_COLUMNS, lineterminator="\r\n", extrasaction="ignore")
    rows.writeheader()
    for outcome in outcomes:
        rows.writerows(_csv_rows(outcome))
    return written.getvalue()


def _from_jsonl(upload: Upload) -> list[Item]:
    return [_item_of(number, line) for number, line in lines_of(upload.text)]


def _item_of(number: int, line: str) -> Item:
    try:
        value = json_value(line, "the line")
        if not isinstance(value, dict):
            raise InputError(f"the line is {type(value).__name__}, not an object with query and documents")
        return _checked(number, value)
    except InputError as error:
        return Item(number, error=str(error))


def _checked(number: int, value: Mapping[str, Any]) -> Item:
    query, documents, instruction = (value.get(key) for key in _OWN_KEYS)
    more = {key: each for key, each in value.items() if key not in _OWN_KEYS}
    item = Item(number, query if isinstance(query, str) else "", [], None, more)
    if not isinstance(query, str) or not query.strip():
        item.error = "query is missing or empty" if query is None or query == "" else "query is not a text"
    elif not isinstance(documents, list) or not documents:
        item.error = "documents is missing or empty; give a list of texts"
    elif instruction is not None and not isinstance(instruction, str):
        item.error = "instruction is not a text"
    else:
        item.documents, item.instruction = [_document_of(each) for each in documents], instruction
    return item


def _document_of(value: Any) -> Document:
    """What is no document becomes one whose text is none, so that the error is that document's own."""
    return value if isinstance(value, str | dict) else {"text": value}


def _from_csv(upload: Upload) -> list[Item]:
    """Rows of the same query and instruction are one item, wherever they stand."""
    items: dict[tuple[str, str], Item] = {}
    bad: list[Item] = []
    for number, row in csv_rows(upload.text, upload.name, "query", "document"):
        query, document, instruction = row["query"] or "", row["document"] or "", row.get("instruction") or ""
        if not query.strip() or not document.strip():
            bad.append(Item(number, query, error=f"{'document' if query.strip() else 'query'} is empty"))
            continue
        item = items.setdefault((query, instruction), Item(number, query, [], instruction or None))
        item.documents.append(document)
    return sorted([*items.values(), *bad], key=lambda each: each.line)


def _record(outcome: Outcome) -> dict[str, Any]:
    item = outcome.item
    record = {**item.more, "line": item.line, "query": item.query}
    if outcome.ranking is None:
        return record | {"error": outcome.error}
    facts = outcome.ranking.facts
    return record | {
        "model": facts.model.name,
        "instruction": facts.instruction,
        "results": [result_record(each, each.document) for each in outcome.ranking],
    }


def _csv_rows(outcome: Outcome) -> Sequence[Mapping[str, Any]]:
    shared = {"line": outcome.item.line, "query": outcome.item.query}
    if outcome.ranking is None:
        return [shared | {"error": outcome.error}]
    return [shared | result_record(each, each.text) | {"place": place} for place, each in enumerate(outcome.ranking, 1)]
