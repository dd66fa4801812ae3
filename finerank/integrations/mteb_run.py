"""`TwoStages`: MTEB's two-stage flow, a first stage over the corpus and then a cross-encoder over what it found.

Results go to MTEB's own cache, which a later run takes them from; the first stage's rankings lie beside it.
"""

import json
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from ..errors import FinerankError
from .frameworks import needed
from .mteb import FinerankCrossEncoder
from .mteb_meta import experiment_name
from .mteb_outcome import TaskOutcome

try:
    import mteb
    from mteb.abstasks.retrieval import AbsTaskRetrieval
    from mteb.cache import ResultCache
    from mteb.models.model_meta import ModelMeta
    from mteb.results import TaskResult
except ModuleNotFoundError as error:
    raise needed(error, "mteb") from None

_log = logging.getLogger(__name__)

TOP_K: Final = 100
"""Candidates a query; MTEB's own default, 10, measures little but the first stage."""


class TwoStages:
    """Runs tasks one by one.

    first_stage: an encoder or search model of MTEB, or the ModelMeta of one, which is loaded when needed.
    instructions: task -> instruction, for both stages.   cache_folder: None = MTEB's own (`MTEB_CACHE`).
    top_k: candidates a query.   on_step: told in words what is being done.
    """

    def __init__(
        self,
        reranker: FinerankCrossEncoder,
        first_stage: Any,
        *,
        instructions: Mapping[str, str] | None = None,
        top_k: int = TOP_K,
        cache_folder: Path | None = None,
        on_step: Callable[[str], None] | None = None,
    ) -> None:
        self._reranker = reranker
        self._first_stage = first_stage
        self._instructions = dict(instructions or {})
        self._top_k = top_k
        self._cache = ResultCache(cache_folder)
        self._on_step = on_step or (lambda step: None)

    @property
    def first_stage_name(self) -> str:
        return self._first_meta.name or "unnamed"

    @property
    def _first_meta(self) -> ModelMeta:
        first = self._first_stage
        return first if isinstance(first, ModelMeta) else first.mteb_model_meta

    @property
    def cache_folder(self) -> Path:
        return Path(self._cache.cache_path)

    def run(self, task: AbsTaskRetrieval) -> TaskOutcome:
        """Whatever goes wrong with this task is in the outcome's `error`."""
        started, failed_before = time.perf_counter(), self._reranker.num_failed
        name, metric = task.metadata.name, task.metadata.main_score
        try:
            first, second = self._results(task)
        except Exception as error:  # one task's trouble, of whatever library, must not end the others
            _log.debug("task %s failed", name, exc_info=True)
            said = str(error) if isinstance(error, FinerankError) else f"{type(error).__name__}: {error}"
            return TaskOutcome(name, metric, seconds=time.perf_counter() - started, error=said)
        finally:
            if task.data_loaded:
                task.unload_data()
        return TaskOutcome(
            name,
            metric,
            first_stage=None if first is None else first.get_score(),
            reranked=second.get_score(),
            scores=_by_subset(first, second),
            num_failed=self._reranker.num_failed - failed_before,
            seconds=time.perf_counter() - started,
        )

    def _results(self, task: AbsTaskRetrieval) -> tuple[TaskResult | None, TaskResult]:
        has_candidates = "Reranking" in task.metadata.type
        self._prepare(task, has_candidates)
        first, second = self._known(task, self._first_meta), self._known(task, self._reranker.mteb_model_meta)
        if second is not None and (has_candidates or first is not None):
            return None if has_candidates else first, second
        _load(task)
        if not has_candidates:
            self._on_step(f"{task.metadata.name}: first stage, {self.first_stage_name}")
            first = self._run_first_stage(task)
            task.convert_to_reranking(self._predictions, top_k=self._top_k)
        self._on_step(f"{task.metadata.name}: reranking")
        return first, self._evaluate(self._reranker, task)

    def _prepare(self, task: AbsTaskRetrieval, has_candidates: bool) -> None:
        """What the cached result of this task depends on, beside the model."""
        name = task.metadata.name
        told = {name: self._instructions[name]} if name in self._instructions else {}
        self._reranker.instructions = told
        if hasattr(self._first_stage, "instructions"):
            self._first_stage.instructions = told
        meta = self._first_meta
        first_stage = experiment_name([meta.name, meta.revision, meta.experiment_name])
        self._reranker.experiment = {} if has_candidates else {"first_stage": first_stage, "top_k": self._top_k}

    def _known(self, task: AbsTaskRetrieval, meta: ModelMeta) -> TaskResult | None:
        """A complete result of an earlier run."""
        result = self._cache.load_task_result(task.metadata.name, meta)
        return result if result is not None and not result.get_missing_evaluations(task) else None

    def _run_first_stage(self, task: AbsTaskRetrieval) -> TaskResult:
        if isinstance(self._first_stage, ModelMeta):
            self._first_stage = self._first_stage.load_model()
        if self._has_predictions(task):
            return self._evaluate(self._first_stage, task)
        # A result without its ranking, or a ranking that was cut off, is of no use to a second stage.
        (self._predictions / task.prediction_file_name).unlink(missing_ok=True)
        return self._evaluate(self._first_stage, task, overwrite_strategy="always")

    @property
    def _predictions(self) -> Path:
        meta = self._first_meta
        parts = [
            meta.model_name_as_path(),
            str(meta.revision),
            *([meta.experiment_name] if meta.experiment_name else []),
        ]
        return self.cache_folder.joinpath("predictions", *parts)

    def _has_predictions(self, task: AbsTaskRetrieval) -> bool:
        """Is there a ranking for all that the cache has a result for? What is missing in both is run by MTEB."""
        done = self._cache.load_task_result(task.metadata.name, self._first_meta)
        if done is None:
            return False
        try:
            kept = json.loads((self._predictions / task.prediction_file_name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return all(split in kept.get(each["hf_subset"], {}) for split, listed in done.scores.items() for each in listed)

    def _evaluate(self, model: Any, task: AbsTaskRetrieval, **more: Any) -> TaskResult:
        is_first = model is self._first_stage
        results = mteb.evaluate(
            model,
            task,
            cache=self._cache,
            co2_tracker=False,
            prediction_folder=self._predictions if is_first else None,
            show_progress_bar=False,
            **more,
        )
        (result,) = results.task_results
        return result


def _load(task: AbsTaskRetrieval) -> None:
    data = task.metadata.dataset
    try:
        task.load_data()
    except Exception as error:  # of the hub, of its HTTP client, of the file system, of the task's own code
        _log.debug("data of %s", task.metadata.name, exc_info=True)
        where = f"dataset {data.get('path')} at revision {data.get('revision')}"
        raise FinerankError(
            f"{task.metadata.name}: its data could not be had ({type(error).__name__}: {error}); tried {where} from "
            "the Hugging Face hub and from its cache on this machine"
        ) from error


def _by_subset(first: TaskResult | None, second: TaskResult) -> dict[str, dict[str, tuple[float | None, float]]]:
    before = _main_scores(first) if first is not None else {}
    scores: dict[str, dict[str, tuple[float | None, float]]] = {}
    for (split, subset), score in _main_scores(second).items():
        scores.setdefault(split, {})[subset] = (before.get((split, subset)), score)
    return scores


def _main_scores(result: TaskResult) -> dict[tuple[str, str], float]:
    return {
        (split, each["hf_subset"]): float(each["main_score"])
        for split, listed in result.scores.items()
        for each in listed
    }
