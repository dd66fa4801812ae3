"""The thread that computes: takes a batch from whatever waits, runs it, hands the results out, and again.

A batch that fails is tried again in halves, so that a batch too large for the memory shrinks until it fits and a
document that cannot be computed takes down no other. Between the layers of a batch, small calls are let through.
"""

import logging
import math
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import EngineError, FinerankError
from ..models.base import BatchModel, EncodedPair
from ..scores import FloatArray
from .facts import BatchFacts
from .job import Job, Progress
from .planner import Batch, Planner

_log = logging.getLogger(__name__)


class Engine:
    """Runs one model for any number of callers. `submit` from any thread; `close` ends the thread.

    on_batch: called from the engine's thread after every batch.
    """

    def __init__(self, model: BatchModel, planner: Planner) -> None:
        self.on_batch: Callable[[BatchFacts], None] | None = None
        self._model = model
        self._planner = planner
        self._jobs: deque[Job] = deque()
        self._changed = threading.Condition()
        self._is_closed = False
        self._running: _Running | None = None
        model.on_pause = self._let_small_calls_through
        self._thread = threading.Thread(target=self._run, name="finerank-engine", daemon=True)
        self._thread.start()

    def submit(self, pairs: Sequence[EncodedPair], *, max_pairs: int = 0, on_progress: Progress | None = None) -> Job:
        """Queues a call; its `future` resolves to the job. Raises EngineError if the engine is closed."""
        job = Job(pairs, max_pairs=max_pairs, on_progress=on_progress)
        if not pairs:
            job.finish()
            return job
        with self._changed:
            if self._is_closed:
                raise EngineError("the model is closed; load it again")
            self._jobs.append(job)
            self._changed.notify()
        return job

    def close(self) -> None:
        """Ends the thread after the batch in hand; calls still waiting get an EngineError."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join()
        self._model.on_pause = None  # a bound method: the model would keep this engine alive

    def _run(self) -> None:
        while True:
            batch = self._next_batch()
            if batch is None:
                break
            self._running = _Running(batch)
            try:
                self._compute(batch)
            except Exception as error:  # a defect of ours: those calls fail, the thread goes on
                _log.exception("the engine failed outside any pair")
                for job in batch.jobs:
                    job.fail(EngineError(f"the engine failed ({type(error).__name__}); its log says where"))
            self._running = None
        for job in self._jobs:
            job.fail(EngineError("the engine was closed before this call was answered"))

    def _next_batch(self) -> Batch | None:
        """Waits for work; None when closed."""
        with self._changed:
            while not self._is_closed:
                self._jobs = deque(job for job in self._jobs if job.has_waiting)
                if self._jobs:
                    return self._planner.next_batch(self._jobs)
                self._changed.wait()
        return None

    def _let_small_calls_through(self) -> None:
        """Runs what should not wait for the batch in hand; called by the model between layers of that batch."""
        running = self._running
        if running is None or running.is_lent or threading.current_thread() is not self._thread:
            return
        with self._changed:
            if self._is_closed:
                return
            batch = self._planner.small_calls(self._jobs, running.batch, running.lent_tokens)
        if not batch.members:
            return
        started = time.monotonic()
        running.is_lent = True
        self._compute(batch)
        running.is_lent = False
        running.lent_tokens += batch.num_tokens
        running.lent_s += time.monotonic() - started

    def _compute(self, batch: Batch) -> None:
        started = time.monotonic()
        waits = _start(batch, started)
        lent_before = self._running.lent_s if self._running is not None else 0.0
        try:
            result = self._model.compute(batch.pairs)
        except FinerankError as error:
            self._tell(batch, 0, started, lent_before, waits, is_failed=True)
            self._fail(batch, error)
            return
        except Exception as error:
            self._tell(batch, 0, started, lent_before, waits, is_failed=True)
            self._compute_again(batch, error)
            return
        share = result.computed_tokens / len(batch.members)
        for job, _ in batch.members:
            job.computed_tokens += share
        self._settle(batch, *_checked(result.values, result.errors))
        self._tell(batch, result.computed_tokens, started, lent_before, waits)

    def _fail(self, batch: Batch, error: FinerankError) -> None:
        """What a model raises on purpose is the answer to a call; in a batch of several, to which one is unknown."""
        parts = batch.by_job()
        if len(parts) == 1:
            batch.jobs[0].fail(error)
            return
        for part in parts:
            self._compute(part)

    def _compute_again(self, batch: Batch, error: Exception) -> None:
        """In halves; a pair that fails alone has its error."""
        self._model.release_memory()
        if len(batch.members) > 1:
            _log.info("a batch of %d pairs failed (%s); trying halves", len(batch.members), type(error).__name__)
            for half in batch.halves():
                self._compute(half)
            return
        # Not the error's own text: it may quote a user's.
        where = "".join(traceback.format_tb(error.__traceback__))
        _log.error("a pair of %d tokens failed: %s\n%s", batch.pairs[0].prompt_tokens, type(error).__name__, where)
        reason = f"could not be computed: {type(error).__name__}: {_first_line(error)}"
        self._settle(batch, [math.nan], {0: reason})

    def _settle(self, batch: Batch, values: Sequence[Any], errors: Mapping[int, str]) -> None:
        for position, ((job, index), value) in enumerate(zip(batch.members, values, strict=True)):
            job.settle(index, value, errors.get(position))

    def _tell(
        self,
        batch: Batch,
        computed_tokens: int,
        started: float,
        lent_before: float,
        waits: tuple[float, ...],
        *,
        is_failed: bool = False,
    ) -> None:
        if self.on_batch is None:
            return
        is_urgent = self._running is not None and self._running.is_lent
        lent_s = self._running.lent_s - lent_before if self._running is not None and not is_urgent else 0.0
        facts = BatchFacts(
            num_pairs=len(batch.members),
            num_jobs=len(batch.jobs),
            num_tokens=batch.num_tokens,
            max_tokens=self._planner.max_tokens,
            computed_tokens=computed_tokens,
            seconds=time.monotonic() - started - lent_s,
            waits=waits,
            is_urgent=is_urgent,
            is_failed=is_failed,
        )
        try:
            self.on_batch(facts)
        except Exception:  # somebody else's code in everybody's thread
            _log.exception("on_batch failed and is not called again")
            self.on_batch = None


class _Running:
    """The batch in hand, and what small calls were lent of its time."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.is_lent = False
        self.lent_tokens = 0
        self.lent_s = 0.0


def _start(batch: Batch, now: float) -> tuple[float, ...]:
    """Marks the calls that start with this batch; how long each has waited."""
    fresh = [job for job in batch.jobs if job.started_at is None]
    for job in fresh:
        job.started_at = now
    return tuple(job.wait_s for job in fresh)


def _checked(values: FloatArray, errors: Mapping[int, str]) -> tuple[Sequence[Any], Mapping[int, str]]:
    """(value of each item, NaN where it has none; why): numbers as Python has them, vectors as rows."""
    found: list[Any] = values.tolist() if values.ndim == 1 else list(values)
    if values.ndim == 1:  # a few numbers mostly, which Python is done with sooner
        bad_ones = [position for position, value in enumerate(found) if not math.isfinite(value)]
    else:
        bad_ones = np.flatnonzero(~np.isfinite(values).all(axis=1)).tolist()
    reasons = dict(errors)
    for position in bad_ones:
        bad = found[position] if values.ndim == 1 else _first_bad(found[position])
        reasons.setdefault(position, f"the model gave {bad} instead of a number; its weights may be damaged")
        found[position] = math.nan
    return found, reasons


def _first_bad(vector: FloatArray) -> float:
    return float(vector[~np.isfinite(vector)][0])


def _first_line(error: Exception) -> str:
    return (str(error) or repr(error)).splitlines()[0]
