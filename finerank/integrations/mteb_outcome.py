"""What came of MTEB's tasks, as figures and as JSON; MTEB itself is not needed to read them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..types import ModelInfo


@dataclass(frozen=True, slots=True)
class TaskOutcome:
    """One task's figures.

    metric: MTEB's main score of the task, the mean of its subsets and splits.
    first_stage: None where the task brings candidates of its own.   reranked: None if `error`.
    scores: split -> subset -> (first stage, reranked).   num_failed: pairs without a score.
    """

    task: str
    metric: str
    first_stage: float | None = None
    reranked: float | None = None
    scores: dict[str, dict[str, tuple[float | None, float]]] = field(default_factory=dict)
    num_failed: int = 0
    seconds: float = 0.0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Means:
    """Over the `num_tasks` tasks that have figures.   first_stage: None unless all of those have one."""

    num_tasks: int
    first_stage: float | None
    reranked: float | None


def means_of(outcomes: Sequence[TaskOutcome]) -> Means:
    reranked = [each.reranked for each in outcomes if each.reranked is not None]
    first = [each.first_stage for each in outcomes if each.reranked is not None and each.first_stage is not None]
    return Means(len(reranked), _mean(first) if len(first) == len(reranked) else None, _mean(reranked))


def as_record(
    outcomes: Sequence[TaskOutcome], *, model: ModelInfo, first_stage: str, top_k: int, folder: str
) -> dict[str, Any]:
    """The JSON of a run."""
    means = means_of(outcomes)
    return {
        "model": model.name,
        "fingerprint": model.fingerprint,
        "dtype": model.dtype,
        "first_stage": first_stage,
        "top_k": top_k,
        "results_folder": folder,
        "tasks": [_task_record(each) for each in outcomes],
        "mean": {"tasks": means.num_tasks, "first_stage": means.first_stage, "reranked": means.reranked},
    }


def _task_record(outcome: TaskOutcome) -> dict[str, Any]:
    return {
        "task": outcome.task,
        "metric": outcome.metric,
        "first_stage": outcome.first_stage,
        "reranked": outcome.reranked,
        "splits": {
            split: {name: {"first_stage": before, "reranked": after} for name, (before, after) in subsets.items()}
            for split, subsets in outcome.scores.items()
        },
        "num_failed": outcome.num_failed,
        "seconds": round(outcome.seconds, 3),
        "error": outcome.error,
    }


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
