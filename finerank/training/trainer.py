"""`Trainer`: steps through the data, with checkpoints from which a killed run goes on as if nothing had been."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import FinerankError, TrainingError
from ..hardware import is_out_of_memory
from .backward import Backward
from .groups import Group, GroupSampler
from .run_state import Progress, RunFolder
from .trainee import TokenSequence, Trainee


@dataclass(frozen=True, slots=True)
class Schedule:
    """learning_rate rises over the first `warmup` steps and then falls in a line to 0 after the last.

    groups: of a step.   evaluate_every, save_every: steps.   patience: evaluations without a better score after which
    the run ends; None never does.   weight_decay: of matrices, not of biases and norms.
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

    def began(self, progress: Progress, num_steps: int) -> None:
        """Before the first step, or the first after the checkpoint that is gone on from."""

    def stepped(self, progress: Progress, num_steps: int) -> None: ...

    def evaluated(self, progress: Progress) -> None: ...

    def warned(self, message: str) -> None: ...


class Share:
    """What one process of a run has to do; here: everything. See sharing.py for several."""

    is_first = True

    def part(self, count: int) -> range:
        """Which of so many groups of a step are this process's."""
        return range(count)

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Each becomes its sum over all processes."""

    def copy_from_first(self, tensors: Sequence[Tensor]) -> None:
        """Each becomes the first process's."""

    def on_first(self, work: Callable[[], float | None]) -> float:
        """Done by the first process; all wait, and get what it returned. Raises TrainingError in all if it failed."""
        return work() or 0.0


class Trainer:
    """One run.   score: nDCG@10 on held-out data, None if there is none."""

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
        share: Share | None = None,
    ) -> None:
        self._trainee = trainee
        self._sampler = sampler
        self._backward = backward
        self._schedule = schedule
        self._folder = folder
        self._score = score
        self._share = share or Share()
        self._observer = observer if observer is not None and self._share.is_first else Observer()
        self._parameters = [each for each in trainee.network.parameters() if each.requires_grad]
        self._optimizer = make_optimizer(self._parameters, schedule)

    def run(self, recipe: dict[str, Any]) -> Progress:
        """Goes on from the folder's checkpoint if there is one. Afterwards the network has the best weights.

        recipe: what decides the weights and is not known here (base model, loss, LoRA...), as JSON. The schedule, the
        data's hash and what groups are cut from it come with it.
        Raises TrainingError when the loss is no number, naming the groups; the last good checkpoint stays.
        """
        schedule = {name: value for name, value in asdict(self._schedule).items() if name != "save_every"}
        known = {"schedule": schedule, "groups": self._sampler.recipe}
        progress = self._folder.load(recipe | known, self._trainee.network, self._optimizer)
        self._share.copy_from_first([each.data for each in self._parameters])
        self._observer.began(progress, self._schedule.num_steps)
        if progress.step == 0 and self._score is not None:
            self._evaluate(progress, self._score)
        groups = self._sampler.groups_from(progress.step * self._schedule.groups)
        while not self._is_over(progress):
            self._step(progress, list(islice(groups, self._schedule.groups)))
            is_last = progress.step == self._schedule.num_steps
            if self._score is not None and (progress.step % self._schedule.evaluate_every == 0 or is_last):
                self._evaluate(progress, self._score)
            if progress.step % self._schedule.save_every == 0 or self._is_over(progress):
                self._share.on_first(lambda: self._folder.save(progress, self._trainee.network, self._optimizer))
        if self._score is not None:
            self._folder.load_best(self._trainee.network)
        return progress

    def _step(self, progress: Progress, groups: Sequence[Group]) -> None:
        rate = self._schedule.rate(progress.step)
        for options in self._optimizer.param_groups:
            options["lr"] = rate
        losses = self._gradients(progress.step + 1, groups)
        loss = sum(losses) / len(losses)
        norm = float(nn.utils.clip_grad_norm_(self._parameters, self._schedule.max_grad_norm))
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise _no_number(progress.step + 1, groups, losses, norm)
        self._optimizer.step()
        progress.step += 1
        progress.history.append({"step": progress.step, "loss": loss, "learning_rate": rate, "grad_norm": norm})
        self._observer.stepped(progress, self._schedule.num_steps)

    def _gradients(self, step: int, groups: Sequence[Group]) -> list[float]:
        """The loss of each group; gradients of their mean are in the parameters. All summed over the processes."""
        mine = self._share.part(len(groups))
        losses = torch.zeros(len(groups) + 1, dtype=torch.float64, device=self._trainee.device)
        failure: Exception | None = None
        try:
            found = self._own_gradients(step, [groups[number] for number in mine], len(groups))
            losses[list(mine)] = losses.new_tensor(found)
        except Exception as error:
            failure, losses[-1] = error, 1.0
        self._share.add_up([losses])
        if failure is not None:
            raise failure
        *losses_of_all, failed = losses.tolist()
        if failed:
            raise TrainingError(f"step {step}: another process of this run failed; its message says why")
        self._share.add_up([_gradient(parameter) for parameter in self._parameters])
        return losses_of_all

    def _own_gradients(self, step: int, groups: Sequence[Group], total: int) -> list[float]:
        """What does not fit in memory is tried in smaller pieces."""
        encoded = [self._encoded(group) for group in groups]
        longest = max((len(sequence.ids) for sequences in encoded for sequence in sequences), default=0)
        seed = random.Random(f"{self._sampler.seed} {step}").getrandbits(48)
        while True:
            self._optimizer.zero_grad(set_to_none=True)
            try:
                return self._backward.step(groups, encoded, total, seed=seed)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if self._backward.batch_tokens < longest:
                    raise TrainingError(
                        f"step {step}: {longest:,} tokens, one query with one document, do not fit in memory "
                        f"({error}); use gradient checkpointing, a smaller max_length, or LoRA with fewer targets"
                    ) from error
            self._halve(step)

    def _halve(self, step: int) -> None:
        self._backward.batch_tokens //= 2
        if self._trainee.device.type == "cuda":
            torch.cuda.empty_cache()
        self._observer.warned(
            f"step {step} did not fit in memory; from here on {self._backward.batch_tokens:,} tokens go through the "
            "network at once, with the same result"
        )

    def _encoded(self, group: Group) -> list[TokenSequence]:
        try:
            return self._trainee.encode(group.query, [each.text for each in group.candidates], group.instruction)
        except FinerankError as error:
            raise TrainingError(f"{group.name}: {error}") from error

    def _evaluate(self, progress: Progress, score: Callable[[], float]) -> None:
        before = progress.best
        progress.scores.append((progress.step, self._share.on_first(score)))
        self._trainee.network.train()
        if before is None or progress.scores[-1][1] > before[1]:
            self._share.on_first(lambda: self._folder.save_best(self._trainee.network))
        self._observer.evaluated(progress)

    def _is_over(self, progress: Progress) -> bool:
        """Are all steps done, or was the best score too long ago?"""
        if progress.step >= self._schedule.num_steps:
            return True
        if self._schedule.patience is None or progress.best is None:
            return False
        since = [step for step, _ in progress.scores if step > progress.best[0]]
        return len(since) >= self._schedule.patience


def make_optimizer(parameters: Sequence[nn.Parameter], schedule: Schedule) -> torch.optim.AdamW:
    """AdamW, whose decay pulls at matrices only; all parameters in one kernel where there is such."""
    matrices = [each for each in parameters if each.ndim >= 2]
    others = [each for each in parameters if each.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": schedule.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    is_fused = all(each.device.type in ("cpu", "cuda") for each in parameters)
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=schedule.learning_rate, fused=is_fused or None
    )


def _gradient(parameter: nn.Parameter) -> Tensor:
    """Zeros where this process had none, for the sum over all."""
    if parameter.grad is None:
        parameter.grad = torch.zeros_like(parameter)
    return parameter.grad


def _no_number(step: int, groups: Sequence[Group], losses: Sequence[float], norm: float) -> TrainingError:
    bad = [group for group, loss in zip(groups, losses, strict=True) if not math.isfinite(loss)] or groups
    places = ", ".join(dict.fromkeys(group.name for group in bad))
    return TrainingError(
        f"step {step}: the loss is {sum(losses) / len(losses)} and the gradient's norm {norm}; nothing of this step "
        f"was kept, the last checkpoint stays. It comes from {places}. Look at these texts, or try a smaller learning "
        "rate or float32"
    )
