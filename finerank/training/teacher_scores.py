"""Can anything be learned from a teacher's scores?"""

import math
from collections.abc import Sequence

from .examples import Example
from .findings import Findings


def check_teacher(examples: Sequence[Example], findings: Findings, *, is_needed: bool) -> None:
    """is_needed: the loss cannot do without them, so what is only odd otherwise refuses training."""
    lowest, highest, num_scores = math.inf, -math.inf, 0
    for example in examples:
        scores = [each.teacher for each in example.candidates if each.teacher is not None]
        finite = [score for score in scores if math.isfinite(score)]
        num_missing = len(example.candidates) - len(scores)
        if len(finite) < len(scores):
            findings.add("score_not_finite", example.place, count=len(scores) - len(finite))
        if is_needed and num_missing:
            findings.add("scores_missing", example.place, count=num_missing)
        elif scores and num_missing:
            findings.add("scores_in_part", example.place)
        if finite:
            lowest, highest = min(lowest, *finite), max(highest, *finite)
            num_scores += len(finite)
            _check_example(example, findings)
    _check_range(lowest, highest, num_scores, findings, is_needed=is_needed)


def _check_example(example: Example, findings: Findings) -> None:
    positives = [each.teacher for each in example.positives if each.teacher is not None]
    negatives = [each.teacher for each in example.negatives if each.teacher is not None]
    if len(positives) + len(negatives) > 1 and len({*positives, *negatives}) == 1:
        findings.add("scores_equal", example.place)
    elif positives and negatives and max(negatives) > max(positives):
        findings.add("teacher_disagrees", example.place)


def _check_range(lowest: float, highest: float, num_scores: int, findings: Findings, *, is_needed: bool) -> None:
    if num_scores < 2:
        return
    if lowest == highest:
        findings.add(
            "scores_constant", count=num_scores, detail=f"{lowest:g}", severity="error" if is_needed else "warning"
        )
    elif lowest >= 0 and highest <= 1:
        findings.add("scores_look_like_probabilities", count=num_scores)
