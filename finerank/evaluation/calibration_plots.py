"""The plots of a calibration, as those of an evaluation are."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import ArrayLike

from .plot_canvas import INK, MOST_POINTS, QUIET, SERIES, as_svg, dashes, evenly, label, line, new_plot


def reliability_plot(curves: Sequence[tuple[ArrayLike, ArrayLike, ArrayLike, ArrayLike]], name: str) -> Markup:
    """Stated against found probability: (stated, found, low, high) of the bins of each curve, (B,) each."""
    figure, axes = new_plot(height=3.4)
    axes.plot([0.0, 1.0], [0.0, 1.0], color=QUIET, linewidth=1.0, linestyle=(0, (2, 2)))
    for number, (stated, found, low, high) in enumerate(curves):
        stated, found = np.asarray(stated, dtype=np.float64), np.asarray(found, dtype=np.float64)
        reach = np.clip(np.stack([found - np.asarray(low), np.asarray(high) - found]), 0.0, None)
        axes.errorbar(
            stated, found, yerr=reach, color=SERIES[number], linewidth=1.6, linestyle=dashes(number),
            marker="os"[number % 2], markersize=4.0, elinewidth=0.8, capsize=2.0,
        )  # fmt: skip
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    label(axes, "stated probability", "share that is relevant")
    return as_svg(figure, name)


def threshold_plot(
    scores: ArrayLike, curves: Sequence[ArrayLike], wanted: float | None, threshold: float | None, name: str
) -> Markup:
    """Curves over the score from which documents are kept; a level line at `wanted`, an upright one at `threshold`."""
    figure, axes = new_plot(height=3.4)
    positions = np.asarray(scores, dtype=np.float64)
    picked = evenly(positions.size, MOST_POINTS)
    for number, curve in enumerate(curves):
        heights = np.asarray(curve, dtype=np.float64)
        axes.plot(positions[picked], heights[picked], linestyle=dashes(number), **line(number))
    if wanted is not None:
        axes.axhline(wanted, color=QUIET, linewidth=0.8, linestyle=(0, (2, 2)))
    if threshold is not None:
        axes.axvline(threshold, color=INK, linewidth=1.0)
    axes.set_ylim(-0.02, 1.04)
    label(axes, "threshold (calibrated probability)", "share")
    return as_svg(figure, name)
