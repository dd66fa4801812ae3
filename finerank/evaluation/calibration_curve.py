"""From log-odds and labels to probabilities, and how far to trust them.

Arrays all along: log_odds (N,) fp64, labels (N,) bool, queries (N,) a number for each query.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression, minimize
from scipy.special import expit
from scipy.stats import binomtest

from .calibration import Curve, Line, Points

Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]
Ints: TypeAlias = NDArray[np.intp]
Fit: TypeAlias = Callable[[Floats, Bools], Curve]

NUM_FOLDS: Final = 5
NUM_BINS: Final = 10
_SEED: Final = 20240607
"""Of the folds, so that the same pairs give the same figures."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Pairs of like probability.   stated: their mean probability.   found: share that is relevant.

    low, high: 95 % Wilson interval of `found`.
    """

    num_pairs: int
    stated: float
    found: float
    low: float
    high: float


def fit_line(log_odds: Floats, labels: Bools) -> Line:
    """Platt's fit: largest likelihood of labels that are moved a little towards each other, so that pairs which
    separate perfectly get no infinite slope. The slope may come out below 0.
    """
    num_relevant = int(labels.sum())
    num_others = labels.size - num_relevant
    targets = np.where(labels, (num_relevant + 1.0) / (num_relevant + 2.0), 1.0 / (num_others + 2.0))
    middle, spread = float(log_odds.mean()), float(log_odds.std()) or 1.0
    x = (log_odds - middle) / spread

    def loss(line: Floats) -> tuple[float, Floats]:
        z = line[0] * x + line[1]
        error = expit(z) - targets
        return float(np.mean(np.logaddexp(0.0, z) - targets * z)), np.array([np.mean(error * x), np.mean(error)])

    slope, intercept = minimize(loss, np.array([1.0, 0.0]), jac=True, method="BFGS").x
    return Line(float(slope / spread), float(intercept - slope * middle / spread))


def fit_points(log_odds: Floats, labels: Bools) -> Points:
    """Isotonic regression, centred: every block at the mean of its log-odds, so that the curve rises between them."""
    positions, counts = np.unique(log_odds, return_counts=True)
    means = np.bincount(np.searchsorted(positions, log_odds), weights=labels) / counts
    fitted = isotonic_regression(means, weights=counts)
    starts = fitted.blocks[:-1]
    sizes = np.add.reduceat(counts, starts)
    centres = np.add.reduceat(counts * positions, starts) / sizes
    # Nothing is certain because some pairs were: as if there were one more of each kind.
    edge = 1.0 / (labels.size + 2.0)
    levels = np.clip(fitted.x[starts], edge, 1.0 - edge)
    keep = np.concatenate([[True], np.diff(levels) > 0.0])
    return Points(tuple(centres[keep].tolist()), tuple(levels[keep].tolist()))


def probabilities(curve: Curve, log_odds: Floats) -> Floats:
    """`curve.probability` of each, (N,) -> (N,)."""
    if isinstance(curve, Line):
        return np.asarray(expit(curve.slope * log_odds + curve.intercept))
    return np.interp(log_odds, curve.log_odds, curve.probabilities)


def folds(queries: Ints) -> Ints:
    """(N,) which fold each pair is in; the pairs of a query are in one."""
    unique, of_pair = np.unique(queries, return_inverse=True)
    dealt = np.random.default_rng(_SEED).permutation(unique.size) % NUM_FOLDS
    return np.asarray(dealt[of_pair], dtype=np.intp)


def out_of_fold(log_odds: Floats, labels: Bools, queries: Ints, fit: Fit) -> Floats:
    """The probability of each pair from a curve that was fitted to other queries, (N,)."""
    fold_of, stated = folds(queries), np.empty(log_odds.size)
    for fold in range(NUM_FOLDS):
        held = fold_of == fold
        if held.any():
            stated[held] = probabilities(fit(log_odds[~held], labels[~held]), log_odds[held])
    return stated


def brier_score(stated: Floats, labels: Bools) -> float:
    """Mean squared distance of probability and label: 0 is perfect, 0.25 is what a coin gets."""
    return float(np.mean((stated - labels) ** 2))


def expected_calibration_error(stated: Floats, labels: Bools) -> float:
    """Mean distance of stated and found probability over bins of equally many pairs.

    Source: Nguyen and O'Connor, Posterior calibration and exploratory analysis, 2015 (bins of equal size).
    """
    bins = reliability(stated, labels)
    return sum(each.num_pairs * abs(each.stated - each.found) for each in bins) / labels.size


def reliability(stated: Floats, labels: Bools) -> list[Bin]:
    """Bins of equally many pairs, lowest probability first."""
    ordered = np.argsort(stated, kind="stable")
    bins = []
    for members in np.array_split(ordered, min(NUM_BINS, labels.size)):
        found = binomtest(int(labels[members].sum()), members.size)
        interval = found.proportion_ci(method="wilson")
        share = float(found.statistic)
        bins.append(Bin(members.size, float(stated[members].mean()), share, float(interval.low), float(interval.high)))
    return bins
