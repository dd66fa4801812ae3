"""Runs: interrupted ones end with the weights of uninterrupted ones, and what goes wrong is said and loses nothing."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from finerank.errors import TrainingError
from finerank.training.examples import Candidate, Example
from finerank.training.run_state import Progress, RunFolder
from finerank.training.trainee import TokenSequence
from finerank.training.trainer import Observer, make_optimizer

from .toy import RECIPE, ToyTrainee, toy_examples, toy_schedule, toy_trainer, weights


class Killed(BaseException):
    """As from a signal."""


class KillAfter(Observer):
    def __init__(self, step: int) -> None:
        self.step = step

    def stepped(self, progress: Progress, num_steps: int) -> None:
        if progress.step == self.step:
            raise Killed


class Notes(Observer):
    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.begun: list[int] = []

    def began(self, progress: Progress, num_steps: int) -> None:
        self.begun.append(progress.step)

    def warned(self, message: str) -> None:
        self.warnings.append(message)


class Spoiled(ToyTrainee):
    """Says something else than a number, or runs out of memory, on pairs that `spoiled` says."""

    def __init__(self, value: float | None = None, *, text: str = "", most_tokens: int = 10**9) -> None:
        super().__init__()
        self.value = value
        self.text = [ord(letter) for letter in text]
        self.most_tokens = most_tokens

    def log_odds(self, sequences: Sequence[TokenSequence]) -> Tensor:
        log_odds = super().log_odds(sequences)
        if self.calls[-1] > self.most_tokens:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory")
        if self.value is None:
            return log_odds
        is_bad = torch.tensor([list(each.ids[-len(self.text) :]) == self.text for each in sequences])
        return torch.where(is_bad, self.value, log_odds)


def _whole(folder: Path, **changes: Any) -> Tensor:
    trainee = changes.pop("trainee", None) or ToyTrainee()
    toy_trainer(folder, trainee=trainee, **changes).run(RECIPE)
    return weights(trainee)


def _apart(first: Tensor, second: Tensor) -> float:
    return float((first - second).abs().max())


@pytest.mark.parametrize("step", [1, 3, 4, 8, 10])
def test_a_killed_run_goes_on_to_the_same_weights(tmp_path: Path, step: int) -> None:
    """Over the end of an epoch, of the warm-up, before the first checkpoint and after the last; with dropout."""
    expected = _whole(tmp_path / "whole")
    with pytest.raises(Killed):
        toy_trainer(tmp_path / "killed", observer=KillAfter(step)).run(RECIPE)
    trainee, notes = ToyTrainee(seed=99), Notes()
    if step <= 3:
        trainee = ToyTrainee()  # nothing was saved, so it must begin as before
    progress = toy_trainer(tmp_path / "killed", trainee=trainee, observer=notes).run(RECIPE)
    assert _apart(weights(trainee), expected) <= 1e-6
    assert notes.begun == [(step - 1) // 3 * 3]
    assert [each["step"] for each in progress.history] == list(range(1, 11))
    assert _apart(expected, weights(ToyTrainee())) > 0.1  # something was learned


def test_going_on_with_scores_keeps_the_best(tmp_path: Path) -> None:
    def run(folder: Path, **changes: Any) -> tuple[Tensor, Progress]:
        trainee = ToyTrainee()
        scores = {0: 0.1, 4: 0.5, 8: 0.3, 10: 0.2}

        def score() -> float:
            return scores[int(trainer._optimizer.state_dict()["state"].get(0, {"step": 0})["step"])]

        trainer = toy_trainer(folder, trainee=trainee, score=score, **changes)
        progress = trainer.run(RECIPE)
        return weights(trainee), progress

    expected, progress = run(tmp_path / "whole")
    assert progress.best == (4, 0.5)
    with pytest.raises(Killed):
        run(tmp_path / "killed", observer=KillAfter(9))
    found, resumed = run(tmp_path / "killed")
    assert resumed.scores == progress.scores == [(0, 0.1), (4, 0.5), (8, 0.3), (10, 0.2)]
    assert _apart(found, expected) <= 1e-6
    four_steps = ToyTrainee()
    with pytest.raises(Killed):
        toy_trainer(tmp_path / "four", trainee=four_steps, observer=KillAfter(4)).run(RECIPE)
    assert _apart(found, weights(four_steps)) <= 1e-6  # the best weights, not the last


def test_early_stopping(tmp_path: Path) -> None:
    scores = iter([0.5, 0.6, 0.6, 0.4, 0.9])
    trainer = toy_trainer(tmp_path, score=lambda: next(scores), evaluate_every=1, patience=2)
    assert trainer.run(RECIPE).scores == [(0, 0.5), (1, 0.6), (2, 0.6), (3, 0.4)]
    again = toy_trainer(tmp_path, score=lambda: next(scores), evaluate_every=1, patience=2).run(RECIPE)
    assert again.step == 3  # it is over, also when it is asked again


def test_a_kill_while_saving_leaves_the_last_checkpoint(tmp_path: Path) -> None:
    """A process of its own is killed by SIGKILL at every stage of its third save; the next goes on."""
    expected = _whole(tmp_path / "whole")
    stages = ["weights", "optimizer", "progress", "rename", "remove"]
    killed = subprocess.run(
        [sys.executable, "-m", "tests.training.killed_run", str(tmp_path), *stages],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert killed.stdout.split("\n")[:-1] == [f"{stage} {int(signal.SIGKILL)}" for stage in stages], killed.stderr
    for stage in stages:
        folder = tmp_path / stage
        trainee, notes = ToyTrainee(seed=99), Notes()
        toy_trainer(folder, trainee=trainee, observer=notes, save_every=1).run(RECIPE)
        assert notes.begun == [3 if stage == "remove" else 2]
        assert _apart(weights(trainee), expected) <= 1e-6
        assert sorted(each.name for each in (folder / "checkpoint").iterdir()) == ["step-10"]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"learning_rate": 0.1}, "schedule"),
        ({"seed": 4}, "groups"),
        ({"examples": toy_examples(11)}, "groups"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    _whole(tmp_path)
    with pytest.raises(TrainingError, match=rf"step-10 is of a run with other options or data \({named} differ\)"):
        _whole(tmp_path, **changes)


def test_another_base_is_refused(tmp_path: Path) -> None:
    _whole(tmp_path)
    with pytest.raises(TrainingError, match=r"\(base differ\)"):
        toy_trainer(tmp_path).run(RECIPE | {"base": "another"})


def test_how_often_is_saved_may_change(tmp_path: Path) -> None:
    expected = _whole(tmp_path / "whole")
    with pytest.raises(Killed):
        toy_trainer(tmp_path / "killed", observer=KillAfter(5)).run(RECIPE)
    assert _apart(_whole(tmp_path / "killed", save_every=1), expected) <= 1e-6


@pytest.mark.parametrize("file", ["weights.safetensors", "optimizer.safetensors", "progress.json"])
@pytest.mark.parametrize("content", [b"", b"{}", b"\x00" * 100, None], ids=["empty", "braces", "zeros", "gone"])
def test_a_broken_checkpoint_is_named(tmp_path: Path, file: str, content: bytes | None) -> None:
    _whole(tmp_path)
    broken = tmp_path / "checkpoint" / "step-10" / file
    if content is None:
        broken.unlink()
    else:
        broken.write_bytes(content)
    with pytest.raises(TrainingError, match=r"step-10 cannot be read .*delete it"):
        _whole(tmp_path)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    _whole(tmp_path)
    trainee = ToyTrainee()
    trainee.network.out = nn.Linear(8, 1, bias=False)
    with pytest.raises(TrainingError, match=r"another network: out\.bias"):
        toy_trainer(tmp_path, trainee=trainee).run(RECIPE)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path, value: float) -> None:
    """The first epoch of 12 groups ends in step 3; a spoiled text is met in it, and the place is named alone."""
    expected = _whole(tmp_path / "whole")
    trainee = Spoiled(value, text="right 7")
    with pytest.raises(TrainingError, match=r"step \d: the loss is (nan|-?inf).* It comes from toy:7\. ") as raised:
        toy_trainer(tmp_path / "run", trainee=trainee, save_every=1).run(RECIPE)
    step = int(str(raised.value).split()[1].rstrip(":"))
    good = ToyTrainee()
    if step > 1:
        with pytest.raises(Killed):
            toy_trainer(tmp_path / "good", trainee=good, observer=KillAfter(step - 1)).run(RECIPE)
    assert _apart(weights(trainee), weights(good)) <= 1e-6  # nothing of the step was kept
    assert RunFolder(tmp_path / "run").is_begun == (step > 1)
    trainee.value = None
    toy_trainer(tmp_path / "run", trainee=trainee, save_every=1).run(RECIPE)
    assert _apart(weights(trainee), expected) <= 1e-6


def test_a_gradient_that_is_no_number_stops_the_run(tmp_path: Path) -> None:
    trainee = ToyTrainee()
    trainee.network.out.weight.register_hook(lambda gradient: gradient * float("nan"))
    with pytest.raises(TrainingError, match=r"step 1: the loss is \d.* norm nan.* from toy:\d+, toy:\d+, "):
        toy_trainer(tmp_path, trainee=trainee).run(RECIPE)
    assert torch.isfinite(weights(trainee)).all()


def test_out_of_memory_goes_on_in_smaller_pieces(tmp_path: Path) -> None:
    trainee, notes = Spoiled(most_tokens=60), Notes()
    trainee.network.dropout.p = 0.0
    toy_trainer(tmp_path / "small", trainee=trainee, batch_tokens=1000, observer=notes).run(RECIPE)
    assert [warning.split("from here on ")[1].split(" tokens")[0] for warning in notes.warnings] == [
        "500",
        "250",
        "125",
        "62",
    ]
    assert max(trainee.calls[-50:]) <= 60
    whole = ToyTrainee()
    whole.network.dropout.p = 0.0
    toy_trainer(tmp_path / "whole", trainee=whole).run(RECIPE)
    assert _apart(weights(trainee), weights(whole)) <= 1e-6


def test_one_pair_that_does_not_fit_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"step 1: \d+ tokens, one query with one document, do not fit in memory"):
        toy_trainer(tmp_path, trainee=Spoiled(most_tokens=5)).run(RECIPE)


def test_other_errors_are_not_taken_for_memory(tmp_path: Path) -> None:
    trainee = ToyTrainee()
    trainee.network.mix = nn.Linear(9, 8)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        toy_trainer(tmp_path, trainee=trainee).run(RECIPE)


def test_learning_rate_rises_and_falls() -> None:
    schedule = toy_schedule(num_steps=10, warmup=4, learning_rate=1.0)
    assert [schedule.rate(step) for step in range(10)] == pytest.approx(
        [0.25, 0.5, 0.75, 1, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]
    )
    flat = replace(schedule, warmup=0)
    assert [flat.rate(step) for step in (0, 5, 9)] == pytest.approx([1.0, 0.5, 0.1])
    assert replace(schedule, num_steps=1, warmup=0).rate(0) == 1.0
    assert replace(schedule, num_steps=4, warmup=4).rate(3) == 1.0


def test_rate_and_clipping_reach_the_weights(tmp_path: Path) -> None:
    """Against AdamW of torch's plain loop, with gradients clipped by hand."""
    trainee, reference = ToyTrainee(), ToyTrainee()
    for each in (trainee, reference):
        each.network.dropout.p = 0.0
    options = {"num_steps": 4, "warmup": 2, "max_grad_norm": 0.05, "weight_decay": 0.1}
    trainer = toy_trainer(tmp_path, trainee=trainee, **options)
    progress = trainer.run(RECIPE)
    matrices = [each for each in reference.network.parameters() if each.ndim > 1]
    vectors = [each for each in reference.network.parameters() if each.ndim < 2]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}],
        foreach=False,
        fused=False,
    )
    groups = trainer._sampler.groups_from(0)
    for rate in (0.025, 0.05, 0.05, 0.025):
        losses = []
        for group in (next(groups) for _ in range(5)):
            texts = [each.text for each in group.candidates]
            labels = torch.tensor([each.label for each in group.candidates])
            log_odds = reference.log_odds(reference.encode(group.query, texts, None))
            losses.append(nn.functional.binary_cross_entropy_with_logits(log_odds, labels))
        optimizer.zero_grad()
        torch.stack(losses).mean().backward()
        gradients = [each.grad for each in reference.network.parameters() if each.grad is not None]
        norm = torch.sqrt(sum((each**2).sum() for each in gradients))  # type: ignore[arg-type, misc]
        for each in gradients:
            each *= min(1.0, 0.05 / float(norm))
        for options_of in optimizer.param_groups:
            options_of["lr"] = rate
        optimizer.step()
    assert [each["learning_rate"] for each in progress.history] == pytest.approx([0.025, 0.05, 0.05, 0.025])
    assert _apart(weights(trainee), weights(reference)) <= 1e-5


def test_only_matrices_decay() -> None:
    """Without gradients of the loss only decay is left."""
    network = nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3))
    before = {name: each.detach().clone() for name, each in network.named_parameters()}
    optimizer = make_optimizer(list(network.parameters()), toy_schedule(weight_decay=0.5, learning_rate=0.1))
    for each in network.parameters():
        each.grad = torch.zeros_like(each)
    optimizer.step()
    for name, each in network.named_parameters():
        expected = before[name] * (0.95 if name == "0.weight" else 1.0)
        assert torch.allclose(each, expected), name


def test_a_query_that_is_too_long_is_named(tmp_path: Path) -> None:
    class Short(ToyTrainee):
        def encode(self, query: str, documents: Sequence[str], instruction: str | None) -> list[TokenSequence]:
            from finerank.errors import TooLongError

            raise TooLongError("the query takes 90 tokens")

    examples = [Example("q", (Candidate("a", 1), Candidate("b", 0)), place="train.jsonl:3")]
    with pytest.raises(TrainingError, match=r"train\.jsonl:3: the query takes 90 tokens"):
        toy_trainer(tmp_path, trainee=Short(), examples=examples).run(RECIPE)


def test_a_run_is_the_same_twice(tmp_path: Path) -> None:
    torch.manual_seed(5)
    first = _whole(tmp_path / "first")
    torch.manual_seed(6)
    assert torch.equal(first, _whole(tmp_path / "second"))
    assert not torch.equal(first, _whole(tmp_path / "third", seed=4))
