"""The thread that computes: takes a batch from whatever waits, runs it, hands the results out, and again.

A batch that fails is tried again in halves, so that a batch too large for the memory shrinks until it fits and a
document that cannot be computed takes down no other.
"""

import logging
import math
import threading
from collections import deque
from collections.abc import Sequence

from ..errors import EngineError
from ..models.base import EncodedPair, PairModel
from .job import Job, Progress
from .planner import Batch, Planner

_log = logging.getLogger(__name__)


class Engine:
    """Runs one model for any number of callers. `submit` from any thread; `close` ends the thread."""

    def __init__(self, model: PairModel, planner: Planner) -> None:
        self._model = model
        self._planner = planner
        self._jobs: deque[Job] = deque()
        self._changed = threading.Condition()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="finerank-engine", daemon=True)
        self._thread.start()

    def submit(self, pairs: Sequence[EncodedPair], *, max_pairs: int = 0, on_progress: Progress | None = None) -> Job:
        """Queues a call; its `future` resolves to the job. Raises EngineError if the engine is closed."""
        job = Job(pairs, max_pairs=max_pairs, on_progress=on_progress)
        if not pairs:
            job.future.set_result(job)
            return job
        with self._changed:
            if self._is_closed:
                raise EngineError("this Reranker is closed; make a new one")
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

    def _run(self) -> None:
        while True:
            batch = self._next_batch()
            if batch is None:
                break
            self._compute(batch)
        for job in self._jobs:
            if not job.future.done():
                job.future.set_exception(EngineError("the engine was closed before this call was answered"))

    def _next_batch(self) -> Batch | None:
        """Waits for work; None when closed."""
        with self._changed:
            while not self._is_closed:
                self._jobs = deque(job for job in self._jobs if job.has_waiting)
                if self._jobs:
                    self._jobs.rotate(-1)
                    return self._planner.next_batch(self._jobs)
                self._changed.wait()
        return None

    def _compute(self, batch: Batch) -> None:
        try:
            log_odds, computed_tokens = self._model.compute(batch.pairs)
        except Exception as error:
            self._model.release_memory()
            if len(batch.members) > 1:
                _log.info("a batch of %d pairs failed (%s); trying halves", len(batch.members), error)
                for half in batch.halves():
                    self._compute(half)
                return
            _log.exception("a pair of %d tokens could not be computed", batch.pairs[0].prompt_tokens)
            self._settle(batch, [math.nan], f"could not be computed: {type(error).__name__}: {_first_line(error)}")
            return
        for job, _ in batch.members:
            job.computed_tokens += computed_tokens / len(batch.members)
        self._settle(batch, log_odds.tolist(), None)

    def _settle(self, batch: Batch, log_odds: list[float], error: str | None) -> None:
        for (job, index), value in zip(batch.members, log_odds, strict=True):
            reason = error
            if reason is None and not math.isfinite(value):
                value, reason = math.nan, f"the model gave {value} instead of a number; its weights may be damaged"
            job.settle(index, value, reason)


def _first_line(error: Exception) -> str:
    return (str(error) or repr(error)).splitlines()[0]
