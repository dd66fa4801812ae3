"""What a run is, between two steps: enough to go on as if nothing had been."""

import json
import os
import re
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..errors import TrainingError

_FOLDER: Final = "checkpoint"
_WHOLE: Final = re.compile(r"step-(\d+)")


@dataclass(slots=True)
class Progress:
    """step: steps done.   history: {"step", "loss", "learning_rate", ...} of each.   scores: (step, dev nDCG@10).

    recipe: all that decides the weights; a run with another recipe does not go on from here.
    """

    recipe: dict[str, Any]
    step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    scores: list[tuple[int, float]] = field(default_factory=list)

    @property
    def best(self) -> tuple[int, float] | None:
        """(step, score) of the best evaluation, the first of equals."""
        return max(self.scores, key=lambda each: (each[1], -each[0])) if self.scores else None


class RunFolder:
    """The state of the run whose results go to `folder`; a kill at any moment leaves the last whole checkpoint.

    folder/checkpoint/step-120/          after 120 steps: what was learned, the optimizer's state, the progress
    folder/checkpoint/best.safetensors   what was learned when the score was best
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / _FOLDER

    @property
    def is_begun(self) -> bool:
        return bool(self._checkpoints())

    def save(self, progress: Progress, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """A checkpoint gets its name when it is whole, and only then those before it go."""
        named = self.folder / f"step-{progress.step}"
        before = self._checkpoints()
        if named in before:
            return
        new = self.folder / "new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        save_file(trained_tensors(network), new / "weights.safetensors")
        save_file(_state_of(optimizer), new / "optimizer.safetensors")
        (new / "progress.json").write_text(json.dumps(asdict(progress)), encoding="utf-8")
        for file in new.iterdir():
            _to_disk(file)
        new.replace(named)
        for old in before:
            shutil.rmtree(old, ignore_errors=True)

    def load(self, recipe: dict[str, Any], network: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
        """A fresh start if there is no checkpoint. Raises TrainingError if it is of another recipe, or unreadable."""
        recipe = json.loads(json.dumps(recipe))  # as it comes back: lists for tuples
        checkpoints = self._checkpoints()
        if not checkpoints:
            return Progress(recipe)
        newest = checkpoints[-1]
        try:
            stored = json.loads((newest / "progress.json").read_text(encoding="utf-8"))
            progress = Progress(
                stored["recipe"],
                int(stored["step"]),
                list(stored["history"]),
                [(int(step), float(score)) for step, score in stored["scores"]],
            )
            _check_recipe(newest, progress.recipe, recipe)
            weights = load_file(newest / "weights.safetensors")
            state = load_file(newest / "optimizer.safetensors")
            restore(network, weights)
            _restore_state(optimizer, state)
        except TrainingError:
            raise
        except Exception as error:  # json and safetensors have their own
            raise TrainingError(f"{newest} cannot be read ({error}); delete it to start anew") from error
        return progress

    def save_best(self, network: nn.Module) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        new = self.folder / "best.new.safetensors"
        save_file(trained_tensors(network), new)
        new.replace(self.folder / "best.safetensors")

    def load_best(self, network: nn.Module) -> bool:
        """False if nothing was saved. Raises TrainingError if it cannot be read."""
        file = self.folder / "best.safetensors"
        if not file.is_file():
            return False
        try:
            restore(network, load_file(file))
        except TrainingError:
            raise
        except Exception as error:
            raise TrainingError(f"{file} cannot be read ({error}); delete {self.folder} to start anew") from error
        return True

    def clear(self) -> None:
        """When the run is over, and its results are saved."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _checkpoints(self) -> list[Path]:
        """Those that are whole, oldest first."""
        if not self.folder.is_dir():
            return []
        found = [(match, each) for each in self.folder.iterdir() if (match := _WHOLE.fullmatch(each.name))]
        return [each for _, each in sorted(found, key=lambda pair: int(pair[0][1]))]


def _check_recipe(checkpoint: Path, stored: dict[str, Any], recipe: dict[str, Any]) -> None:
    changed = sorted(key for key in recipe.keys() | stored.keys() if recipe.get(key) != stored.get(key))
    if changed:
        raise TrainingError(
            f"{checkpoint} is of a run with other options or data ({', '.join(changed)} differ); give what that run "
            "was started with to go on, or another output folder, or delete it to start anew"
        )


def trained_tensors(network: nn.Module) -> dict[str, Tensor]:
    """By name, as they are; a tensor that two names share is there once."""
    return {
        name: parameter.detach().cpu().contiguous()
        for name, parameter in network.named_parameters()
        if parameter.requires_grad
    }


@torch.no_grad()
def restore(network: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Raises TrainingError if they are not those of this network."""
    there = {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}
    strangers = sorted(there.keys() ^ tensors.keys())
    strangers += [name for name in there.keys() & tensors.keys() if there[name].shape != tensors[name].shape]
    if strangers:
        raise TrainingError(f"these weights are of another network: {strangers[0]} is in one of them only, or differs")
    for name, parameter in there.items():
        parameter.copy_(tensors[name])


def _state_of(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """AdamW's moments and counts, as "number of the parameter.name"."""
    state = optimizer.state_dict()["state"]
    return {f"{number}.{name}": tensor for number, of in state.items() for name, tensor in of.items()}


def _restore_state(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = tensor
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})


def _to_disk(file: Path) -> None:
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
