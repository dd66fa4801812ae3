import math

import numpy as np
import pytest

from finerank.scores import log_odds_of_cosine, probability


def test_probability_is_the_sigmoid_without_overflow() -> None:
    log_odds = np.array([-1e4, -20.0, -1.0, 0.0, 1.0, 20.0, 1e4, math.nan], dtype=np.float32)
    expected = [0.0, 1 / (1 + math.exp(20)), 1 / (1 + math.e), 0.5, math.e / (1 + math.e), 1.0, 1.0]
    result = probability(log_odds)
    assert result.dtype == np.float32
    assert result[:-1] == pytest.approx(expected, rel=1e-6)
    assert math.isnan(result[-1])


def test_cosine_scores_round_trip() -> None:
    cosine = np.linspace(-0.999, 0.999, 31, dtype=np.float32)
    assert probability(log_odds_of_cosine(cosine)) == pytest.approx((1 + cosine) / 2, abs=1e-6)


def test_identical_and_opposite_vectors_stay_finite() -> None:
    edges = log_odds_of_cosine(np.array([-1.0, 1.0, 1.0000001], dtype=np.float32))
    assert np.isfinite(edges).all()
    assert edges[0] == pytest.approx(-edges[1])
