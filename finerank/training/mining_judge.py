"""Which documents may be negatives: those that are worse than the positives, by the first stage or by a teacher."""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, Final, TypeAlias

from ..evaluation.cache import EvaluationCache
from ..evaluation.reranking import score_candidates
from ..evaluation.types import Dataset, Run
from ..scores import sigmoid
from .mining_options import Margin
from .mining_pool import Question
from .mining_report import Doubt, Doubts

if TYPE_CHECKING:
    from ..reranker import Reranker

OnProgress: TypeAlias = Callable[[str, int, int], None]
"""Called with (what is done, how much of it, of how much)."""

TOO_GOOD: Final = "too near to a positive's score"
TOO_LIKELY: Final = "above the teacher's threshold"
UNSCORED: Final = "without a score by the teacher"
NO_POSITIVE: Final = "before a positive that the first stage did not find"
_NUMBER: Final = re.compile(r"[\d,]+")


class Judge(ABC):
    """doubts: negatives that were refused, the most likely positives first."""

    def __init__(self) -> None:
        self.doubts = Doubts()

    @abstractmethod
    def learn(self, wanted: Mapping[str, Sequence[str]], questions: Mapping[str, Question]) -> None:
        """Whatever is needed to judge these documents.   wanted: question id -> document ids."""

    @abstractmethod
    def objection(self, question: Question, document_id: str) -> str | None:
        """Why it is no negative; None if it is one."""

    def can_judge(self, question: Question) -> bool:
        """Is there anything to compare with?"""
        return True

    def readable(self, documents: Sequence[str], question: Question) -> list[str]:
        """Those of the labelled documents that can be kept."""
        return list(documents)


class FirstStageJudge(Judge):
    """By the scores of the ranking that they come from; what it did not return is below all that it did."""

    def __init__(self, run: Run, margin: Margin | None) -> None:
        super().__init__()
        self._run, self._margin = run, margin

    def learn(self, wanted: Mapping[str, Sequence[str]], questions: Mapping[str, Question]) -> None: ...

    def objection(self, question: Question, document_id: str) -> str | None:
        scores = self._run.get(question.id, {})
        score = scores.get(document_id)
        if self._margin is None or score is None:
            return None
        positive = min(scores.get(each, -math.inf) for each in question.positives)
        if positive == -math.inf:
            return NO_POSITIVE
        if score <= self._margin.limit(positive):
            return None
        self.doubts.add(Doubt(question.id, document_id, TOO_GOOD, score, positive), score - positive)
        return TOO_GOOD


class TeacherJudge(Judge):
    """By a stronger reranker's scores, which are kept.

    log_odds: question id -> document id -> of all that it was asked about.
    """

    def __init__(
        self,
        dataset: Dataset,
        teacher: "Reranker",
        cache: EvaluationCache,
        margin: Margin | None,
        threshold: float | None,
        on_progress: OnProgress | None = None,
    ) -> None:
        super().__init__()
        self.log_odds: Run = {}
        self._warnings: dict[str, str] = {}
        self._dataset, self._teacher, self._cache = dataset, teacher, cache
        self._margin, self._threshold = margin, threshold
        self._on_progress = on_progress
        self._round = 0

    def learn(self, wanted: Mapping[str, Sequence[str]], questions: Mapping[str, Question]) -> None:
        """What is labelled is asked about, too; the second time it is in the cache."""
        self._round += 1
        candidates = {
            id_: [*questions[id_].positives, *questions[id_].negatives, *documents] for id_, documents in wanted.items()
        }
        scored = score_candidates(self._dataset, candidates, self._teacher, self._cache, on_progress=self._progress())
        for warning in scored.warnings:
            self._warnings.setdefault(_NUMBER.sub("", warning), warning)
        for id_, scores in scored.scores.items():
            self.log_odds.setdefault(id_, {}).update(scores)

    @property
    def warnings(self) -> list[str]:
        """Of its scoring. Where several rounds say the same with other numbers: the first, which asks the most."""
        return list(self._warnings.values())

    def objection(self, question: Question, document_id: str) -> str | None:
        scores = self.log_odds.get(question.id, {})
        found = scores.get(document_id)
        if found is None:
            return UNSCORED
        positive = min(scores[each] for each in question.positives if each in scores)
        reason = TOO_GOOD if self._is_too_good(found, positive) else None
        if reason is None and self._threshold is not None and sigmoid(found) > self._threshold:
            reason = TOO_LIKELY
        if reason is not None:
            self.doubts.add(Doubt(question.id, document_id, reason, found, positive), found - positive)
        return reason

    def can_judge(self, question: Question) -> bool:
        scores = self.log_odds.get(question.id, {})
        return any(each in scores for each in question.positives)

    def readable(self, documents: Sequence[str], question: Question) -> list[str]:
        """Those with a score: to distil, a query needs scores of all its documents."""
        return [each for each in documents if each in self.log_odds[question.id]]

    def doubtful_positives(self, questions: Sequence[Question]) -> Doubts:
        """Positives that it finds worse than half of the other documents that it read for their query."""
        doubts = Doubts()
        for question in questions:
            scores = self.log_odds.get(question.id, {})
            others = [score for each, score in scores.items() if each not in question.known_positives]
            middle = median(others) if others else -math.inf
            for each in question.positives:
                if each in scores and scores[each] < middle:
                    doubt = Doubt(question.id, each, "a positive below half of the others", scores[each], middle)
                    doubts.add(doubt, middle - scores[each])
        return doubts

    def _is_too_good(self, log_odds: float, positive: float) -> bool:
        if self._margin is None:
            return False
        if self._margin.is_relative:
            return sigmoid(log_odds) > self._margin.limit(sigmoid(positive))
        return log_odds > self._margin.limit(positive)

    def _progress(self) -> Callable[[int, int], None] | None:
        tell, part = self._on_progress, "teacher" if self._round == 1 else "teacher, more"
        return None if tell is None else lambda done, total: tell(part, done, total)
