"""What a calibration promises, in a sentence."""

from .calibration import Calibration
from .calibration_threshold import HeldOut


def promise(calibration: Calibration) -> str:
    """Empty without a threshold."""
    found = calibration.threshold
    if found is None:
        return ""
    return (
        f"Keep documents of a calibrated probability of at least {found.score:.4f} (log-odds {found.log_odds:+.3f}): a "
        f"share of at least {found.precision:g} of them is relevant, with {found.confidence:.0%} confidence, for pairs "
        f"like these. Here it is {found.num_relevant:,} of {found.num_kept:,} pairs ({found.found_precision:.1%}), "
        f"which is {found.recall:.1%} of all relevant ones."
    )


def held_out_sentence(found: HeldOut | None) -> str:
    """What the same rule does on queries that it has not seen."""
    if found is None:
        return ""
    if not found.num_folds:
        return "On four fifths of the queries the precision could not be promised, so it was not tried on the others."
    if not found.num_kept:
        return "On queries that the rule had not seen it kept no pair."
    return (
        f"On queries that it had not seen, the same rule kept {found.num_kept:,} pairs, {found.num_relevant:,} of them "
        f"relevant: a precision of {found.num_relevant / found.num_kept:.1%} and a recall of "
        f"{found.num_relevant / max(1, found.num_relevant_in_all):.1%} (cross-validated, {found.num_folds} of 5 folds)."
    )
