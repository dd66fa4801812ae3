"""The plots of an evaluation.

A plot holds numbers and fixed words only: names of stages come from anywhere and stand in the page's own legend,
which escapes them. Knows nothing of evaluations; what is plotted is arrays.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from markupsafe import Markup
from matplotlib.ticker import (
    FixedLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
    PercentFormatter,
    StrMethodFormatter,
)
from numpy.typing import ArrayLike

from .plot_canvas import (
    GAIN,
    INK,
    LOSS,
    MOST_POINTS,
    QUIET,
    SERIES,
    Values,
    as_svg,
    dashes,
    evenly,
    finite,
    label,
    line,
    new_plot,
    plain,
)

_NUM_BINS: Final = 30


def gains_plot(gains: Sequence[ArrayLike], name: str = "gains") -> Markup:
    """What each query gained, sorted, one series of (N,) for each stage; one alone is filled."""
    figure, axes = new_plot()
    for number, each in enumerate(gains):
        values = np.sort(finite(each))[::-1]
        if not values.size:
            continue
        heights, edges = _thinned(values)
        if len(gains) == 1:
            axes.stairs(np.maximum(heights, 0.0), edges, fill=True, color=GAIN)
            axes.stairs(np.minimum(heights, 0.0), edges, fill=True, color=LOSS)
        else:
            axes.stairs(heights, edges, baseline=None, linestyle=dashes(number), **line(number))
    axes.axhline(0.0, color=INK, linewidth=0.8)
    label(axes, "queries, best gain first", "gain")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.margins(x=0.01)
    return as_svg(figure, name)


def scores_plot(relevant: ArrayLike, others: ArrayLike, name: str = "scores", unit: str = "score") -> Markup:
    """Share of the relevant and of the other documents that have each score."""
    figure, axes = new_plot(height=2.3)
    sides = [finite(relevant), finite(others)]
    both = np.concatenate(sides)
    if both.size:
        edges = np.histogram_bin_edges(both, bins=_NUM_BINS)
        for number, values in enumerate(sides):
            if values.size:
                heights = np.histogram(values, edges)[0] / values.size
                axes.stairs(heights, edges, fill=True, color=SERIES[number], alpha=0.25)
                axes.stairs(heights, edges, linestyle=dashes(number), **line(number))
    label(axes, unit, "share of documents")
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    return as_svg(figure, name)


def depth_plot(
    curves: Sequence[Mapping[int, float]], first: float | None, oracle: float | None, metric: str, name: str = "depth"
) -> Markup:
    """Mean of the metric when the best k candidates are reranked.   first, oracle: level lines, None = none."""
    figure, axes = new_plot()
    depths = sorted({depth for curve in curves for depth in curve})
    for number, curve in enumerate(curves):
        known = [depth for depth in depths if depth in curve]
        heights = [curve[depth] for depth in known]
        axes.plot(known, heights, marker="o", markersize=3.0, linestyle=dashes(number), **line(number))
    for level, words, offset in ((first, "first stage", -9), (oracle, "best possible", 2)):
        if level is not None and np.isfinite(level):
            axes.axhline(level, color=QUIET, linewidth=1.0, linestyle=(0, (2, 2)))
            # On the side of its line where no curve should be.
            axes.annotate(
                words,
                (0.02, level),
                xycoords=("axes fraction", "data"),
                xytext=(0, offset),
                textcoords="offset points",
                color=QUIET,
                fontsize=8.0,
            )
    if depths and depths[-1] > 10 * max(1, depths[0]):
        axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(_apart(depths)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:.0f}"))
    axes.margins(y=0.14)
    label(axes, "candidates reranked", plain(metric))
    return as_svg(figure, name)


def latency_plot(milliseconds: Sequence[ArrayLike], name: str = "latency") -> Markup:
    """Share of the queries that were answered within a time."""
    figure, axes = new_plot()
    largest, smallest = 0.0, np.inf
    for number, each in enumerate(milliseconds):
        values = np.sort(finite(each))
        if not values.size:
            continue
        shares = np.arange(1, values.size + 1) / values.size
        picked = evenly(values.size, MOST_POINTS)
        axes.plot(
            values[picked],
            shares[picked],
            linestyle=dashes(number),
            drawstyle="steps-post",
            marker="o" if values.size == 1 else None,
            markersize=3.0,
            **line(number),
        )
        largest, smallest = max(largest, values[-1]), min(smallest, values[0])
    for share in (0.5, 0.95):
        axes.axhline(share, color=QUIET, linewidth=0.8, linestyle=(0, (2, 2)))
    if smallest > 0.0 and largest > 30.0 * smallest:
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_yticks([0.0, 0.25, 0.5, 0.75, 0.95])
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:.0%}"))
    axes.set_ylim(0.0, 1.03)
    label(axes, "milliseconds a query", "queries answered")
    return as_svg(figure, name)


def curve_plot(xs: ArrayLike, ys: ArrayLike, below: str, beside: str, name: str) -> Markup:
    """One curve, such as a loss by its steps; where it has very many points, means of neighbours."""
    figure, axes = new_plot()
    places, values = np.asarray(xs, dtype=np.float64), np.asarray(ys, dtype=np.float64)
    parts = min(MOST_POINTS, len(values))
    if parts:
        means = [np.mean(part) for part in np.array_split(values, parts)]
        marker = "o" if parts <= 30 else None
        axes.plot([part[-1] for part in np.array_split(places, parts)], means, marker=marker, markersize=3.0, **line(0))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    label(axes, below, plain(beside))
    return as_svg(figure, name)


def _thinned(values: Values) -> tuple[Values, Values]:
    """Heights and edges of at most so many bars; each stands for the like number of neighbours."""
    picked = evenly(values.size, MOST_POINTS)
    edges = np.linspace(0.0, values.size, picked.size + 1) + 0.5
    return values[picked], edges


def _apart(depths: Sequence[int]) -> list[int]:
    """Those that can be written beside each other on a logarithmic axis: the largest, then those well below."""
    kept: list[int] = []
    for depth in sorted(depths, reverse=True):
        if not kept or depth <= 0.7 * kept[-1]:
            kept.append(depth)
    return kept
