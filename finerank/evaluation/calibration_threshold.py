"""The smallest threshold whose precision can be promised, not just seen.

Precision above a threshold is a share of pairs, and its lower confidence bound is Clopper and Pearson's. Two things
would make it optimistic, and are dealt with:

    Many thresholds are looked at, and the luckiest would win. So they are tested in a fixed order, from several starts
    that do not depend on labels, each with its share of the error, downwards until the first failure: then all that
    passed hold together.   Source: Angelopoulos, Bates, Candes, Jordan, Lei, Learn then Test, 2021 (fixed sequence
    testing with several starts).

    Pairs of one query are not independent: a hard query has many mistakes. So they count for fewer, by the design
    effect 1 + (m - 1) * rho.   Source: Kish, Survey Sampling, 1965; with Clopper and Pearson's bound: Korn and
    Graubard, Confidence intervals for proportions with small expected number of positive counts, 1998.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.stats import beta

from .calibration_curve import NUM_FOLDS, Bools, Floats, Ints, fit_line, folds, probabilities

_HUNDREDTHS: Final = [hundredth / 100 for hundredth in range(99, 0, -1)]


@dataclass(frozen=True, slots=True)
class Found:
    """log_odds: of the last pair that is kept.   num_kept, num_relevant: pairs from there on."""

    log_odds: float
    num_kept: int
    num_relevant: int


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The same rule on four fifths of the queries, measured on the other fifth, five times over.

    num_folds: where a threshold could be promised.   num_relevant_in_all: relevant pairs of those folds.
    """

    num_folds: int
    num_kept: int
    num_relevant: int
    num_relevant_in_all: int


def find_threshold(log_odds: Floats, labels: Bools, queries: Ints, precision: float, confidence: float) -> Found | None:
    """None if no threshold can be promised to have the precision.   precision, confidence: in (0, 1)."""
    starts, error = _starts(log_odds.size, precision, 1.0 - confidence)
    if not starts:
        return None
    order = np.argsort(-log_odds, kind="stable")
    num_kept = np.arange(1, order.size + 1)
    num_relevant = np.cumsum(labels[order])
    effect = _design_effects(queries[order], _correlation(log_odds, labels, queries))
    lower = _lower_bounds(num_relevant / effect, num_kept / effect, error)
    # A threshold lies between scores that differ; equal ones are kept or dropped together.
    is_end = np.append(np.diff(log_odds[order]) != 0.0, True)
    ends = np.flatnonzero(is_end)
    passes = lower[ends] >= precision
    last = -1
    for start in starts:
        position = int(np.searchsorted(ends, start - 1))
        while position < ends.size and passes[position]:
            last = max(last, position)
            position += 1
    if last < 0:
        return None
    end = int(ends[last])
    return Found(float(log_odds[order[end]]), end + 1, int(num_relevant[end]))


def fewest_pairs(precision: float, confidence: float) -> int:
    """That must be above a threshold, all of them relevant, to promise the precision."""
    return math.ceil(math.log(1.0 - confidence) / math.log(precision))


def fewest_relevant(num_pairs: int, precision: float, confidence: float) -> int:
    """Relevant pairs of so many that it takes to promise the precision, even if all of them score above the others."""
    starts, _ = _starts(num_pairs, precision, 1.0 - confidence)
    return starts[0] if starts else fewest_pairs(precision, confidence)


def best_precision(log_odds: Floats, labels: Bools, queries: Ints, confidence: float) -> tuple[float, Found] | None:
    """The largest that can be promised, in hundredths, and where."""
    for precision in _HUNDREDTHS:
        found = find_threshold(log_odds, labels, queries, precision, confidence)
        if found is not None:
            return precision, found
    return None


def held_out(log_odds: Floats, labels: Bools, queries: Ints, precision: float, confidence: float) -> HeldOut:
    """Does the rule keep its promise on queries that it has not seen?"""
    fold_of = folds(queries)
    counts = np.zeros(4, dtype=np.int64)
    for fold in range(NUM_FOLDS):
        held = fold_of == fold
        if not held.any() or held.all():
            continue
        found = find_threshold(log_odds[~held], labels[~held], queries[~held], precision, confidence)
        if found is not None:
            kept = log_odds[held] >= found.log_odds
            counts += (1, kept.sum(), labels[held][kept].sum(), labels[held].sum())
    return HeldOut(*map(int, counts))


def _starts(num_pairs: int, precision: float, error: float) -> tuple[list[int], float]:
    """How many pairs the sequences begin with, each twice as many as the one before, and the error of each."""
    starts: list[int] = []
    while True:
        share = error / (len(starts) + 1)
        fewest = fewest_pairs(precision, 1.0 - share)
        longer = [fewest << doubling for doubling in range(len(starts) + 1)]
        if longer[-1] > num_pairs:
            return starts, error / max(1, len(starts))
        starts = longer


def _lower_bounds(num_relevant: Floats, num_kept: Floats, error: float) -> Floats:
    """Clopper and Pearson's, one-sided, (N,); counts need not be whole."""
    none = num_relevant <= 0.0
    bounds = beta.ppf(error, np.where(none, 1.0, num_relevant), num_kept - num_relevant + 1.0)
    return np.where(none, 0.0, bounds)


def _correlation(log_odds: Floats, labels: Bools, queries: Ints) -> float:
    """Of two pairs of a query, beyond what their scores explain, in [0, 1]: the analysis of variance's estimate."""
    residuals = labels - probabilities(fit_line(log_odds, labels), log_odds)
    _, of_pair, sizes = np.unique(queries, return_inverse=True, return_counts=True)
    num_pairs, num_queries = labels.size, sizes.size
    if num_queries < 2 or num_queries == num_pairs:
        return 0.0
    means = np.bincount(of_pair, weights=residuals) / sizes
    between = float(np.sum(sizes * (means - residuals.mean()) ** 2)) / (num_queries - 1)
    within = float(np.sum((residuals - means[of_pair]) ** 2)) / (num_pairs - num_queries)
    size = (num_pairs - float(np.sum(sizes**2)) / num_pairs) / (num_queries - 1)
    whole = between + (size - 1.0) * within
    return min(1.0, max(0.0, (between - within) / whole)) if whole > 0.0 else 0.0


def _design_effects(queries: Ints, correlation: float) -> Floats:
    """Of the first 1, 2, ... pairs, (N,): 1 + (m - 1) * rho, where m is the mean size of a pair's query."""
    if correlation == 0.0:
        return np.ones(queries.size)
    seen: dict[int, int] = {}
    squares = np.empty(queries.size)
    total = 0
    for position, query in enumerate(queries.tolist()):
        earlier = seen.get(query, 0)
        seen[query] = earlier + 1
        total += 2 * earlier + 1  # (c + 1)^2 - c^2
        squares[position] = total
    sizes = squares / np.arange(1, queries.size + 1)
    return 1.0 + (sizes - 1.0) * correlation
