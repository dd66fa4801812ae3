"""A run while it goes on and afterwards: a line of JSON a step, curves for its report."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .run_state import Progress
from .trainer import Observer

if TYPE_CHECKING:
    from ..evaluation.report_figures import Figure

FILE: Final = "log.jsonl"


class RunLog(Observer):
    """Writes `log.jsonl` and, where tensorboard is installed, its event files; passes everything on.

    Lines after the step that a run goes on from are dropped: they are written anew.
    """

    def __init__(self, folder: Path, then: Observer) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / FILE
        self._then = then
        self._writer = _tensorboard(folder / "tensorboard")

    def began(self, progress: Progress, num_steps: int) -> None:
        kept = [line for line in _lines(self._file) if line["step"] <= progress.step]
        self._file.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
        self._then.began(progress, num_steps)

    def stepped(self, progress: Progress, num_steps: int) -> None:
        facts = progress.history[-1]
        self._write(progress.step, {name: value for name, value in facts.items() if name != "step"})
        self._then.stepped(progress, num_steps)

    def evaluated(self, progress: Progress) -> None:
        step, score = progress.scores[-1]
        self._write(step, {"dev_ndcg_at_10": score})
        self._then.evaluated(progress)

    def warned(self, message: str) -> None:
        self._then.warned(message)

    def _write(self, step: int, values: dict[str, float]) -> None:
        with self._file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({"step": step} | values) + "\n")
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)


def run_figures(progress: Progress) -> "Iterable[Figure]":
    """Loss and dev score by step."""
    from ..evaluation.plots import curve_plot
    from ..evaluation.report_figures import Figure

    steps, losses = ([each[name] for each in progress.history] for name in ("step", "loss"))
    if losses:
        yield Figure(
            "Training loss",
            "Mean over the groups of each step.",
            f"from {losses[0]:.4g} to {losses[-1]:.4g} in {len(losses):,} steps",
            curve_plot(steps, losses, "step", "loss", "loss"),
        )
    if progress.scores and progress.best is not None:
        best, score = progress.best
        scores = [each for _, each in progress.scores]
        yield Figure(
            "nDCG@10 on held-out queries while training",
            f"The weights of step {best:,} were kept.",
            f"from {progress.scores[0][1]:.4f} before training to {score:.4f} at step {best:,}",
            curve_plot([step for step, _ in progress.scores], scores, "step", "nDCG@10", "dev-score"),
        )


def _lines(file: Path) -> list[dict[str, float]]:
    """Those that are whole: a kill may cut the last."""
    if not file.is_file():
        return []
    found = []
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def _tensorboard(folder: Path) -> Any:
    """A writer of events; None where tensorboard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder))
