"""A small model that learns, examples to learn from and a run of them, for tests of the machinery around models."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from finerank.training.backward import Backward
from finerank.training.examples import Candidate, Example
from finerank.training.groups import GroupSampler
from finerank.training.losses import LOSSES
from finerank.training.run_state import RunFolder
from finerank.training.trainee import TokenSequence, Trainee
from finerank.training.trainer import Schedule, Trainer

RECIPE = {"base": "toy", "targets": ("a", "b")}


class _Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(128, 8)
        self.mix = nn.Linear(8, 8)
        self.dropout = nn.Dropout(0.2)
        self.out = nn.Linear(8, 1)

    def forward(self, ids: Tensor) -> Tensor:
        mixed: Tensor = self.out(self.dropout(torch.tanh(self.mix(self.embedding(ids).mean(0)))))
        return mixed[0]


class ToyTrainee(Trainee):
    """A character is a token; log-odds from the mean of their vectors.   calls: tokens of each pass so far."""

    def __init__(self, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.network = _Net()
        self.calls: list[int] = []

    def encode(self, query: str, documents: Sequence[str], instruction: str | None) -> list[TokenSequence]:
        return [TokenSequence(tuple(ord(letter) % 128 for letter in f"{query} {text}")) for text in documents]

    def log_odds(self, sequences: Sequence[TokenSequence]) -> Tensor:
        self.calls.append(sum(len(each.ids) for each in sequences))
        return torch.stack([self.network(torch.tensor(each.ids)) for each in sequences])


def toy_examples(count: int = 12) -> list[Example]:
    return [
        Example(
            f"q{number}",
            (Candidate(f"right {number}", 1.0), *(Candidate(f"wrong {number} {other}", 0.0) for other in range(3))),
            place=f"toy:{number}",
        )
        for number in range(count)
    ]


def toy_schedule(**changes: Any) -> Schedule:
    usual = {
        "num_steps": 10, "learning_rate": 0.05, "warmup": 2, "groups": 5, "evaluate_every": 4, "save_every": 3,
        "patience": None, "weight_decay": 0.01,
    }  # fmt: skip
    return Schedule(**(usual | changes))


def toy_trainer(folder: Path, *, trainee: Trainee | None = None, batch_tokens: int = 1000, **changes: Any) -> Trainer:
    """changes: of the schedule, and `score`, `observer`, `share`, `examples`, `seed` and `loss`.

    Not the loss of a group, which tells nothing of the last bias: AdamW would make steps of what rounding leaves there.
    """
    others = {key: changes.pop(key) for key in ("score", "observer", "share") if key in changes}
    examples = changes.pop("examples", toy_examples())
    sampler = GroupSampler(examples, negatives=2, random_negatives=1, seed=changes.pop("seed", 3))
    trainee = ToyTrainee() if trainee is None else trainee
    backward = Backward(trainee, LOSSES[changes.pop("loss", "likelihood")], batch_tokens)
    return Trainer(trainee, sampler, backward, toy_schedule(**changes), RunFolder(folder), **others)


def weights(trainee: Trainee) -> Tensor:
    """All in one row."""
    return torch.cat([each.detach().flatten() for each in trainee.network.parameters() if each.requires_grad]).clone()
