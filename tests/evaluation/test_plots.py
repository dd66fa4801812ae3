"""Plots as elements of a page: what is in them, and what is not."""

import math
import re
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest

from finerank.evaluation import plots
from finerank.evaluation.plot_canvas import NUM_SERIES

NAN = math.nan


def test_a_plot_is_xml_without_colours_fonts_or_addresses_of_its_own() -> None:
    svg = str(plots.gains_plot([[0.5, -0.25, 0.0]]))
    root = ElementTree.fromstring(svg)
    assert root.attrib["aria-hidden"] == "true"
    assert re.findall("#[0-9a-f]{6}", svg) == []
    assert "font-family" not in svg
    assert "<style" not in svg
    addresses = set(re.findall(r"https?://[^\"' ]+", svg))
    assert addresses <= {"http://www.w3.org/1999/xlink", "http://www.w3.org/2000/svg"}


def test_ids_of_two_plots_differ_and_point_at_something() -> None:
    one, other = plots.gains_plot([[1.0, 2.0]], "one"), plots.gains_plot([[1.0, 2.0]], "other")
    ids = [set(re.findall(r'\bid="([^"]+)"', svg)) for svg in (one, other)]
    assert not ids[0] & ids[1]
    assert set(re.findall(r'(?:url\(|href=")#([^)"]+)', one)) <= ids[0]


def test_the_same_numbers_give_the_same_plot_and_leave_no_setting_behind() -> None:
    before = dict(mpl.rcParams)
    assert plots.latency_plot([[1.0, 2.0, 3.0]]) == plots.latency_plot([[1.0, 2.0, 3.0]])
    assert dict(mpl.rcParams) == before


def test_text_stays_text_and_dollars_are_no_formula() -> None:
    svg = plots.depth_plot([{1: 0.1, 10: 0.5, 100: 0.6}], 0.3, 0.9, "a $metric$")
    texts = [each.text for each in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert {"a $metric$", "first stage", "best possible", "1", "10", "100"} <= set(texts)


def test_many_queries_make_no_larger_plot() -> None:
    values = np.random.default_rng(0).normal(size=100_000)
    assert len(plots.gains_plot([values])) < 60_000
    assert len(plots.latency_plot([np.abs(values) + 1.0])) < 60_000


@pytest.mark.parametrize("values", [[], [NAN], [0.0], [NAN, 1.0], [5.0] * 3, [1e-9, 1e9]])
def test_odd_values_are_drawn(values: list[float]) -> None:
    for svg in (
        plots.gains_plot([values, values]),
        plots.scores_plot(values, values),
        plots.scores_plot(values, []),
        plots.latency_plot([values]),
        plots.depth_plot([dict(enumerate(values, start=1))], NAN, None, "nDCG@10"),
    ):
        ElementTree.fromstring(svg)


def test_more_series_than_colours_begin_again() -> None:
    svg = plots.gains_plot([[0.1, 0.2]] * 9)
    assert {f"var(--series-{number})" for number in range(1, NUM_SERIES + 1)} <= set(
        re.findall(r"var\(--series-\d\)", svg)
    )
