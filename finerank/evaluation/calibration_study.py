"""`finerank calibrate` as a function: labelled pairs and a reranker in, a calibration and its proof out."""

from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from scipy.special import expit

from .. import __version__
from ..errors import InputError
from ..reranker import Reranker
from .cache import EvaluationCache
from .calibration import Calibration, Curve, Line, Threshold
from .calibration_curve import (
    Bin,
    Bools,
    Fit,
    Floats,
    brier_score,
    expected_calibration_error,
    fit_line,
    fit_points,
    out_of_fold,
    reliability,
)
from .calibration_judging import Judged, OnProgress, judge
from .calibration_pairs import LabelledPairs
from .calibration_threshold import HeldOut, best_precision, fewest_relevant, find_threshold, held_out

Method: TypeAlias = Literal["auto", "platt", "isotonic"]

FEWEST_OF_A_CLASS: Final = 10
"""Relevant pairs, and others; with fewer two parameters follow single pairs."""
FEWEST_QUERIES: Final = 10
"""Every fold of the cross-validation has at least two."""
ENOUGH_FOR_ISOTONIC: Final = 1000
"""Pairs of each class from which on the free curve is tried.

Source: Niculescu-Mizil and Caruana, Predicting Good Probabilities with Supervised Learning, 2005, section 5.
"""
_FITS: Final[dict[str, Fit]] = {"platt": fit_line, "isotonic": fit_points}


@dataclass(frozen=True, slots=True)
class Quality:
    """How far probabilities are from what is found.   brier, error: Brier score, expected calibration error."""

    brier: float
    error: float
    bins: list[Bin]


@dataclass(frozen=True, slots=True)
class Study:
    """before: of the model's own probability.   after: calibrated, out of fold: no pair was fitted on its own query.

    held_out: the threshold's rule on queries that it has not seen; None without a wanted precision.
    """

    calibration: Calibration
    judged: Judged
    before: Quality
    after: Quality
    held_out: HeldOut | None
    warnings: list[str]


def calibrate(
    reranker: Reranker,
    pairs: LabelledPairs,
    *,
    instruction: str | None = None,
    precision: float | None = None,
    confidence: float = 0.95,
    method: Method = "auto",
    cache: EvaluationCache | None = None,
    on_progress: OnProgress | None = None,
) -> Study:
    """Scores the pairs and learns from them.

    instruction: as in `Reranker.rank`.
    precision: the threshold's, in (0, 1); None = no threshold.   confidence: of the promise that it has it.
    cache: of scores, also those that evaluations computed; None = nothing is kept.
    Raises InputError if the pairs are too few or too uniform, or if the precision cannot be promised.
    """
    check_pairs(pairs, precision, confidence)
    with nullcontext(cache) if cache is not None else EvaluationCache(None) as opened:
        judged = judge(reranker, pairs, instruction, opened, on_progress)
    info = reranker.info
    return study(
        judged,
        Calibration(
            info.name, info.fingerprint, reranker.effective_instruction(instruction), reranker.windows, Line(1.0, 0.0)
        ),
        _warnings(pairs, judged),
        precision=precision,
        confidence=confidence,
        method=method,
    )


def check_pairs(pairs: LabelledPairs, precision: float | None = None, confidence: float = 0.95) -> None:
    """What can be refused before any model is loaded. Raises InputError as `calibrate` does."""
    for name, value in (("precision", precision), ("confidence", confidence)):
        if value is not None and not 0.0 < value < 1.0:
            raise InputError(f"{name} is {value}; give a share above 0 and below 1, such as 0.9")
    labels = np.array(pairs.labels, dtype=np.bool_)
    check_classes(labels, len(set(pairs.queries)))
    if precision is not None:
        _check_promise(labels, precision, confidence)


def study(
    judged: Judged,
    bound: Calibration,
    warnings: list[str],
    *,
    precision: float | None = None,
    confidence: float = 0.95,
    method: Method = "auto",
) -> Study:
    """Learns from pairs that have been judged.   bound: the model and instruction; its curve is replaced."""
    x, y, queries = judged.log_odds, judged.labels, judged.queries
    check_classes(y, np.unique(queries).size)
    if np.ptp(x) == 0.0:
        raise InputError(f"all {y.size:,} pairs have the same score ({expit(x[0]):.4f}); there is nothing to calibrate")
    line = fit_line(x, y)
    if line.slope <= 0.0:
        raise InputError(
            "relevant pairs do not score higher than others, so the score says nothing about relevance here; use "
            "another model or instruction, or check that label 1 means relevant"
        )
    chosen = _choose(judged, method)
    curve: Curve = line if chosen == "platt" else fit_points(x, y)
    stated = out_of_fold(x, y, queries, _FITS[chosen])
    before, after = _quality(np.asarray(expit(x)), y), _quality(stated, y)
    threshold = None if precision is None else _threshold(judged, curve, precision, confidence)
    unseen = None if precision is None else held_out(x, y, queries, precision, confidence)
    calibration = Calibration(
        bound.model,
        bound.fingerprint,
        bound.instruction,
        bound.windows,
        curve,
        threshold,
        _facts(judged, before, after, unseen),
    )
    return Study(calibration, judged, before, after, unseen, warnings)


def check_classes(labels: Bools, num_queries: int) -> None:
    """Raises InputError if too few pairs are relevant, or not, or too few queries are asked."""
    num_relevant = int(labels.sum())
    counts = {"relevant pairs (label 1)": num_relevant, "other pairs (label 0)": labels.size - num_relevant}
    for what, count in counts.items():
        if count < FEWEST_OF_A_CLASS:
            raise InputError(f"{count} {what}: at least {FEWEST_OF_A_CLASS} are needed, better some hundred")
    if num_queries < FEWEST_QUERIES:
        raise InputError(
            f"the pairs are of {num_queries} queries: at least {FEWEST_QUERIES} are needed, since what holds for other "
            "queries cannot be learned from one"
        )


def _check_promise(labels: Bools, precision: float, confidence: float) -> None:
    """Raises InputError if even a perfect order of the pairs could not promise the precision."""
    num_relevant, fewest = int(labels.sum()), fewest_relevant(labels.size, precision, confidence)
    if num_relevant < fewest:
        raise InputError(
            f"a precision of {precision:g} cannot be promised with {confidence:.0%} confidence from {num_relevant:,} "
            f"relevant pairs of {labels.size:,}: it takes at least {fewest:,}, even if all of them score above the "
            "others; label more, or leave --precision out"
        )


def _choose(judged: Judged, method: Method) -> str:
    """The free curve only where there is enough to learn it from, and it is better on unseen queries."""
    if method != "auto":
        return method
    num_relevant = int(judged.labels.sum())
    if min(num_relevant, judged.labels.size - num_relevant) < ENOUGH_FOR_ISOTONIC:
        return "platt"
    arrays = (judged.log_odds, judged.labels, judged.queries)
    scores = {name: brier_score(out_of_fold(*arrays, fit), judged.labels) for name, fit in _FITS.items()}
    return min(scores, key=lambda name: scores[name])


def _threshold(judged: Judged, curve: Curve, precision: float, confidence: float) -> Threshold:
    _check_promise(judged.labels, precision, confidence)
    arrays = (judged.log_odds, judged.labels, judged.queries)
    found = find_threshold(*arrays, precision, confidence)
    if found is None:
        raise InputError(_refusal(judged, curve, precision, confidence))
    in_all = int(judged.labels.sum())
    return Threshold(
        precision,
        confidence,
        found.log_odds,
        curve.probability(found.log_odds),
        found.num_kept,
        found.num_relevant,
        found.num_relevant / in_all,
    )


def _refusal(judged: Judged, curve: Curve, precision: float, confidence: float) -> str:
    sure = f"with {confidence:.0%} confidence"
    best = best_precision(judged.log_odds, judged.labels, judged.queries, confidence)
    reachable = "no precision can"
    if best is not None:
        most, found = best
        reachable = (
            f"the best that can is {most:.2f}, for calibrated probabilities from "
            f"{curve.probability(found.log_odds):.3f} on ({found.num_relevant:,} of {found.num_kept:,} pairs relevant)"
        )
    return f"a precision of {precision:g} cannot be promised {sure}: {reachable}; ask for less, or label more pairs"


def _quality(stated: Floats, labels: Bools) -> Quality:
    return Quality(brier_score(stated, labels), expected_calibration_error(stated, labels), reliability(stated, labels))


def _facts(judged: Judged, before: Quality, after: Quality, unseen: HeldOut | None) -> dict[str, Any]:
    num_relevant = int(judged.labels.sum())
    return {
        "finerank": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "num_pairs": int(judged.labels.size),
        "num_relevant": num_relevant,
        "num_queries": int(np.unique(judged.queries).size),
        "num_failed": judged.num_failed,
        "brier": {"before": before.brier, "after": after.brier},
        "expected_calibration_error": {"before": before.error, "after": after.error},
        "held_out": None if unseen is None else asdict(unseen),
    }


def _warnings(pairs: LabelledPairs, judged: Judged) -> list[str]:
    found = [*pairs.warnings, *judged.warnings]
    if pairs.num_repeated:
        found.append(f"{pairs.num_repeated:,} repeated pairs were counted once")
    if pairs.num_contradicted:
        found.append(f"{pairs.num_contradicted:,} pairs with both labels were left out")
    if judged.num_failed:
        found.append(f"{judged.num_failed:,} pairs have no score and were left out; the first: {judged.error}")
    return found
