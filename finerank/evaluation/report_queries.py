"""The queries that lost and gained most, with their relevant documents and where those stood."""

from dataclasses import dataclass
from typing import Final

from .ordering import ranked
from .report_words import clipped, gains
from .types import Dataset, Evaluation, Stage

NUM_QUERIES: Final = 5
"""Shown of each kind for each reranked stage."""
_MOST_DOCUMENTS: Final = 5
"""Relevant ones shown for a query."""
_QUERY_CHARS: Final = 300
_DOCUMENT_CHARS: Final = 260


@dataclass(frozen=True, slots=True)
class MovedDocument:
    """A document of a query.   before, after: its ranks from 1, None where it was not found.   text: cut."""

    id: str
    title: str
    text: str
    grade: int
    before: int | None
    after: int | None


@dataclass(frozen=True, slots=True)
class ChangedQuery:
    """before, after: the first metric.   relevant: best ranked first.   num_more: relevant documents not shown.

    usurper: the document that now stands first, if that one is not relevant.
    """

    id: str
    text: str
    before: float
    after: float
    relevant: list[MovedDocument]
    num_more: int
    usurper: MovedDocument | None

    @property
    def gain(self) -> float:
        return self.after - self.before


def most_changed(evaluation: Evaluation, first: Stage, stage: Stage) -> tuple[list[ChangedQuery], list[ChangedQuery]]:
    """(those that lost most, those that gained most), the largest change first."""
    found = gains(evaluation, first, stage)
    ordered = sorted(found, key=lambda query: (found[query], query))
    lost = [query for query in ordered[:NUM_QUERIES] if found[query] < 0.0]
    gained = [query for query in ordered[: -NUM_QUERIES - 1 : -1] if found[query] > 0.0]
    metric = evaluation.metrics[0]
    describe = [
        [_described(evaluation.dataset, first, stage, metric, query) for query in queries] for queries in (lost, gained)
    ]
    return describe[0], describe[1]


def _ranks(scores: dict[str, float]) -> dict[str, int]:
    """Document id -> rank from 1, best first."""
    return {document: rank for rank, document in enumerate(ranked(scores), start=1)}


def _described(dataset: Dataset, first: Stage, stage: Stage, metric: str, query: str) -> ChangedQuery:
    before, after = _ranks(first.run.get(query, {})), _ranks(stage.run.get(query, {}))
    grades = {document: grade for document, grade in dataset.qrels.get(query, {}).items() if grade > 0}
    ordered = sorted(grades, key=lambda each: (min(before.get(each, 1 << 30), after.get(each, 1 << 30)), each))
    top = next(iter(after), None)

    def moved(document: str) -> MovedDocument:
        known = dataset.corpus.get(document)
        title = clipped(known.title, _DOCUMENT_CHARS) if known else ""
        text = clipped(known.text, _DOCUMENT_CHARS) if known else ""
        return MovedDocument(document, title, text, grades.get(document, 0), before.get(document), after.get(document))

    return ChangedQuery(
        query,
        clipped(dataset.queries.get(query, ""), _QUERY_CHARS),
        first.per_query[metric][query],
        stage.per_query[metric][query],
        [moved(document) for document in ordered[:_MOST_DOCUMENTS]],
        max(0, len(ordered) - _MOST_DOCUMENTS),
        moved(top) if top is not None and top not in grades else None,
    )
