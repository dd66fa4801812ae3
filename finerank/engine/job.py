"""The state of one call in the engine."""

import logging
import math
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import CancelledError, Future, InvalidStateError
from contextlib import suppress
from typing import Any, TypeAlias

from ..models.base import EncodedPair

_log = logging.getLogger(__name__)

_settling = threading.Lock()
"""One for all jobs: it is held for a moment only, and a lock for each costs more to make than to share."""

Progress: TypeAlias = Callable[[int, int], None]


class Job:
    """Pairs (or texts) of one caller, and what is known of them so far.

    values: in the caller's order, NaN until computed: log-odds, or a vector each, whichever the model gives.
    errors: index -> why that pair has no value.
    max_pairs: at most so many of this job's pairs in one batch, 0 = no limit.
    num_tokens: of all its pairs, their prefixes not counted.   waiting_tokens: of those that have not started.
    submitted_at, started_at: monotonic seconds; of its arrival and of its first pair, None before.
    on_progress: called with (pairs done, pairs in all) from the engine's thread.
    is_over: no pair of it will start any more.
    future: resolves to this job when every pair has its value or its error; or raises what failed the whole call.
    """

    def __init__(
        self, pairs: Sequence[EncodedPair], *, max_pairs: int = 0, on_progress: Progress | None = None
    ) -> None:
        self.pairs = pairs
        self.max_pairs = max_pairs
        self.on_progress = on_progress
        self.values: list[Any] = [math.nan] * len(pairs)
        self.errors: dict[int, str] = {}
        self.computed_tokens = 0.0
        self.num_tokens = self.waiting_tokens = sum(pair.own_tokens for pair in pairs)
        self.submitted_at = time.monotonic()
        self.started_at: float | None = None
        self.is_over = False
        self._outcome: Exception | None = None
        self._is_settled = False
        self._callbacks: list[Callable[[], None]] = []
        self._waiting = _in_order(pairs)
        self._num_open = len(pairs)

    @property
    def log_odds(self) -> list[float]:
        """The values of a model of pairs."""
        return self.values

    @property
    def has_waiting(self) -> bool:
        return bool(self._waiting) and not self.is_over

    @property
    def wait_s(self) -> float:
        """From its arrival to the start of its first pair; 0 before."""
        return 0.0 if self.started_at is None else self.started_at - self.submitted_at

    def peek(self) -> EncodedPair:
        """The next pair to run."""
        return self.pairs[self._waiting[-1]]

    def take(self) -> int:
        """Index of the next pair to run, no longer waiting."""
        index = self._waiting.pop()
        self.waiting_tokens -= self.pairs[index].own_tokens
        return index

    @property
    def future(self) -> "Future[Job]":
        """Made on demand: most callers wait in an event loop and need none."""
        future: Future[Job] = Future()

        def pass_on() -> None:
            with suppress(InvalidStateError):  # its owner may have cancelled it
                if self._outcome is not None:
                    future.set_exception(self._outcome)
                else:
                    future.set_result(self)

        self.when_over(pass_on)
        return future

    def when_over(self, callback: Callable[[], None]) -> None:
        """Calls back once, in whichever thread the call ends; at once if it has ended."""
        with _settling:
            if not self._is_settled:
                self._callbacks.append(callback)
                return
        callback()

    def result(self) -> "Job":
        """This job once it is over. Raises what failed it."""
        if self._outcome is not None:
            raise self._outcome
        return self

    def settle(self, index: int, value: Any, error: str | None = None) -> None:
        """Records the outcome of one pair, and of the job when it was the last."""
        self.values[index] = value
        if error is not None:
            self.errors[index] = error
        self._num_open -= 1
        if self.on_progress is not None:
            self._tell_progress(self.on_progress)
        if self._num_open == 0:
            self._end(None)

    def finish(self) -> None:
        """There was nothing to compute."""
        self._end(None)

    def fail(self, error: Exception) -> None:
        """The whole call has failed; pairs that have not started will not."""
        self._end(error)

    def cancel(self) -> None:
        """Nobody waits any more: pairs that have not started will not."""
        self._end(CancelledError())

    def _end(self, outcome: Exception | None) -> None:
        """The first end counts."""
        with _settling:
            if self._is_settled:
                return
            self.is_over = self._is_settled = True
            self._outcome = outcome
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def _tell_progress(self, on_progress: Progress) -> None:
        try:
            on_progress(len(self.pairs) - self._num_open, len(self.pairs))
        except Exception:  # the caller's code runs in everybody's thread
            _log.exception("on_progress failed and is not called again")
            self.on_progress = None


def _in_order(pairs: Sequence[EncodedPair]) -> list[int]:
    """Indices, the first to run last.

    Pairs with one prefix stay together, so that a batch reads few of them; of each prefix the longest pair comes first:
    a batch that does not fit fails early.
    """
    places: dict[Hashable, int] = {}
    known: dict[int, int] = {}  # by identity: keys are long tuples, and pairs of a call mostly share the very same one
    for pair in reversed(pairs):
        if id(pair.shared_key) not in known:
            known[id(pair.shared_key)] = places.setdefault(pair.shared_key, len(places))
    return sorted(range(len(pairs)), key=lambda index: (known[id(pairs[index].shared_key)], pairs[index].own_tokens))
