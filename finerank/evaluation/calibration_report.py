"""The report of a calibration: one HTML file with what is promised and how it was found."""

from pathlib import Path

import numpy as np

from .calibration import Line
from .calibration_curve import probabilities
from .calibration_plots import reliability_plot, threshold_plot
from .calibration_study import Quality, Study
from .calibration_words import held_out_sentence, promise
from .plots import scores_plot
from .report_figures import Figure
from .report_page import origin, render, write_page
from .report_words import figure


def write_calibration_report(study: Study, name: str, file: Path) -> None:
    """name: of the pairs. Raises SettingsError if the file cannot be written."""
    write_page(calibration_html(study, name), file)


def calibration_html(study: Study, name: str) -> str:
    """The whole page."""
    calibration = study.calibration
    return render(
        "calibration.html",
        name=name,
        model=calibration.model,
        promise=promise(calibration) or _gain(study),
        held_out=held_out_sentence(study.held_out),
        qualities=[("of the model", study.before), ("calibrated, on unseen queries", study.after)],
        figures=[_reliability(study), _choice(study), _distribution(study)],
        warnings=study.warnings,
        facts=_facts(study, name),
    )


def _gain(study: Study) -> str:
    return (
        f"The calibrated probability is off by {figure(study.after.error)} on average, the model's own by "
        f"{figure(study.before.error)}."
    )


def _reliability(study: Study) -> Figure:
    named = {"the model's own": study.before, "calibrated, on unseen queries": study.after}
    summary = "; ".join(f"{name}: {_bins(quality)}" for name, quality in named.items())
    return Figure(
        "Reliability",
        "A probability is worth its name on the dotted line. Bins of equally many pairs, with 95 % intervals.",
        summary,
        reliability_plot(
            [
                tuple(np.array([getattr(each, what) for each in quality.bins]) for what in _BIN_FIELDS)  # type: ignore[misc]
                for quality in named.values()
            ],
            "reliability",
        ),
        tuple(named),
    )


_BIN_FIELDS = ("stated", "found", "low", "high")


def _bins(quality: Quality) -> str:
    return ", ".join(f"{each.stated:.2f} stated and {each.found:.2f} found" for each in quality.bins)


def _distribution(study: Study) -> Figure:
    judged = study.judged
    relevant, others = judged.log_odds[judged.labels], judged.log_odds[~judged.labels]
    return Figure(
        "Scores",
        "The model's log-odds of relevant pairs and of the others.",
        f"relevant pairs have a median of {np.median(relevant):+.2f}, others of {np.median(others):+.2f}",
        scores_plot(relevant, others, "scores", "log-odds"),
        ("relevant", "others"),
        "areas",
    )


def _choice(study: Study) -> Figure:
    """Precision and recall at every threshold."""
    judged, threshold = study.judged, study.calibration.threshold
    order = np.argsort(-judged.log_odds, kind="stable")
    num_relevant = np.cumsum(judged.labels[order])
    stated = probabilities(study.calibration.curve, judged.log_odds[order])
    precision = num_relevant / np.arange(1, order.size + 1)
    recall = num_relevant / num_relevant[-1]
    at = "" if threshold is None else f"; at the threshold {threshold.score:.3f} the recall is {threshold.recall:.1%}"
    return Figure(
        "Precision and recall",
        "Of the pairs that are kept from a threshold on, as they are in these data."
        + ("" if threshold is None else " Upright: the threshold that was found; dotted: the precision asked for."),
        f"precision from {precision[-1]:.1%} when everything is kept{at}",
        threshold_plot(
            stated,
            [precision, recall],
            threshold.precision if threshold else None,
            threshold.score if threshold else None,
            "choice",
        ),
        ("precision", "recall"),
    )


def _facts(study: Study, name: str) -> list[tuple[str, str]]:
    calibration, facts = study.calibration, study.calibration.facts
    curve = calibration.curve
    kind = f"{len(curve.log_odds)} points (isotonic)" if not isinstance(curve, Line) else (
        f"log-odds x {curve.slope:.4f} {curve.intercept:+.4f} (Platt)"
    )  # fmt: skip
    share = facts["num_relevant"] / facts["num_pairs"]
    return [
        ("pairs", f"{facts['num_pairs']:,} of {name}, {facts['num_relevant']:,} relevant ({share:.1%})"),
        ("queries", f"{facts['num_queries']:,}"),
        ("without a score", f"{facts['num_failed']:,}"),
        ("model", calibration.model),
        ("fingerprint", calibration.fingerprint),
        ("instruction", calibration.instruction or "none"),
        ("curve", kind),
        *origin(),
    ]
