"""Is a difference more than luck? Paired tests over the same queries, by scipy."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias

import numpy as np

from .types import PairedTest

RESAMPLES: Final = 10_000
CONFIDENCE: Final = 0.95
_EQUAL: Final = 1e-9
"""Values nearer than this are a tie: sums of the same gains in another order."""
_BATCH: Final = 500

_Values: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"


def paired_test(
    metric: str, a: str, b: str, a_values: Mapping[str, float], b_values: Mapping[str, float], *, seed: int = 0
) -> PairedTest:
    """Of b - a over the queries of both, which must be the same.

    p: two-sided randomisation test (signs of the differences flipped; exact where all flips are no more than 10,000,
    else 10,000 at random, (1 + as extreme) / (1 + 10,000); Smucker, Allan, Carterette, CIKM 2007).
    Interval: percentile bootstrap over queries, 10,000 resamples. The same seed gives the same figures.
    """
    from scipy import stats

    differences = np.array([b_values[query_id] - a_values[query_id] for query_id in a_values], dtype=np.float64)
    differences[np.abs(differences) < _EQUAL] = 0.0
    mean = float(differences.mean()) if len(differences) else 0.0
    low = high = mean
    p_value = 1.0
    if differences.any() and len(differences) > 1:
        p_value = float(
            stats.permutation_test(
                (differences, np.zeros_like(differences)),
                _mean_difference,
                permutation_type="samples",
                n_resamples=RESAMPLES,
                vectorized=True,
                batch=_BATCH,
                rng=np.random.default_rng(seed),
            ).pvalue
        )
        interval = stats.bootstrap(
            (differences,),
            np.mean,
            n_resamples=RESAMPLES,
            confidence_level=CONFIDENCE,
            method="percentile",
            vectorized=True,
            batch=_BATCH,
            rng=np.random.default_rng(seed),
        ).confidence_interval
        low, high = float(interval.low), float(interval.high)
    wins, losses = int((differences > 0).sum()), int((differences < 0).sum())
    ties = len(differences) - wins - losses
    return PairedTest(metric, a, b, mean, low, high, p_value, wins, losses, ties)


def with_holm(tests: Sequence[PairedTest]) -> list[PairedTest]:
    """The tests with `p_holm`, each metric's tests corrected as one family; a lone test needs none."""
    corrected = list(tests)
    for metric in dict.fromkeys(test.metric for test in tests):
        family = [position for position, test in enumerate(tests) if test.metric == metric]
        if len(family) > 1:
            for position, p_value in zip(family, holm([tests[each].p_value for each in family]), strict=True):
                corrected[position] = replace(tests[position], p_holm=p_value)
    return corrected


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction, in the order given: the k-th smallest of m times m - k + 1, never decreasing."""
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for place, position in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, p_values[position] * (len(p_values) - place)))
        corrected[position] = largest
    return corrected


def _mean_difference(b: _Values, a: _Values, axis: int = -1) -> _Values:
    means: _Values = np.mean(b - a, axis=axis)
    return means
