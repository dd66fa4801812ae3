"""Paired tests, against full enumeration and against published figures."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from finerank.evaluation.significance import holm, paired_test, with_holm


def values_of(numbers: list[float]) -> dict[str, float]:
    return {f"q{position}": number for position, number in enumerate(numbers)}


def test_few_queries_are_tested_exactly() -> None:
    a = [0.1, 0.5, 0.3, 0.9, 0.2, 0.4, 0.6]
    b = [0.4, 0.6, 0.2, 1.0, 0.6, 0.7, 0.6]
    differences = np.subtract(b, a)
    flipped = [abs(np.dot(signs, differences)) for signs in product((1, -1), repeat=len(a))]
    expected = np.mean(np.array(flipped) >= abs(differences.sum()) - 1e-12)
    found = paired_test("nDCG@10", "a", "b", values_of(a), values_of(b))
    assert found.p_value == pytest.approx(expected)
    assert found.difference == pytest.approx(differences.mean())
    assert (found.wins, found.losses, found.ties) == (5, 1, 1)


def test_many_queries_agree_with_the_t_test() -> None:
    generator = np.random.default_rng(0)
    a = generator.random(300)
    b = a + generator.normal(0.02, 0.15, 300)
    found = paired_test("nDCG@10", "a", "b", values_of(list(a)), values_of(list(b)))
    t_test = stats.ttest_rel(b, a)
    assert found.p_value == pytest.approx(t_test.pvalue, abs=0.01)
    interval = t_test.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), abs=0.003)
    assert found == paired_test("nDCG@10", "a", "b", values_of(list(a)), values_of(list(b)))


@pytest.mark.parametrize("numbers", [[0.5], [0.5, 0.7, 0.1]])
def test_equal_rankings_do_not_differ(numbers: list[float]) -> None:
    found = paired_test("nDCG@10", "a", "b", values_of(numbers), values_of([each + 1e-15 for each in numbers]))
    assert (found.difference, found.low, found.high, found.p_value) == (0.0, 0.0, 0.0, 1.0)
    assert found.ties == len(numbers)


def test_one_query_proves_nothing() -> None:
    found = paired_test("nDCG@10", "a", "b", {"q": 0.0}, {"q": 1.0})
    assert (found.difference, found.p_value, found.wins) == (1.0, 1.0, 1)


def test_holm_on_a_worked_example() -> None:
    """0.01 * 4, 0.015 * 3 (raised to no less), 0.03 * 2, 0.04 * 1 (raised)."""
    assert holm([0.03, 0.01, 0.04, 0.015]) == pytest.approx([0.06, 0.04, 0.06, 0.045])
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_holm_takes_each_metric_as_a_family() -> None:
    tests = [
        paired_test(metric, "a", b, values_of([0.0] * 6), values_of([0.1] * 5 + [offset]))
        for metric in ("x", "y")
        for b, offset in (("b", 0.1), ("c", -0.05))
    ]
    corrected = with_holm(tests)
    assert [each.p_holm for each in corrected[:2]] == pytest.approx(holm([each.p_value for each in tests[:2]]))
    assert with_holm(tests[:1])[0].p_holm is None
