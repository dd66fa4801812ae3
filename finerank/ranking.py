"""From log-odds to an order: best first, ties by input order, failures last."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from .errors import InputError
from .types import RankedDocument

if TYPE_CHECKING:
    from .evaluation.calibration import Calibration

MinScore: TypeAlias = float | Literal["calibrated"]
"""A probability from 0 to 1, or the threshold that a calibration found for its precision."""

CALIBRATED: Final = "calibrated"


def order(documents: Iterable[RankedDocument]) -> list[RankedDocument]:
    """By log-odds, best first; equal ones in input order; documents without a score last, in input order."""
    return sorted(documents, key=lambda each: (math.isnan(each.log_odds), -each.log_odds, each.index))


def select(
    documents: Iterable[RankedDocument],
    *,
    top_n: int | None = None,
    min_score: float | None = None,
    min_log_odds: float | None = None,
) -> list[RankedDocument]:
    """The best `top_n` of an ordered list whose score is at least `min_score`, and its log-odds `min_log_odds`.

    Documents that failed are kept beside them, at the end: dropping them would hide the failure.
    """
    documents = list(documents)
    failed = [each for each in documents if each.error is not None]
    scored = [each for each in documents if each.error is None]
    if min_score is not None:
        scored = [each for each in scored if each.score >= min_score]
    if min_log_odds is not None:
        scored = [each for each in scored if each.log_odds >= min_log_odds]
    return [*scored[:top_n], *failed]


def check_options(
    top_n: int | None, min_score: MinScore | None, batch_size: int, calibration: "Calibration | None" = None
) -> None:
    """Raises InputError naming the option, its value and its limit."""
    if top_n is not None and (isinstance(top_n, bool) or not isinstance(top_n, int) or top_n < 1):
        raise InputError(f"top_n is {top_n!r}; give a whole number of at least 1, or None for all")
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 0:
        raise InputError(f"batch_size is {batch_size!r}; give a whole number of at least 1, or 0 for automatic")
    if min_score == CALIBRATED:
        if calibration is None or calibration.threshold is None:
            what = "no calibration" if calibration is None else "a calibration without a threshold"
            raise InputError(
                f"min_score is {min_score!r}, but the model has {what}; make one with finerank calibrate --precision"
            )
        return
    if min_score is not None and (
        isinstance(min_score, bool) or not isinstance(min_score, int | float) or not 0.0 <= min_score <= 1.0
    ):
        raise InputError(f"min_score is {min_score!r}; give a probability from 0 to 1, or None")
