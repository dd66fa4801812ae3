"""How a model is trained; what `finerank train` takes, with the same names and defaults."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from ..errors import SettingsError
from .losses import LOSSES, LossName

Method: TypeAlias = Literal["lora", "full"]


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """method: "lora" trains low-rank updates of `targets`, "full" every weight.

    loss: None is "likelihood" for yes/no rerankers and "group" for classic ones.
    rank, alpha: of LoRA; an update is alpha / rank · B A.   targets: names of linear layers; none means all.
    negatives: of a group, from the example itself.   random_negatives: from other examples, besides those.
    groups: of a step; the gradient is their mean, however many go through the network at once.
    batch_tokens: most tokens at once; None is what the device takes. A smaller number needs less memory, nothing else.
    learning_rate: None is 1e-4 for LoRA over a yes/no reranker, 5e-4 over a small classic one, 1e-5 for full training.
    warmup: share of the steps in which the rate rises; afterwards it falls linearly to 0.
    evaluate_every, save_every: steps; None is ten times in all, measuring more rarely where it would take longer than
    learning.
    gradient_checkpointing: None is on for Qwen3, off for small classic ones.
    eval_queries, eval_depth: held-out queries that are measured on, and documents of each.
    patience: evaluations without a better nDCG@10 after which training stops; None never does.
    """

    method: Method = "lora"
    loss: LossName | None = None
    rank: int = 16
    alpha: float = 32.0
    targets: tuple[str, ...] = ()
    dropout: float = 0.0
    epochs: float = 1.0
    max_steps: int | None = None
    negatives: int = 7
    random_negatives: int = 1
    groups: int = 16
    batch_tokens: int | None = None
    max_length: int = 1024
    learning_rate: float | None = None
    warmup: float = 0.1
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    seed: int = 0
    gradient_checkpointing: bool | None = None
    evaluate_every: int | None = None
    save_every: int | None = None
    patience: int | None = 3
    eval_queries: int = 100
    eval_depth: int = 20

    def __post_init__(self) -> None:
        """Raises SettingsError."""
        at_least: dict[str, tuple[Any, Any]] = {
            "rank": (self.rank, 1),
            "negatives": (self.negatives, 0),
            "random_negatives": (self.random_negatives, 0),
            "groups": (self.groups, 1),
            "max_length": (self.max_length, 16),
            "eval_queries": (self.eval_queries, 1),
            "eval_depth": (self.eval_depth, 2),
        }
        for name, (value, least) in at_least.items():
            if value < least:
                raise SettingsError(f"{name} is {value}; give at least {least}")
        if self.negatives + self.random_negatives < 1:
            raise SettingsError("negatives and random_negatives are both 0; a positive needs something to compare with")
        if self.loss is not None and self.loss not in LOSSES:
            raise SettingsError(f"loss {self.loss!r} is unknown; known: {', '.join(LOSSES)}")
        if not 0 <= self.warmup < 1:
            raise SettingsError(f"warmup is {self.warmup}; give a share of the steps, from 0 to below 1")
        if self.epochs <= 0:
            raise SettingsError(f"epochs is {self.epochs}; give more than 0")
