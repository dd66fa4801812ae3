"""`Trainer`: steps through the data, with checkpoints from which a run that was killed goes on as if nothing had been."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import torch
from torch import Tensor, nn

from ..errors import TrainingError
from ..hardware import is_out_of_memory
from .backward import Backward
from .groups import Group, GroupSampler
from .run_state import Progress, RunFolder
from .trainee import Trainee

_FEWEST_TOKENS: Final = 64


@dataclass(frozen=True, slots=True)
class Schedule:
    """learning_rate rises over the first `warmup` steps and then falls in a line to 0 at the last.

    groups: of a step.   evaluate_every, save_every: steps.   patience: evaluations without a better score after which
    the run ends; None never does.
    """

    num_steps: int
    learning_rate: float
    warmup: int
    groups: int
    evaluate_every: int
    save_every: int
    patience: int | None
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0

    def rate(self, step: int) -> float:
        """Of the step that comes after `step` steps."""
        rising = min(1.0, (step + 1) / max(1, self.warmup))
        falling = (self.num_steps - step) / max(1, self.num_steps - self.warmup)
        return self.learning_rate * min(rising, falling)


class Observer:
    """Hears of a run; all its methods may be left as they are."""

    def stepped(self, progress: Progress, num_steps: int) -> None: ...

    def evaluated(self, progress: Progress) -> None: ...

    def warned(self, message: str) -> None: ...


class Trainer:
    """One run.   score: nDCG@10 on held-out data, None if there is none.

    all_reduce: sums gradients (and a loss) over the processes of a run on several devices; None on one.
    """

    def __init__(
        self,
        trainee: Trainee,
        sampler: GroupSampler,
        backward: Backward,
        schedule: Schedule,
        folder: RunFolder,
        *,
        score: Callable[[], float] | None = None,
        observer: Observer | None = None,
        share: "Share | None" = None,
    ) -> None:
        self._trainee = trainee
        self._sampler = sampler
        self._backward = backward
        self._schedule = schedule
        self._folder = folder
        self._score = score
        self._observer = observer or Observer()
        self._share = share or Share()
        self._parameters = [each for each in trainee.network.parameters() if each.requires_grad]
        self._optimizer = torch.optim.AdamW(
            self._parameters, lr=schedule.learning_rate, weight_decay=schedule.weight_decay
        )

    def run(self, recipe: dict[str, Any]) -> Progress:
        """Goes on from the folder's checkpoint if there is one. Afterwards the network has the best weights.

        Raises TrainingError when the loss is no number, naming the groups; the last good checkpoint stays.
        """
        progress = self._folder.load(recipe, self._trainee.network, self._optimizer)
        schedule = self._schedule
        if progress.step == 0 and self._score is not None:
            self._evaluate(progress)
        groups = self._groups_from(progress.step)
        while progress.step < schedule.num_steps and not self._is_over(progress):
            self._step(progress, list(islice(groups, schedule.groups)))
            is_last = progress.step == schedule.num_steps
            if self._score is not None and (progress.step % schedule.evaluate_every == 0 or is_last):
                self._evaluate(progress)
            if progress.step % schedule.save_every == 0 or is_last:
                self._save(progress)
        if self._score is not None:
            self._folder.load_best(self._trainee.network)
        return progress

    def _groups_from(self, step: int) -> Iterator[Group]:
        """Endless, epoch after epoch, from where `step` steps have come to."""
        epoch, skipped = divmod(step * self._schedule.groups, len(self._sampler))
        while True:
            yield from islice(self._sampler.epoch(epoch), skipped, None)
            epoch, skipped = epoch + 1, 0

    def _step(self, progress: Progress, groups: Sequence[Group]) -> None:
        rate = self._schedule.rate(progress.step)
        for options in self._optimizer.param_groups:
            options["lr"] = rate
        loss = self._gradients(progress, groups)
        norm = float(nn.utils.clip_grad_norm_(self._parameters, self._schedule.max_grad_norm))
        if not (math.isfinite(loss) and math.isfinite(norm)):
            places = ", ".join(dict.fromkeys(group.place for group in groups if group.place))
            raise TrainingError(
                f"step {progress.step + 1}: the loss is {loss} and the gradient's norm {norm}; nothing of this step was "
                f"kept. Its groups: {places}. Look at these texts, or try a smaller learning rate or float32"
            )
        self._optimizer.step()
        progress.step += 1
        progress.history.append({"step": progress.step, "loss": loss, "learning_rate": rate, "grad_norm": norm})
        self._observer.stepped(progress, self._schedule.num_steps)

    def _gradients(self, progress: Progress, groups: Sequence[Group]) -> float:
        """Mean loss; its gradients are in the parameters. What does not fit in memory is tried in smaller pieces."""
        mine = self._share.of(groups)
        encoded = [
            self._trainee.encode(group.query, [each.text for each in group.candidates], group.instruction)
            for group in mine
        ]
        while True:
            self._optimizer.zero_grad(set_to_none=True)
            try:
                loss = self._backward.step(mine, encoded, len(groups))
                break
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or self._backward.batch_tokens <= _FEWEST_TOKENS:
                    raise
            self._backward.batch_tokens //= 2
            self._observer.warned(
                f"step {progress.step + 1} did not fit in memory; from here on {self._backward.batch_tokens:,} tokens "
                "go through the network at once, with the same result"
            )
        return self._share.sum(self._parameters, loss)

    def _evaluate(self, progress: Progress) -> None:
        assert self._score is not None
        before = progress.best
        progress.scores.append((progress.step, self._score()))
        if self._share.is_first and (before is None or progress.scores[-1][1] > before[1]):
            self._folder.save_best(self._trainee.network)
        self._observer.evaluated(progress)

    def _is_over(self, progress: Progress) -> bool:
        """Was the best score too long ago?"""
        if self._schedule.patience is None or progress.best is None:
            return False
        since = [step for step, _ in progress.scores if step > progress.best[0]]
        return len(since) >= self._schedule.patience

    def _save(self, progress: Progress) -> None:
        if self._share.is_first:
            self._folder.save(progress, self._trainee.network, self._optimizer)


class Share:
    """What one process of a run has to do; here: everything."""

    is_first = True

    def of(self, groups: Sequence[Group]) -> Sequence[Group]:
        return groups

    def sum(self, parameters: Sequence[Tensor], loss: float) -> float:
        """Over all processes, gradients and loss."""
        return loss
