"""The queries that a reranker made worse, with the documents that fell and those that went past them."""

from dataclasses import dataclass, field

from .ordering import ranked
from .types import Dataset, Evaluation, Stage

_SHOWN_ABOVE = 3


@dataclass(slots=True)
class Fallen:
    """A relevant document that stands lower in b than in a.

    a_rank, b_rank: from 1; None where the ranking has not got it.   above: documents that stood below it in a and
    stand above it in b, best of b first, at most three.
    """

    document_id: str
    grade: int
    a_rank: int
    b_rank: int | None
    above: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Regression:
    """A query where b is worse than a in `metric`."""

    query_id: str
    query: str
    metric: str
    a_value: float
    b_value: float
    fallen: list[Fallen]


def regressions(evaluation: Evaluation, a: str, b: str, num: int = 5) -> list[Regression]:
    """The `num` queries that lost most from stage `a` to stage `b` in the first metric, worst first."""
    metric = evaluation.metrics[0]
    stages = {stage.name: stage for stage in evaluation.stages}
    before, after = stages[a], stages[b]
    losses = {
        query_id: after.per_query[metric][query_id] - value for query_id, value in before.per_query[metric].items()
    }
    worst = sorted((loss, query_id) for query_id, loss in losses.items() if loss < -1e-9)[:num]
    return [_regression(evaluation.dataset, query_id, metric, before, after) for _, query_id in worst]


def _regression(dataset: Dataset, query_id: str, metric: str, before: Stage, after: Stage) -> Regression:
    return Regression(
        query_id,
        dataset.queries.get(query_id, ""),
        metric,
        before.per_query[metric][query_id],
        after.per_query[metric][query_id],
        _fallen(dataset.qrels[query_id], ranked(before.run.get(query_id, {})), ranked(after.run.get(query_id, {}))),
    )


def _fallen(grades: dict[str, int], a_order: list[str], b_order: list[str]) -> list[Fallen]:
    """Relevant documents that fell, the one that stood best in a first."""
    a_ranks = {document_id: rank for rank, document_id in enumerate(a_order, start=1)}
    b_ranks = {document_id: rank for rank, document_id in enumerate(b_order, start=1)}
    fallen = []
    for document_id, a_rank in a_ranks.items():
        b_rank = b_ranks.get(document_id)
        if grades.get(document_id, 0) < 1 or (b_rank is not None and b_rank <= a_rank):
            continue
        above = [
            each
            for each in b_order[: None if b_rank is None else b_rank - 1]
            if a_ranks.get(each, len(a_order) + 1) > a_rank
        ]
        fallen.append(Fallen(document_id, grades[document_id], a_rank, b_rank, above[:_SHOWN_ABOVE]))
    return fallen
