"""The report of an evaluation: its figures, its safety, and how it looks in a browser."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bs4 import BeautifulSoup, Tag

from finerank.errors import SettingsError
from finerank.evaluation.report import report_html, write_report
from finerank.evaluation.types import CorpusDocument, Evaluation, PairedTest
from tests.ui import browser

from .made import evaluation, stage

MINUS = "\N{MINUS SIGN}"


def page(found: Evaluation) -> BeautifulSoup:
    return BeautifulSoup(report_html(found), "lxml")


def words(element: Tag | None) -> str:
    assert element is not None
    return " ".join(element.get_text(" ").split())


def rows(soup: BeautifulSoup, name: str) -> list[list[str]]:
    region = soup.find(attrs={"role": "region", "aria-label": name})
    assert isinstance(region, Tag)
    return [[words(cell) for cell in row.find_all(["th", "td"])] for row in region.select("tbody tr")]


def test_the_answer_comes_first_and_has_the_figures() -> None:
    found = evaluation()
    first, reranked, oracle = (each.means["nDCG@10"] for each in found.stages)
    (test,) = found.tests
    answer = words(page(found).select_one("main > section"))
    for part in (
        "Reranking with a-reranker improves nDCG@10",
        f"from {first:.3f} to {reranked:.3f} ({test.difference:+.3f}",
        f"95 % interval {test.low:+.3f} to {test.high:+.3f}",
        "< 0.001) over bm25 on manuals dev",
        f"{test.wins} queries better, {test.losses} worse, {test.ties} equal.",
        f"would reach {oracle:.3f}; {100 * (reranked - first) / (oracle - first):.0f} % of that gain",
    ):
        assert part in answer.replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("difference", "p_value", "expected"),
    [(0.1, 0.3, "did not help for certain"), (-0.1, 0.001, "did not help: it lowers"), (-0.1, 0.5, "for certain")],
)
def test_it_says_plainly_that_it_did_not_help(difference: float, p_value: float, expected: str) -> None:
    found = evaluation()
    found.stages[1].means["nDCG@10"] = found.stages[0].means["nDCG@10"] + difference
    found.tests = [PairedTest("nDCG@10", "bm25", "a-reranker", difference, -0.2, 0.2, p_value, 3, 4, 5)]
    assert expected in words(page(found).select_one(".answer"))


def test_what_holms_correction_takes_away_is_not_claimed() -> None:
    found = evaluation()
    found.tests[0].p_value, found.tests[0].p_holm = 0.02, 0.12
    answer = words(page(found).select_one(".answer")).replace("\u00a0", " ")
    assert "did not help for certain" in answer
    assert "p = 0.120 after Holm's correction" in answer
    test = found.tests[0]
    found.tests = [replace(test, a=test.b, b=test.a)]
    assert "p = 0.120 after Holm" in words(page(found).select_one(".answer")).replace("\u00a0", " ")


def test_queries_are_counted_as_they_are_measured() -> None:
    found = evaluation()
    found.dataset.qrels["without a text"] = {"d1": 1}
    assert f"queries {len(found.dataset.qrels)} documents" in words(page(found))


def test_a_test_made_the_other_way_round_is_turned() -> None:
    found = evaluation()
    low = found.stages[0].means["nDCG@10"] - found.stages[1].means["nDCG@10"]
    found.tests = [PairedTest("nDCG@10", "a-reranker", "bm25", low, low - 0.1, low + 0.2, 0.01, 1, 50, 9)]
    answer = words(page(found).select_one(".answer"))
    assert f"interval {-low - 0.2:+.3f} to {-low + 0.1:+.3f}".replace("-", MINUS) in answer
    assert "50 queries better, 1 worse" in answer


def test_the_tables_have_the_evaluations_figures() -> None:
    found = evaluation(names=("one", "two"))
    found.metrics.append("RR@10")
    for number, each in enumerate(found.stages):
        each.means["RR@10"] = number / 7
    found.stages[1].cost.price_per_million = 10.0
    soup = page(found)
    first = found.stages[0].means["nDCG@10"]
    for row, each in zip(rows(soup, "Stages and metrics"), found.stages, strict=True):
        assert row[0].startswith(each.name)
        assert row[1:3] == [f"{each.means['nDCG@10']:.4f}", f"{each.means['RR@10']:.4f}"]
        expected = "–" if each.kind == "first" else f"{each.means['nDCG@10'] - first:+.4f}"
        assert row[3].replace(MINUS, "-") == expected
        assert row[6] == (f"{each.cost.tokens:,}" if each.cost.tokens else "–")
    assert rows(soup, "Stages and metrics")[1][7] == "1.2346"
    for row, test in zip(rows(soup, "Paired tests"), found.tests, strict=True):
        assert row[0] == f"{test.b} against {test.a}"
        assert row[2].replace(MINUS, "-") == f"{test.difference:+.4f}"
        assert row[5:] == [str(test.wins), str(test.losses), str(test.ties)]
    depths = rows(soup, "nDCG@10 against depth")
    for row, curve in zip(depths, found.by_depth.values(), strict=True):
        assert row[1:] == [f"{curve[depth]:.4f}" for depth in sorted(curve)]


def test_latency_is_of_this_run_and_of_earlier_ones() -> None:
    found = evaluation(10)
    found.stages[1].cost.seconds = {"q0": 0.1}
    found.stages[1].cost.earlier_seconds = {"q1": 0.3}
    soup = page(found)
    assert rows(soup, "Stages and metrics")[1][3:5] == ["200 ms", "290 ms"]
    assert "Some were timed by an earlier run" in words(soup.select_one("main"))


def test_plots_are_said_in_words_and_tables_have_headers() -> None:
    soup = page(evaluation(names=("one", "two")))
    pictures = soup.select('figure [role="img"]')
    assert [words(each.find("h3")) for each in soup.select("figure")] == [
        "Gain per query", "Scores of one", "Scores of two", "nDCG@10 against depth", "Latency",
    ]  # fmt: skip
    for each in pictures:
        assert len(str(each["aria-label"])) > 40
        assert each.find("svg", attrs={"aria-hidden": "true"}) is not None
    assert all(cell.get("scope") for cell in soup.find_all("th"))
    assert [words(each) for each in soup.select("figure")[0].select(".legend li")] == ["one", "two"]


def test_the_queries_that_changed_most_show_where_their_documents_went() -> None:
    found = evaluation(20)
    first, reranked = found.stages[:2]
    gains = {each: reranked.per_query["nDCG@10"][each] - value for each, value in first.per_query["nDCG@10"].items()}
    worst = min(gains, key=lambda each: (gains[each], each))
    lost = page(found).select(".queries section")[0].select(".query")[0]
    assert found.dataset.queries[worst] in words(lost)
    assert f"{gains[worst]:+.3f}".replace("-", MINUS) in words(lost)
    ((relevant, _),) = found.dataset.qrels[worst].items()
    ranks = [
        1 + sum(score > each.run[worst][relevant] for score in each.run[worst].values()) for each in (first, reranked)
    ]
    moves = lost.select(".moves li")
    assert "now first" in words(moves[0])
    assert words(moves[-1]).startswith(f"{ranks[0]} → {ranks[1]} relevant {found.dataset.corpus[relevant].title}")


def test_what_was_run_is_told() -> None:
    found = evaluation()
    found.settings |= {"machine": "a big one", "metrics": ["nDCG@10"]}
    text = words(page(found).select_one("main"))
    for part in ("org/a-reranker", "0123456789abcdef", "bfloat16, cpu", "the default", "machine a big one"):
        assert part in text
    assert "first_stage bm25" in text
    assert [words(each) for each in page(found).select(".note li")] == [*found.dataset.warnings, *found.warnings]


def test_texts_cannot_become_markup() -> None:
    evil = '</style></svg><script>window.hacked=1</script><img src=x onerror="window.hacked=1">\'"\x00 $x$ \ud800'
    found = evaluation(12, names=(evil, "two"))
    found.dataset.name = found.dataset.split = evil
    found.dataset.queries = dict.fromkeys(found.dataset.queries, evil)
    found.dataset.corpus = {each: CorpusDocument(evil, evil) for each in found.dataset.corpus}
    found.warnings = [evil]
    found.settings = {evil: evil}
    for each in found.stages:
        if each.model is not None:
            each.instruction = evil
    soup = page(found)
    assert soup.find("script") is None
    assert soup.find("img") is None
    assert soup.find(onerror=True) is None
    assert len(soup.find_all("style")) == 1


@pytest.mark.parametrize(
    "kind",
    ["one query", "no query", "nothing reranked", "no stage", "nothing relevant", "nan", "no corpus", "no metric"],
)
def test_degenerate_evaluations_have_a_report(kind: str) -> None:
    found = evaluation({"one query": 1, "no query": 0}.get(kind, 10))
    expected = ""
    if kind == "nothing reranked":
        found.stages, found.tests, found.by_depth = found.stages[:1], [], {}
        expected = "nothing was reranked"
    elif kind == "no stage":
        found.stages, found.tests = [], []
        expected = "Nothing was evaluated"
    elif kind == "nothing relevant":
        found.dataset.qrels = {each: {} for each in found.dataset.queries}
    elif kind == "nan":
        _spoil(found)
        expected = "no query has a value of nDCG@10"
    elif kind == "no corpus":
        found.dataset.corpus = {}
        found.dataset.queries = {}
        expected = "its text is not at hand"
    elif kind == "no metric":
        found.metrics, found.tests = [], []
    text = words(page(found).select_one("main"))
    assert expected in text
    assert "nan" not in text.lower().replace("finance", "")


def _spoil(found: Evaluation) -> None:
    for each in found.stages:
        each.per_query = {"nDCG@10": dict.fromkeys(found.dataset.queries, math.nan)}
        each.means = {"nDCG@10": math.nan}
        each.run = {query: dict.fromkeys(scores, math.nan) for query, scores in each.run.items()}
        each.cost.seconds = dict.fromkeys(each.cost.seconds, math.nan)
    found.tests = [PairedTest("nDCG@10", "bm25", "a-reranker", *[math.nan] * 4, 0, 0, 0)]
    found.by_depth = {"a-reranker": {1: math.nan, 10: math.nan}}
    found.num_candidates = math.nan


def test_only_queries_that_both_stages_have_are_compared() -> None:
    found = evaluation(10)
    found.stages[1] = stage("a-reranker", "reranked", {"q0": 1.0, "unknown": 1.0}, {"q0": {"d1": 1.0}})
    found.tests = []
    assert "1 query better, 0 worse, 0 equal" in words(page(found).select_one(".answer"))


def test_ten_thousand_queries_make_a_small_file() -> None:
    assert len(report_html(evaluation(10_000, ("one", "two", "three"), depth=5)).encode()) < 1_000_000


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be written: No such file"):
        write_report(evaluation(1), tmp_path / "absent" / "report.html")


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Chrome]:
    if browser.executables() is None:
        pytest.skip("no Chromium with its driver")
    with browser.chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_shows_it_without_asking_anybody(
    driver: browser.Chrome, tmp_path: Path, width: int, scheme: str
) -> None:
    file = tmp_path / "report.html"
    long_name = "organisation/a-model-with-a-very-long-name-that-nobody-broke-anywhere-" * 2
    found = evaluation(30, (long_name, "two", "three"))
    found.dataset.queries["q1"] = "<script>window.hacked=1</script>" + "unbroken" * 60
    found.metrics += [f"P@{depth}" for depth in range(1, 9)]
    write_report(found, file)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.get(file.as_uri())
    assert browser.requested_urls(driver) == [file.as_uri()]
    assert driver.get_log("browser") == []  # type: ignore[no-untyped-call]
    assert driver.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")  # type: ignore[no-untyped-call]
    assert driver.execute_script("return window.hacked") is None  # type: ignore[no-untyped-call]
    ink, paper = driver.execute_script(
        "return ['color', 'backgroundColor'].map(what => getComputedStyle(document.querySelector('body'))[what])"
    )  # type: ignore[no-untyped-call]
    assert (_brightness(ink) > _brightness(paper)) == (scheme == "dark")
    assert len(driver.get_screenshot_as_png()) > 20_000


def _brightness(color: str) -> float:
    return sum(float(part) for part in color[color.index("(") + 1 : -1].split(",")[:3])
