"""`RunningModel`: a model with the engine that runs it, which is what `Reranker` and `Embedder` both are."""

import weakref
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

from .engine.facts import BatchFacts
from .engine.job import Job
from .engine.loop import Engine
from .engine.planner import Planner
from .models.base import BatchModel

M = TypeVar("M", bound=BatchModel)

_INLINE_CHARS: Final = 10_000
"""Texts up to here are encoded in the event loop itself: some 2 ms, and a change of threads costs as much."""


class RunningModel(Generic[M]):
    """From loading to `close`, which is also called when the object is forgotten.

    batch_tokens: budget of a batch.
    """

    batch_tokens: int

    def _run(self, model: M, planner: Planner) -> None:
        self._model = model
        self.batch_tokens = planner.max_tokens
        self._engine = Engine(model, planner)
        self._finalizer = weakref.finalize(self, _shut, self._engine, model)

    @property
    def model(self) -> M:
        return self._model

    @property
    def on_batch(self) -> Callable[[BatchFacts], None] | None:
        """Called from the engine's thread after every batch."""
        return self._engine.on_batch

    @on_batch.setter
    def on_batch(self, on_batch: Callable[[BatchFacts], None] | None) -> None:
        self._engine.on_batch = on_batch

    def close(self) -> None:
        """Ends the engine's thread after the batch in hand; calls still waiting get an EngineError."""
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def wait_for(job: Job) -> Job:
    """Blocks until the job is done; an interrupted wait takes it out of the queue."""
    try:
        return job.future.result()
    except BaseException:
        job.cancel()
        raise


def is_quick(texts: Iterable[object]) -> bool:
    """Is encoding them too little work to change threads for?"""
    room = _INLINE_CHARS
    for text in texts:
        room -= len(text) if isinstance(text, str) else 0
        if room < 0:
            return False
    return True


def _shut(engine: Engine, model: BatchModel) -> None:
    engine.close()
    model.close()
