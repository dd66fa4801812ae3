"""The gradients of a step do not depend on how much of it goes through the network at once."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from finerank.errors import TrainingError
from finerank.models.source import LoadOptions
from finerank.training.backward import Backward
from finerank.training.examples import Candidate
from finerank.training.groups import Group, GroupSampler
from finerank.training.loading import Lora, load_trainee
from finerank.training.losses import LOSSES
from finerank.training.trainee import TokenSequence, Trainee

from ..conftest import MakeQwen3
from .toy import ToyTrainee, toy_examples


def _groups() -> list[Group]:
    return list(GroupSampler(toy_examples(4), negatives=1, random_negatives=1).epoch(0))


def _encoded(trainee: Trainee, groups: Sequence[Group]) -> list[list[TokenSequence]]:
    return [
        trainee.encode(group.query, [each.text for each in group.candidates], group.instruction) for group in groups
    ]


def _step(trainee: Trainee, batch_tokens: int, loss: str = "group", seed: int = 0) -> tuple[list[float], Tensor]:
    groups = _groups()
    trainee.network.zero_grad()
    losses = Backward(trainee, LOSSES[loss], batch_tokens).step(
        groups, _encoded(trainee, groups), len(groups), seed=seed
    )
    return losses, torch.cat([p.grad.flatten() for p in trainee.network.parameters() if p.grad is not None])


@pytest.mark.parametrize("loss", ["group", "likelihood"])
@pytest.mark.parametrize("batch_tokens", [1, 450, 700, 1400])
def test_pieces_sum_to_the_whole(make_qwen3: MakeQwen3, loss: str, batch_tokens: int) -> None:
    """Of a group's three times 200 tokens: one sequence, two, a group, and two groups go through at once."""
    options = LoadOptions(device="cpu", dtype="float32")
    trainee = load_trainee(str(make_qwen3()), options, Lora(4, 8), seed=1).trainee
    for name, parameter in trainee.network.named_parameters():
        if "lora_B" in name:  # begins at 0, where A has no gradient
            torch.nn.init.normal_(parameter, std=0.05)
    trainee.network.double()  # else rounding shows
    losses, whole = _step(trainee, 10**9, loss)
    in_pieces, pieces = _step(trainee, batch_tokens, loss)
    assert in_pieces == pytest.approx(losses, abs=1e-5)
    assert float((pieces - whole).abs().max()) <= 1e-6 * max(1.0, float(whole.abs().max()))
    assert float(whole.abs().max()) > 1e-3


def test_the_whole_is_the_mean_over_groups() -> None:
    """Against the loss written out over all groups, through autograd in one piece."""
    trainee = ToyTrainee()
    trainee.network.eval()  # no dropout
    _, found = _step(trainee, 100)
    trainee.network.zero_grad()
    groups = _groups()
    losses = []
    for group, encoded in zip(groups, _encoded(trainee, groups), strict=True):
        losses.append(-torch.log_softmax(trainee.log_odds(encoded), 0)[0])  # the positive is first
        assert group.candidates[0].label == 1
    torch.stack(losses).mean().backward()
    expected = torch.cat([p.grad.flatten() for p in trainee.network.parameters() if p.grad is not None])
    assert float((found - expected).abs().max()) <= 1e-6


def test_no_more_tokens_at_once_than_asked_for() -> None:
    trainee = ToyTrainee()
    for batch_tokens in (20, 60, 200):
        trainee.calls.clear()
        _step(trainee, batch_tokens)
        assert max(trainee.calls) <= batch_tokens
    assert sum(trainee.calls) == sum(len(each.ids) for group in _encoded(trainee, _groups()) for each in group)


def test_dropout_is_the_same_in_both_passes() -> None:
    """A group in pieces of one sequence: a dropped unit has no gradient in any of its pieces."""
    trainee = ToyTrainee()
    _, first = _step(trainee, 1, seed=7)
    _, again = _step(trainee, 1, seed=7)
    _, other = _step(trainee, 1, seed=8)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_group_that_lacks_scores_is_named() -> None:
    trainee = ToyTrainee()
    group = Group("q", None, (Candidate("right", 1.0, 3.0), Candidate("wrong", 0.0)), "train.jsonl:7")
    with pytest.raises(TrainingError, match=r"train\.jsonl:7: .* no teacher's score"):
        Backward(trainee, LOSSES["distill"], 100).step([group], _encoded(trainee, [group]), 1)
