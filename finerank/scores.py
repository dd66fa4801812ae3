"""What a score means, for every kind of model; the only place that says so.

    yes_no          log_odds = logit(yes) - logit(no), in fp32            score = sigmoid(log_odds)
    cross_encoder   log_odds = the raw logit                              score = sigmoid(log_odds)
    bi_encoder      score = (1 + cosine) / 2, in [0, 1]                   log_odds = log(score / (1 - score))

A score is always a number in [0, 1] and log_odds orders what the score can no longer tell apart.
"""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

_SMALLEST_EXPONENT: Final = -745.0
"""exp of less is 0 in double precision."""
_CLOSEST_TO_CERTAIN: Final = 2.0**-24
"""Half a step of fp32 below 1: keeps the log-odds of identical vectors finite (at 16.6)."""


def sigmoid(log_odds: float) -> float:
    """Of one number, as `probability`, in double precision; without numpy, which costs more than a few numbers do."""
    if log_odds < 0.0:
        power = math.exp(max(log_odds, _SMALLEST_EXPONENT))
        return power / (1.0 + power)
    return 1.0 / (1.0 + math.exp(-log_odds))


def probability(log_odds: FloatArray) -> FloatArray:
    """sigmoid, (N,) -> (N,), without overflow; NaN stays NaN."""
    wide = log_odds.astype(np.float64)
    with np.errstate(invalid="ignore"):  # NaN is a failed document's log-odds
        return np.asarray(np.exp(-np.logaddexp(0.0, -wide)), dtype=np.float32)


def log_odds_of_cosine(cosine: FloatArray) -> FloatArray:
    """Log-odds of the score (1 + cosine) / 2, (N,) -> (N,)."""
    share = np.clip((1.0 + cosine.astype(np.float64)) / 2.0, _CLOSEST_TO_CERTAIN, 1.0 - _CLOSEST_TO_CERTAIN)
    return np.asarray(np.log(share) - np.log1p(-share), dtype=np.float32)
