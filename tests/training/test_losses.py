"""Each loss against a plain computation in numpy, in double precision."""

import numpy as np
import pytest
import torch

from finerank.errors import TrainingError
from finerank.training.losses import LOSSES, NEEDS_TEACHER, Loss, distill, group, likelihood, margin_mse

LOG_ODDS = np.array([2.5, -1.0, 0.3, 7.0])
BINARY = np.array([1.0, 0.0, 0.0, 0.0])
SEVERAL = np.array([1.0, 0.0, 1.0, 0.0])
GRADED = np.array([1.0, 0.25, 0.5, 0.0])
TEACHER = np.array([4.0, -3.0, 1.0, 0.5])


def _value(loss: Loss, labels: np.ndarray, teacher: np.ndarray | None = None) -> float:
    given = None if teacher is None else torch.tensor(teacher, dtype=torch.float32)
    return float(loss(torch.tensor(LOG_ODDS, dtype=torch.float32), torch.tensor(labels, dtype=torch.float32), given))


def _softmax(values: np.ndarray) -> np.ndarray:
    exponents = np.exp(values - values.max())
    return exponents / exponents.sum()


@pytest.mark.parametrize("labels", [BINARY, SEVERAL, GRADED])
def test_likelihood_is_cross_entropy_of_yes_and_no(labels: np.ndarray) -> None:
    """Of the softmax over the logits (no, yes), of which only the difference counts."""
    expected = 0.0
    for value, label in zip(LOG_ODDS, labels, strict=True):
        no, yes = _softmax(np.array([3.0, 3.0 + value]))
        expected -= (label * np.log(yes) + (1 - label) * np.log(no)) / len(labels)
    assert _value(likelihood, labels) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("labels", [BINARY, SEVERAL, GRADED])
def test_group_is_cross_entropy_of_the_softmax(labels: np.ndarray) -> None:
    expected = -(labels / labels.sum() * np.log(_softmax(LOG_ODDS))).sum()
    assert _value(group, labels) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("labels", [BINARY, SEVERAL, GRADED])
def test_margin_mse_compares_margins_of_unequal_labels(labels: np.ndarray) -> None:
    squares = [
        ((LOG_ODDS[i] - LOG_ODDS[j]) - (TEACHER[i] - TEACHER[j])) ** 2
        for i in range(4)
        for j in range(4)
        if labels[i] > labels[j]
    ]
    assert _value(margin_mse, labels, TEACHER) == pytest.approx(np.mean(squares), rel=1e-6)


def test_margin_mse_of_equal_labels_is_nothing_to_learn() -> None:
    log_odds = torch.tensor(LOG_ODDS, dtype=torch.float32, requires_grad=True)
    loss = margin_mse(log_odds, torch.ones(4), torch.zeros(4))
    loss.backward()
    assert (loss.item(), log_odds.grad.tolist()) == (0.0, [0.0] * 4)  # type: ignore[union-attr]


def test_distill_is_the_divergence_from_the_teacher() -> None:
    mine, teachers = _softmax(LOG_ODDS), _softmax(TEACHER)
    assert _value(distill, BINARY, TEACHER) == pytest.approx((teachers * np.log(teachers / mine)).sum(), rel=1e-6)
    assert _value(distill, BINARY, LOG_ODDS + 5) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", sorted(NEEDS_TEACHER))
def test_a_missing_teacher_is_named(name: str) -> None:
    with pytest.raises(TrainingError, match="no teacher's score"):
        _value(LOSSES[name], BINARY)


def test_a_group_without_an_answer_is_refused() -> None:
    with pytest.raises(TrainingError, match="no document of the group answers"):
        _value(group, np.zeros(4))


@pytest.mark.parametrize("name", LOSSES)
def test_large_log_odds_stay_numbers(name: str) -> None:
    log_odds = torch.tensor([90.0, -90.0], requires_grad=True)
    LOSSES[name](log_odds, torch.tensor([0.0, 1.0]), torch.tensor([-90.0, 90.0])).backward()
    assert torch.isfinite(log_odds.grad).all()  # type: ignore[arg-type]
