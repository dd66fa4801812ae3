"""What a run is, between two steps: enough to go on as if nothing had been."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..errors import TrainingError

_FOLDER: Final = "checkpoint"
_BEFORE: Final = "checkpoint.before"
_NEW: Final = "checkpoint.new"


@dataclass(slots=True)
class Progress:
    """step: steps done.   history: {"step", "loss", "learning_rate", ...} of each.   scores: (step, dev nDCG@10).

    recipe: what the run was started with; a run with another recipe does not go on from here.
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
    """The checkpoints of one run. A kill at any moment leaves the last whole one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def is_begun(self) -> bool:
        return self._newest() is not None

    def save(self, progress: Progress, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        new = self.folder / _NEW
        _remove(new)
        new.mkdir(parents=True)
        save_file(trained_tensors(network), new / "weights.safetensors")
        torch.save(optimizer.state_dict(), new / "optimizer.pt")
        (new / "progress.json").write_text(json.dumps(asdict(progress)), encoding="utf-8")
        old, kept = self.folder / _FOLDER, self.folder / _BEFORE
        _remove(kept)
        if old.exists():
            os.replace(old, kept)
        os.replace(new, old)
        _remove(kept)

    def load(self, recipe: dict[str, Any], network: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
        """A fresh start if there is no checkpoint. Raises TrainingError if it is of another recipe, or unreadable."""
        found = self._newest()
        if found is None:
            return Progress(recipe)
        try:
            stored = json.loads((found / "progress.json").read_text(encoding="utf-8"))
            weights = load_file(found / "weights.safetensors")
            state = torch.load(found / "optimizer.pt", weights_only=True)
        except Exception as error:
            raise TrainingError(f"{found} cannot be read ({error}); delete it to start anew") from error
        changed = sorted(
            key for key in recipe.keys() | stored["recipe"].keys() if recipe.get(key) != stored["recipe"].get(key)
        )
        if changed:
            raise TrainingError(
                f"{found} is of a run with other options or data ({', '.join(changed)} differ); give what that run was "
                "started with to go on, or another output folder, or delete it to start anew"
            )
        restore(network, weights)
        optimizer.load_state_dict(state)
        scores = [(int(step), float(score)) for step, score in stored["scores"]]
        return Progress(recipe, int(stored["step"]), stored["history"], scores)

    def save_best(self, network: nn.Module) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        save_file(trained_tensors(network), self.folder / "best.new.safetensors")
        os.replace(self.folder / "best.new.safetensors", self.folder / "best.safetensors")

    def load_best(self, network: nn.Module) -> bool:
        """False if nothing was saved."""
        file = self.folder / "best.safetensors"
        if not file.is_file():
            return False
        restore(network, load_file(file))
        return True

    def _newest(self) -> Path | None:
        found = (self.folder / name for name in (_FOLDER, _BEFORE))
        return next((each for each in found if (each / "progress.json").is_file()), None)


def trained_tensors(network: nn.Module) -> dict[str, Tensor]:
    """By name, as they are; a tensor that two names share is there once."""
    return {
        name: parameter.detach().cpu().clone()
        for name, parameter in network.named_parameters()
        if parameter.requires_grad
    }


@torch.no_grad()
def restore(network: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Raises TrainingError if they are not those of this network."""
    there = {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}
    if there.keys() != tensors.keys():
        strangers = sorted(there.keys() ^ tensors.keys())
        raise TrainingError(f"the checkpoint is of another network: {strangers[0]} is in one of them only")
    for name, parameter in there.items():
        parameter.copy_(tensors[name])


def _remove(folder: Path) -> None:
    if folder.is_dir():
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
