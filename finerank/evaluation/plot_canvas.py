"""What a plot is drawn on: SVG that stands inside a page and takes its colours and fonts from there."""

import io
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

Values: TypeAlias = NDArray[np.float64]

NUM_SERIES: Final = 6
"""Colours that templates/report.css defines as --series-1, --series-2, ...; more series begin again."""
DASHES: Final = ((0, ()), (0, (5, 2)), (0, (1.5, 1.5)), (0, (7, 2, 1.5, 2)), (0, (3, 1)), (0, (9, 3)))
"""Of the lines of a plot, so that they can be told apart without their colours."""
MOST_POINTS: Final = 400
"""Of a curve; more cannot be seen at this width and would fill the file."""
_WIDTH: Final = 4.3
"""Inches of 72 units: 310 units, about the pixels there are on a phone, so that 9 units of text stay readable."""

INK, QUIET, _LINE, _PAPER = "#0a0c01", "#0a0c02", "#0a0c03", "#0a0c04"
SERIES: Final = tuple(f"#0a0b{number:02x}" for number in range(1, NUM_SERIES + 1))
GAIN, LOSS = "#0a0d01", "#0a0d02"
_STYLE_OF: Final = {
    INK: "var(--ink)",
    QUIET: "var(--quiet)",
    _LINE: "var(--line)",
    _PAPER: "var(--card)",
    GAIN: "var(--gain)",
    LOSS: "var(--loss)",
    **{color: f"var(--series-{number})" for number, color in enumerate(SERIES, start=1)},
}
"""Colours that nothing else uses -> what stands in the page instead: a picture for light and for dark."""

_lock = threading.Lock()
"""matplotlib's settings are the process's, so two plots must not be drawn at once."""


def dash_arrays() -> list[str]:
    """The dashes of each series, as SVG writes them."""
    return [" ".join(f"{2 * length:g}" for length in lengths) or "none" for _, lengths in DASHES]


@contextmanager
def _settings(salt: str = "") -> Iterator[None]:
    """matplotlib's defaults, whatever this machine's user likes; text as text; ids that are the same every time."""
    with _lock, mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams["font.size"] = 9.0
        mpl.rcParams["svg.fonttype"] = "none"
        mpl.rcParams["svg.hashsalt"] = salt
        yield


def new_plot(height: float = 2.7) -> tuple[Figure, Axes]:
    """An empty plot.   height: in inches."""
    # A figure of its own, not pyplot's, which would keep it and choose a backend for the whole process.
    with _settings():
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        FigureCanvasSVG(figure)
        figure.patch.set_visible(False)
        axes = figure.add_subplot()
    axes.patch.set_visible(False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_LINE)
    axes.tick_params(which="both", color=_LINE, labelcolor=QUIET, labelsize=9.0)
    axes.grid(axis="y", color=_LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def label(axes: Axes, below: str, beside: str) -> None:
    """Names of the axes."""
    axes.set_xlabel(below, color=QUIET)
    axes.set_ylabel(beside, color=QUIET)


def line(number: int) -> dict[str, Any]:
    """Colour and width of a series."""
    return {"color": SERIES[number % NUM_SERIES], "linewidth": 1.8}


def dashes(number: int) -> Any:
    """Line style of a series."""
    return DASHES[number % len(DASHES)]


def as_svg(figure: Figure, name: str) -> Markup:
    """The figure as an element for the page: its colours, its size, ids that no other plot has."""
    drawn = io.StringIO()
    with _settings(name):
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    svg = drawn.getvalue()
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', "", svg, count=2)
    # Its style sheet would be the whole page's, and its fonts are not the page's.
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>\s*", "", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r" font-family: [^;\"]*;", "", svg)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r'(url\(|href=")#([^)"]+)', rf"\1#{name}-\2", svg)
    svg = re.sub("|".join(_STYLE_OF), lambda color: _STYLE_OF[color.group()], svg)
    svg = re.sub(r"(-?\d+\.\d\d)\d+", r"\1", svg)
    # The page says in words what is seen; the plot itself is a picture.
    return Markup(svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1))


def plain(words: str) -> str:
    """As it stands: matplotlib takes what is between dollars for a formula."""
    return words.replace("$", r"\$")


def finite(values: ArrayLike) -> Values:
    """As fp64 (N,), without what is no number."""
    array = np.asarray(values, dtype=np.float64).ravel()
    return array[np.isfinite(array)]


def evenly(length: int, most: int) -> NDArray[np.intp]:
    """At most so many indices, the first and the last among them."""
    if length <= most:
        return np.arange(length)
    return np.unique(np.linspace(0, length - 1, most).round().astype(np.intp))
