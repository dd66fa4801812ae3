"""The evidence report, on models that are here."""

from pathlib import Path

import pytest

from finerank import PRESETS, Reranker, golden
from finerank.evidence import Evidence, GoldenRow, as_markdown, gather, load_ranking_set
from finerank.speed import Speed
from tests.reference import Reference


def test_the_ranking_set_is_sound() -> None:
    cases = load_ranking_set()
    assert len(cases) >= 10
    for case in cases:
        assert case["instruction"] in PRESETS
        assert len(set(case["documents"])) == 5
        assert 0 <= case["best"] < 5
    assert len({case["best"] for case in cases}) == 5, "the right document must not always stand in one place"


def test_a_yes_no_model_is_measured_against_the_golden_values(tiny_qwen3: Path) -> None:
    with Reranker(str(tiny_qwen3), dtype="float32", self_test="off") as reranker:
        found = gather(reranker)
        report = as_markdown(reranker, found)
    reference = Reference(tiny_qwen3)
    for row, (document, expected) in zip(found.golden, golden.LOG_ODDS_OF.items(), strict=True):
        assert row.expected == expected
        assert row.found == pytest.approx(reference.log_odds(golden.QUERY, document), abs=1e-4)
    assert "NOT within 1e-04" in report
    assert reranker.info.fingerprint in report
    assert "of this machine's matrix-product rate" in report


def test_exact_values_are_called_exact(tiny_qwen3: Path) -> None:
    rows = tuple(GoldenRow(document, value, value + 5e-5) for document, value in golden.LOG_ODDS_OF.items())
    with Reranker(str(tiny_qwen3), dtype="float32", self_test="off") as reranker:
        found = gather(reranker)
        report = as_markdown(reranker, Evidence(rows, found.ranking, found.checks, Speed(1.0, 2.0, 3.0)))
    assert "within 1e-04: exact" in report


def test_the_embedded_model_has_no_golden_values() -> None:
    with Reranker(self_test="off") as reranker:
        found = gather(reranker)
        report = as_markdown(reranker, found)
    assert found.golden == ()
    assert found.top_1 >= 0.5  # a third of the set is not in English
    assert "Not for this kind of model" in report
