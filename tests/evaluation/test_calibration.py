"""Calibration against scikit-learn, scipy and simulations whose truth is known; and a Reranker that uses it."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from finerank.errors import InputError, SettingsError
from finerank.evaluation.calibration import Calibration, Line, Points, Threshold, load_calibration
from finerank.evaluation.calibration_curve import (
    Bools,
    Floats,
    Ints,
    brier_score,
    expected_calibration_error,
    fit_line,
    fit_points,
    folds,
    out_of_fold,
    probabilities,
    reliability,
)
from finerank.evaluation.calibration_judging import Judged
from finerank.evaluation.calibration_pairs import LabelledPairs, read_pairs
from finerank.evaluation.calibration_report import calibration_html
from finerank.evaluation.calibration_study import Study, calibrate, study
from finerank.evaluation.calibration_threshold import fewest_pairs, fewest_relevant, find_threshold
from finerank.evaluation.labelled import PairFields
from finerank.reranker import Reranker
from tests.cli.fake_model import FakeModel

BOUND = Calibration("fake", "0123456789abcdef", "the default", None, Line(1.0, 0.0))


def drawn(
    seed: int, num_queries: int, per_query: int = 1, hardness: float = 0.0, separation: float = 2.2
) -> tuple[Floats, Bools, Ints]:
    """Pairs whose relevant ones score higher; `hardness` is how much a query moves all its scores."""
    chance = np.random.default_rng(seed)
    queries = np.repeat(np.arange(num_queries), per_query)
    labels = chance.random(queries.size) < 0.5
    moved = np.repeat(chance.normal(0.0, hardness, num_queries), per_query) if hardness else 0.0
    return chance.normal(np.where(labels, separation, 0.0)) + moved, labels, queries


# Curves


def test_the_line_is_the_likeliest_one_for_platts_targets() -> None:
    x, y, _ = drawn(0, 3000)
    low, high = 1 / ((~y).sum() + 2), (y.sum() + 1) / (y.sum() + 2)
    weights = np.concatenate([np.where(y, high, low), 1 - np.where(y, high, low)])
    reference = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    reference.fit(np.concatenate([x, x])[:, None], np.repeat([1, 0], y.size), sample_weight=weights)
    line = fit_line(x, y)
    assert line.slope == pytest.approx(reference.coef_[0, 0], rel=1e-3)
    assert line.intercept == pytest.approx(reference.intercept_[0], rel=1e-3)


def test_the_line_stays_finite_where_pairs_separate() -> None:
    line = fit_line(np.array([-1e4, -9e3, 9e3, 1e4]), np.array([False, False, True, True]))
    assert 0.0 < line.slope < 1.0
    assert 0.0 < line.probability(-1e4) < 0.5 < line.probability(1e4) < 1.0


def test_points_are_isotonic_regression_at_the_centres_of_its_blocks() -> None:
    x, y, _ = drawn(1, 4000)
    points = fit_points(x, y)
    reference = IsotonicRegression().fit(x, y)
    inner = [(a, b) for a, b in zip(points.log_odds, points.probabilities, strict=True) if 0.001 < b < 0.999]
    assert len(inner) > 10
    for position, level in inner:
        assert reference.predict([position])[0] == pytest.approx(level)
    assert all(np.diff(points.log_odds) > 0)
    assert all(np.diff(points.probabilities) > 0)
    grid = np.linspace(x.min() - 1, x.max() + 1, 500)
    assert [points.probability(value) for value in grid] == pytest.approx(probabilities(points, grid).tolist())
    assert math.isnan(points.probability(math.nan))
    assert 0.0 < points.probability(-1e9) < points.probability(1e9) < 1.0


def test_equal_scores_are_one_point() -> None:
    points = fit_points(np.array([0.0, 0.0, 0.0, 1.0, 1.0]), np.array([True, False, False, True, False]))
    assert points == Points((0.0, 1.0), (pytest.approx(1 / 3), 0.5))


def test_quality_is_what_the_names_mean() -> None:
    chance = np.random.default_rng(2)
    stated = chance.random(20_000)
    labels = chance.random(20_000) < stated
    assert brier_score(stated, labels) == pytest.approx(brier_score_loss(labels, stated))
    assert expected_calibration_error(stated, labels) < 0.01
    assert expected_calibration_error(np.full(20_000, 0.9), labels) == pytest.approx(0.9 - labels.mean(), abs=0.02)
    for each in reliability(stated, labels):
        interval = binomtest(round(each.found * each.num_pairs), each.num_pairs).proportion_ci(method="wilson")
        assert (each.low, each.high) == (pytest.approx(interval.low), pytest.approx(interval.high))


def test_no_pair_is_judged_by_a_curve_that_saw_its_query() -> None:
    _, labels, queries = drawn(3, 50, per_query=7)
    fold_of = folds(queries)
    assert all(len(set(fold_of[queries == query])) == 1 for query in range(50))
    # A model that has learned queries by heart, and knows nothing else.
    learned: list[set[int]] = []

    def fit(log_odds: Floats, labels: Bools) -> Line:
        learned.append({int(value) for value in log_odds})
        return Line(0.0, 0.0)

    out_of_fold(queries.astype(np.float64), labels, queries, fit)
    assert [sorted(seen) for seen in learned] == [
        sorted(set(queries[fold_of != fold].tolist())) for fold in range(len(learned))
    ]


# Threshold


@pytest.mark.parametrize(
    ("num_queries", "per_query", "hardness", "least_recall"),
    [(300, 1, 0.0, 0.4), (60, 10, 0.0, 0.6), (300, 10, 0.8, 0.35), (2000, 3, 0.0, 0.75)],
)
def test_the_promised_precision_holds_on_new_queries(
    num_queries: int, per_query: int, hardness: float, least_recall: float
) -> None:
    new_x, new_y, _ = drawn(999, 30_000, per_query, hardness)
    found, recalls, num_broken = 0, [], 0
    for seed in range(40):
        threshold = find_threshold(*drawn(seed, num_queries, per_query, hardness), 0.9, 0.95)
        if threshold is not None:
            kept = new_x >= threshold.log_odds
            found += 1
            num_broken += bool(new_y[kept].mean() < 0.9)
            recalls.append((kept & new_y).sum() / new_y.sum())
    assert found >= 25
    assert num_broken <= 5  # of 40; 2 are expected at most, more than 5 in one of 70 such tests
    assert np.mean(recalls) > least_recall


def test_the_smallest_threshold_on_the_data_would_break_its_promise() -> None:
    """Why it is not simply that: chosen so, about half of them fall short."""
    new_x, new_y, _ = drawn(999, 30_000)
    num_broken = 0
    for seed in range(40):
        x, y, _ = drawn(seed, 300)
        order = np.argsort(-x)
        good = np.flatnonzero(np.cumsum(y[order]) / np.arange(1, 301) >= 0.9)
        num_broken += bool(new_y[new_x >= x[order][good[-1]]].mean() < 0.9)
    assert num_broken >= 12


def test_a_threshold_is_not_within_equal_scores() -> None:
    x = np.repeat([3.0, 1.0], [100, 100])
    labels = np.repeat([True, False], [100, 100])
    found = find_threshold(x, labels, np.arange(200), 0.9, 0.95)
    assert found is not None
    assert (found.log_odds, found.num_kept, found.num_relevant) == (3.0, 100, 100)


def test_the_fewest_pairs_are_those_of_the_exact_test() -> None:
    for precision in (0.5, 0.9, 0.99):
        fewest = fewest_pairs(precision, 0.95)
        for count, is_enough in ((fewest, True), (fewest - 1, False)):
            low = binomtest(count, count).proportion_ci(0.9, method="exact").low
            assert (low >= precision) == is_enough
    labels = np.append(np.ones(28, dtype=np.bool_), False)
    assert find_threshold(np.arange(29.0)[::-1], labels, np.arange(29), 0.9, 0.95) is None


# Study


def learn(arrays: tuple[Floats, Bools, Ints], **options: Any) -> Study:
    return study(Judged(*arrays), BOUND, [], **options)


def test_a_study_says_how_good_it_is_on_unseen_queries() -> None:
    x, y, queries = drawn(4, 400)
    found = learn((4.0 * x + 3.0, y, queries), precision=0.9)  # a model that is far too sure
    assert found.after.error < 0.06 < found.before.error
    assert found.after.brier < found.before.brier
    threshold = found.calibration.threshold
    assert threshold is not None
    kept = 4.0 * x + 3.0 >= threshold.log_odds
    assert (threshold.num_kept, threshold.num_relevant) == (kept.sum(), y[kept].sum())
    assert threshold.recall == pytest.approx(y[kept].sum() / y.sum())
    assert threshold.score == pytest.approx(found.calibration.probability(threshold.log_odds))
    assert found.held_out is not None
    assert found.held_out.num_relevant / found.held_out.num_kept > 0.88
    assert found.calibration.facts["num_pairs"] == 400


def test_the_free_curve_is_taken_where_it_is_better_and_there_is_enough() -> None:
    x, y, queries = drawn(5, 6000)
    bent = np.sign(x - 1) * np.abs(x - 1) ** 7  # in order, but far from a line
    assert isinstance(learn((bent, y, queries)).calibration.curve, Points)
    assert isinstance(learn((bent[:1000], y[:1000], queries[:1000])).calibration.curve, Line)
    assert isinstance(learn((bent, y, queries), method="platt").calibration.curve, Line)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda x, y, q: (x, np.ones_like(y), q), {}, r"0 other pairs \(label 0\): at least 10"),
        (lambda x, y, q: (x, y & (x > 4), q), {}, r"\d relevant pairs \(label 1\): at least 10"),
        (lambda x, y, q: (np.full_like(x, 0.7), y, q), {}, r"the same score \(0.6682\)"),
        (lambda x, y, q: (-x, y, q), {}, "do not score higher than others"),
        (lambda x, y, q: (x, y, q % 3), {}, "the pairs are of 3 queries"),
        (lambda x, y, q: (x, y, q), {"precision": 0.999}, r"from \d+ relevant pairs of 300: it takes at least 2,995"),
        (lambda x, y, q: (x * 0.1 + (q % 7), y, q), {"precision": 0.95}, "the best that can is 0.[3-7]"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(change: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        learn(change(*drawn(6, 300)), **options)


def test_the_best_that_is_named_can_be_had() -> None:
    arrays = drawn(7, 300, separation=1.0)
    with pytest.raises(InputError, match="the best that can is") as caught:
        learn(arrays, precision=0.97)
    best = float(str(caught.value).split("the best that can is ")[1][:4])
    assert learn(arrays, precision=best).calibration.threshold is not None
    with pytest.raises(InputError):
        learn(arrays, precision=best + 0.01)


@pytest.mark.parametrize("num_others", [0, 40, 400, 3000])
def test_what_no_order_could_promise_is_refused_before_a_pair_is_scored(num_others: int) -> None:
    """As many relevant pairs as it takes are enough in a perfect order, one less is not."""
    for num_relevant in range(20, 90):
        labels = np.repeat([True, False], [num_relevant, num_others])
        perfect = find_threshold(-np.arange(labels.size, dtype=np.float64), labels, np.arange(labels.size), 0.9, 0.95)
        assert (perfect is not None) == (num_relevant >= fewest_relevant(labels.size, 0.9, 0.95))


# Pairs


def test_pairs_are_read_from_three_kinds_of_file(tmp_path: Path) -> None:
    rows = [("a query", 'an answer, "quoted"\nand long', 1), ("a query", "警 other", 0), ("b", "", 0)]
    objects = [{"q": query, "d": document, "y": label, "more": 1} for query, document, label in rows]
    (tmp_path / "x.jsonl").write_text("\n\n".join(map(json.dumps, objects)), encoding="utf-8")
    (tmp_path / "x.json").write_text(json.dumps(objects), encoding="utf-8")
    (tmp_path / "x.csv").write_text(
        '\ufeffq,y,d\na query,1,"an answer, ""quoted""\nand long"\na query,0,警 other\nb,false,\n', encoding="utf-8"
    )
    for suffix in ("jsonl", "json", "csv"):
        pairs = read_pairs(tmp_path / f"x.{suffix}", PairFields("q", "d", "y"))
        assert list(zip(pairs.queries, pairs.documents, pairs.labels, strict=True)) == rows


def test_bytes_that_are_no_text_are_replaced_and_said(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"query,document,label\n caf\xe9 ,b,1\n")
    pairs = read_pairs(tmp_path / "x.csv")
    assert pairs.queries == ["caf\N{REPLACEMENT CHARACTER}"]
    assert "not UTF-8 were replaced" in pairs.warnings[0]


def test_a_pair_counts_once_and_contradictions_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("query,document,label\na,b,1\na,b,1\na,b,1.0\na,c,1\na,c,0\nx,b,0\n", encoding="utf-8")
    assert read_pairs(file) == LabelledPairs(["a", "x"], ["b", "b"], [True, False], 2, 1)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.csv", b"", "x.csv has no rows; it needs query, document, label"),
        (
            "x.csv",
            b"query,document\na,b\n",
            "line 2 has no 'label'; .* has query, document; .* --label-field",
        ),
        ("x.csv", b"query,document,label\na,b,2\n", "line 2: the label is '2'; it must be 1 .relevant. or 0"),
        ("x.csv", b"query,document,label\na,b\n", "line 2 has no 'label'"),
        ("x.csv", b"query,document,label\n ,b,1\n", "line 2: 'query' is empty"),
        ("x.csv", "query".encode("utf-16"), "is UTF-16; save it as UTF-8"),
        ("x.jsonl", b'{"query": "a", "document": "b", "label": 1}\n{"query": "a"}', "line 2 has no 'document'"),
        ("x.jsonl", b'{"query": "a", "document": 7, "label": 1}', "line 1: 'document' is int"),
        ("x.jsonl", b'{"query": "a", "document": "b", "label": NaN}', "line 1 is not JSON"),
        ("x.jsonl", b"[1]", "line 1 is a JSON list; it must be an object"),
        ("x.json", b"{}", "holds dict, not a list"),
        ("x.json", b"[", "is not JSON"),
        ("x.txt", b"a", "say which with --format"),
        (".", b"", "cannot be read: Is a directory"),
    ],
)
def test_pairs_that_cannot_be_used_are_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    if name != ".":
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_pairs(tmp_path / name, form="json" if name == "." else None)


# File


@pytest.mark.parametrize("curve", [Line(1.5, -0.25), Points((-1.0, 0.5, 2.0), (0.01, 0.3, 0.9))])
def test_a_file_gives_back_what_was_saved(tmp_path: Path, curve: Line | Points) -> None:
    threshold = Threshold(0.9, 0.95, 1.25, 0.8, 100, 95, 0.5)
    saved = replace(BOUND, curve=curve, threshold=threshold, windows=(128, 0.25), facts={"num_pairs": 3})
    saved.save(tmp_path / "x.json")
    assert Calibration.load(tmp_path / "x.json") == saved
    assert load_calibration(str(tmp_path / "x.json")) == load_calibration(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"finerank_calibration": 2}, "format 2, this finerank reads 1"),
        ({"finerank_calibration": None}, "no calibration of finerank"),
        ({"curve": {"kind": "platt", "slope": -1, "intercept": 0}}, "damaged.*slope"),
        ({"curve": {"kind": "magic"}}, "damaged.*'magic'"),
        ({"curve": {"kind": "isotonic", "log_odds": [1, 0], "probabilities": [0, 1]}}, "do not rise"),
        ({"curve": {"kind": "isotonic", "log_odds": [], "probabilities": []}}, "do not rise"),
        ({"curve": {"kind": "isotonic", "log_odds": [0, 1], "probabilities": [0, 2]}}, "not within 0 and 1"),
        ({"threshold": {"precision": 0.9}}, "damaged"),
        ({"windows": 3}, "damaged"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    file = tmp_path / "x.json"
    file.write_text(json.dumps(BOUND.as_record() | change), encoding="utf-8")
    with pytest.raises(SettingsError, match=message):
        Calibration.load(file)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b"{"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(SettingsError, match="no calibration of finerank"):
        Calibration.load(tmp_path / "x.json")
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        Calibration.load(tmp_path / "y.json")


# Reranker

DOCUMENTS = ["bread is food", "alarm E07 is a sensor fault", "an alarm", "broken", "alarm E07 alarm"]
"""Log-odds for "alarm E07": -1, 1, 0, none, 1."""


def reranked(**options: Any) -> Reranker:
    return Reranker.from_model(FakeModel(), **options)


def test_scores_become_calibrated_and_the_order_and_log_odds_stay(tmp_path: Path) -> None:
    replace(BOUND, curve=Line(2.0, -1.0)).save(tmp_path / "x.json")
    with reranked() as plain, reranked(calibration=tmp_path / "x.json") as calibrated:
        before, after = (each.rank("alarm E07", DOCUMENTS) for each in (plain, calibrated))
        assert [each.index for each in after] == [each.index for each in before] == [1, 4, 2, 0, 3]
        assert [each.log_odds for each in after[:4]] == [each.log_odds for each in before[:4]] == [1, 1, 0, -1]
        expected = [1 / (1 + math.exp(-(2 * each - 1))) for each in (1, 1, 0, -1)]
        assert [each.score for each in after[:4]] == pytest.approx(expected)
        assert math.isnan(after[4].score)
        pairs = [("alarm E07", document) for document in DOCUMENTS[:3]]
        assert calibrated.score(pairs) == pytest.approx([expected[3], expected[0], expected[2]])
        assert plain.score(pairs) == pytest.approx([0.2689414, 0.7310586, 0.5])
        assert calibrated.log_odds(pairs).tolist() == [-1, 1, 0]


async def test_min_score_is_a_calibrated_probability_or_the_threshold() -> None:
    # All above 0.5 have the same probability; log-odds still tell them apart.
    curve = Points((-1.0, -0.5), (0.1, 0.9))
    threshold = Threshold(0.9, 0.95, 0.5, 0.9, 100, 95, 0.5)
    with reranked(calibration=replace(BOUND, curve=curve, threshold=threshold)) as calibrated:
        kept = [each.index for each in calibrated.rank("alarm E07", DOCUMENTS, min_score=0.9)]
        assert kept == [1, 4, 2, 3]
        assert [each.index for each in calibrated.rank("alarm E07", DOCUMENTS, min_score="calibrated")] == [1, 4, 3]
        ranking = await calibrated.arank("alarm E07", DOCUMENTS, min_score="calibrated", top_n=1)
        assert [each.index for each in ranking] == [1, 3]


def test_another_model_instruction_or_way_of_reading_is_refused() -> None:
    with pytest.raises(
        SettingsError, match=r"made with fake, fingerprint 9+; this is fake, fingerprint 0123456789abcdef"
    ):
        reranked(calibration=replace(BOUND, fingerprint="9" * 16))
    with pytest.raises(SettingsError, match=r"long documents truncated, here .* windows of as much as fits"):
        reranked(calibration=BOUND, long_documents="chunk")
    with reranked(calibration=BOUND) as calibrated:
        assert len(calibrated.rank("q", ["d"], instruction="the default")) == 1
        with pytest.raises(InputError, match="instruction 'the default', not with 'another'"):
            calibrated.rank("q", ["d"], instruction="another")
        with pytest.raises(InputError, match="instruction 'the default', not with 'another'"):
            calibrated.assess([("q", "d")], instruction="another")
        with pytest.raises(InputError, match="'calibrated', but the model has a calibration without a threshold"):
            calibrated.rank("q", ["d"], min_score="calibrated")
    with reranked() as plain, pytest.raises(InputError, match="'calibrated', but the model has no calibration"):
        plain.rank("q", ["d"], min_score="calibrated")


def some_pairs(num: int = 60) -> LabelledPairs:
    """The fake model gives 1 to those that share two words, 0 to those that share one, and cannot do "broken"."""
    pairs = LabelledPairs()
    for number in range(num):
        query = f"alarm E{number}"
        for document, label in ((f"{query} is a fault", number % 10 != 0), ("an alarm", number % 10 == 1)):
            pairs.queries.append(query)
            pairs.documents.append(document)
            pairs.labels.append(label)
    pairs.queries.append("alarm E1")
    pairs.documents.append("broken")
    pairs.labels.append(True)
    return pairs


def test_a_reranker_is_calibrated_and_then_uses_it() -> None:
    progress: list[tuple[int, int]] = []
    with reranked() as plain:
        found = calibrate(plain, some_pairs(), precision=0.75, on_progress=lambda *each: progress.append(each))
    assert progress[-1] == (121, 121)
    assert found.judged.num_failed == 1
    (warning,) = found.warnings
    assert warning.startswith("1 pairs have no score and were left out; the first: ")
    assert "this one cannot be computed" in warning
    assert (found.calibration.fingerprint, found.calibration.instruction) == ("0123456789abcdef", "the default")
    assert found.calibration.probability(1.0) == pytest.approx(0.9, abs=0.03)
    assert found.calibration.probability(0.0) == pytest.approx(0.1, abs=0.03)
    threshold = found.calibration.threshold
    assert threshold is not None
    assert (threshold.log_odds, threshold.num_kept, threshold.num_relevant) == (1.0, 60, 54)
    with reranked(calibration=found.calibration) as calibrated:
        kept = calibrated.rank("alarm E07", DOCUMENTS, min_score="calibrated")
        assert [each.index for each in kept] == [1, 4, 3]


def test_the_report_has_the_figures_and_no_markup_of_others() -> None:
    evil = "<script>alert(1)</script>"
    found = learn(drawn(8, 400), precision=0.85)
    bound = replace(found.calibration, model=evil, instruction=evil)
    html = calibration_html(replace(found, calibration=bound, warnings=[evil]), evil)
    assert "<script" not in html
    threshold = bound.threshold
    assert threshold is not None
    for part in (f"{threshold.score:.4f}", f"{threshold.num_relevant:,} of {threshold.num_kept:,} pairs"):
        assert part in html
    for quality in (found.before, found.after):
        assert f"<td>{quality.brier:.4f}</td><td>{quality.error:.4f}</td>" in html
    assert html.count('role="img"') == 3
