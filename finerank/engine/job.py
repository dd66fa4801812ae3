"""The state of one call in the engine."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import TypeAlias

import numpy as np

from ..models.base import EncodedPair
from ..scores import FloatArray

_log = logging.getLogger(__name__)

Progress: TypeAlias = Callable[[int, int], None]


class Job:
    """Pairs of one caller, and what is known of them so far.

    log_odds: (N,) in the caller's order, NaN until computed.   errors: index -> why that pair has none.
    max_pairs: at most so many of this job's pairs in one batch, 0 = no limit.
    on_progress: called with (pairs done, pairs in all) from the engine's thread.
    future: resolves to this job when every pair has its log-odds or its error.
    """

    def __init__(
        self, pairs: Sequence[EncodedPair], *, max_pairs: int = 0, on_progress: Progress | None = None
    ) -> None:
        self.pairs = pairs
        self.max_pairs = max_pairs
        self.on_progress = on_progress
        self.log_odds: FloatArray = np.full(len(pairs), np.nan, dtype=np.float32)
        self.errors: dict[int, str] = {}
        self.computed_tokens = 0.0
        self.future: Future[Job] = Future()
        # Longest first: pairs of like length share batches, and a batch that does not fit fails early.
        self._waiting = sorted(range(len(pairs)), key=lambda index: pairs[index].own_tokens)
        self._num_open = len(pairs)

    @property
    def has_waiting(self) -> bool:
        return bool(self._waiting) and not self.future.cancelled()

    def peek(self) -> EncodedPair:
        """The next pair to run."""
        return self.pairs[self._waiting[-1]]

    def take(self) -> int:
        """Index of the next pair to run, no longer waiting."""
        return self._waiting.pop()

    def settle(self, index: int, log_odds: float, error: str | None = None) -> None:
        """Records the outcome of one pair, and of the job when it was the last."""
        self.log_odds[index] = log_odds
        if error is not None:
            self.errors[index] = error
        self._num_open -= 1
        self._tell_progress()
        if self._num_open == 0:
            with suppress(InvalidStateError):  # cancelled meanwhile: nobody waits
                self.future.set_result(self)

    def _tell_progress(self) -> None:
        if self.on_progress is None:
            return
        try:
            self.on_progress(len(self.pairs) - self._num_open, len(self.pairs))
        except Exception:  # the caller's code runs in everybody's thread
            _log.exception("on_progress failed and is not called again")
            self.on_progress = None

    def cancel(self) -> None:
        """Nobody waits any more: pairs that have not started will not."""
        self.future.cancel()
