"""What mining found: how many negatives, what was dropped and why, and what a person should look at."""

import heapq
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from ..types import ModelInfo
from .mining_pool import MiningPool

SHOWN_DOUBTS: Final = 5


@dataclass(frozen=True, slots=True)
class Doubt:
    """A label that may be wrong.

    score: of the document.   other: what it was compared with: a positive's, or the middle of the others'. Both as the
    judge gives them: log-odds of a teacher, the first stage's scores without one.
    """

    question_id: str
    document_id: str
    reason: str
    score: float
    other: float


class Doubts:
    """The worst few of many.   num: of all of them."""

    def __init__(self) -> None:
        self.num = 0
        self._worst: list[tuple[float, int, Doubt]] = []

    def add(self, doubt: Doubt, how_bad: float) -> None:
        """Of equally bad ones the first stay."""
        self.num += 1
        entry = how_bad, -self.num, doubt
        if len(self._worst) < SHOWN_DOUBTS:
            heapq.heappush(self._worst, entry)
        else:
            heapq.heappushpop(self._worst, entry)

    @property
    def worst(self) -> list[Doubt]:
        """Worst first."""
        return [doubt for _, _, doubt in sorted(self._worst, reverse=True)]


@dataclass(slots=True)
class MiningReport:
    """What was done. A query (with its instruction) may be several examples in the data, and is one in the output.

    mined: number of mined negatives -> how many queries have so many.   num_mined, num_random, num_labelled: negatives.
    num_short: queries with fewer mined than wanted.   num_filled: those of them that got random ones instead.
    dropped: reason -> how many documents were no negatives.   left_out: reason -> how much of the data was not used.
    doubtful_negatives: documents dropped as too good, which may be positives.   doubtful_positives: those that the
    teacher does not like, which may be none.   wanted: mined negatives of each query.
    """

    num_examples: int
    num_queries: int
    num_documents: int
    wanted: int
    first_stage: dict[str, Any]
    teacher: ModelInfo | None = None
    mined: Counter[int] = field(default_factory=Counter)
    num_mined: int = 0
    num_random: int = 0
    num_labelled: int = 0
    num_short: int = 0
    num_filled: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    doubtful_negatives: Doubts = field(default_factory=Doubts)
    doubtful_positives: Doubts = field(default_factory=Doubts)
    warnings: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def as_record(self, pool: MiningPool) -> dict[str, Any]:
        """JSON values; the doubtful ones with their texts."""
        return {
            "examples": self.num_examples,
            "queries": self.num_queries,
            "documents": self.num_documents,
            "first_stage": self.first_stage,
            **({} if self.teacher is None else {"teacher": _without_none(asdict(self.teacher))}),
            "negatives": {"mined": self.num_mined, "random": self.num_random, "labelled": self.num_labelled},
            "queries_by_mined_negatives": {str(number): self.mined[number] for number in sorted(self.mined)},
            "queries_with_fewer": self.num_short,
            "queries_filled_at_random": self.num_filled,
            "dropped": dict(self.dropped),
            "left_out": dict(self.left_out),
            "doubtful_negatives": _doubts_record(self.doubtful_negatives, pool),
            "doubtful_positives": _doubts_record(self.doubtful_positives, pool),
            "warnings": self.warnings,
            "seconds": round(self.seconds, 3),
        }


def _doubts_record(doubts: Doubts, pool: MiningPool) -> dict[str, Any]:
    return {"number": doubts.num, "worst": [_doubt_record(each, pool) for each in doubts.worst]}


def _doubt_record(doubt: Doubt, pool: MiningPool) -> dict[str, Any]:
    return {
        "query": pool.dataset.queries[doubt.question_id],
        "document": pool.dataset.corpus[doubt.document_id].text,
        "reason": doubt.reason,
        "score": doubt.score,
        "compared_with": doubt.other,
    }


def _without_none(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if value is not None}
