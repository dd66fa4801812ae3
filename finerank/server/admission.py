"""`Admission`: how much work the server holds at once, in tokens, and when it says no.

A refusal costs a caller a second; a queue without an end costs everybody minutes, and then their answers come too late.
"""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from ..errors import OverloadedError
from ..types import Document

_BATCHES: Final = 128
"""Queue limit without a setting."""
_BYTES_A_TOKEN: Final = 3
"""Few, so that the estimate errs high: English has 4 to 5, Chinese 3 to 4 bytes of UTF-8 a token."""
_PROMPT_TOKENS: Final = 12
"""What a prompt adds to each document besides its shared prefix."""
_SMOOTHING: Final = 0.2
_SHORTEST_S: Final = 0.1
_LONGEST_S: Final = 10.0
"""Seconds over which the speed is measured."""
_LONGEST_RETRY_S: Final = 60.0


class Admission:
    """Not thread-safe: it belongs to the event loop.

    max_tokens: that may wait or be computed, None = 128 batches.   tokens, calls: of those inside.
    unit, remedy: words for a refusal, where something else than tokens is counted.
    tokens_per_second: what the server has answered lately, 0 = not known yet.
    """

    def __init__(
        self,
        max_tokens: int | None,
        *,
        unit: str = "tokens",
        remedy: str = "try again later, or start it with a larger --max-queue-tokens",
    ) -> None:
        self.max_tokens = max_tokens
        self._unit, self._remedy = unit, remedy
        self.tokens = 0
        self.calls = 0
        self.tokens_per_second = 0.0
        self._answered = 0
        self._since = time.monotonic()

    @contextmanager
    def admit(self, tokens: int, batch_tokens: int, timeout_s: float) -> Iterator[None]:
        """Counts a call of so many tokens while the block runs.

        A call larger than the whole limit is let in when nothing else is there. Raises OverloadedError when the queue
        is full, or so long that the call could not be answered in time.
        """
        limit = self.max_tokens or _BATCHES * batch_tokens
        if self.calls and self.tokens + tokens > limit:
            raise OverloadedError(
                f"{self.tokens:,} {self._unit} of {self.calls:,} requests are waiting and this server takes "
                f"{limit:,}; {self._remedy}",
                self._retry_after_s(self.tokens + tokens - limit),
            )
        wait_s = self.wait_s
        if self.calls and wait_s > timeout_s:
            raise OverloadedError(
                f"the queue is some {wait_s:.0f} s long and the request may take {timeout_s:g} s; try again later",
                self._retry_after_s(int((wait_s - timeout_s) * self.tokens_per_second)),
            )
        if self.calls == 0:
            self._answered, self._since = 0, time.monotonic()
        self.tokens += tokens
        self.calls += 1
        try:
            yield
            self._learn(tokens)
        finally:
            self.tokens -= tokens
            self.calls -= 1

    @property
    def wait_s(self) -> float:
        """How long what is inside will take, as far as is known; 0 if nothing is known."""
        return self.tokens / self.tokens_per_second if self.tokens_per_second else 0.0

    def _learn(self, tokens: int) -> None:
        """One call more was answered. Calls overlap, so the speed is measured over all of them since there was work;
        in tokens as estimated on arrival, so that what a cache spares makes the server faster.
        """
        self._answered += tokens
        elapsed = time.monotonic() - self._since
        if elapsed < _SHORTEST_S:
            return
        rate = self._answered / elapsed
        known = self.tokens_per_second
        self.tokens_per_second = rate if known == 0 else known + _SMOOTHING * (rate - known)
        if elapsed > _LONGEST_S:
            self._answered, self._since = 0, time.monotonic()

    def _retry_after_s(self, tokens: int) -> float:
        """When so many tokens will have been computed; 1 s at least."""
        if self.tokens_per_second == 0:
            return 1.0
        return float(min(max(1, math.ceil(tokens / self.tokens_per_second)), _LONGEST_RETRY_S))


def estimated_tokens(documents: Sequence[Document], max_tokens: int) -> int:
    """Tokens to compute for documents of at most so many tokens each; more likely too many than too few."""
    total = 0
    for document in documents:
        text = document.get("text") if isinstance(document, dict) else document
        if isinstance(text, str):
            num_bytes = len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
            total += min(num_bytes // _BYTES_A_TOKEN, max_tokens)
        total += _PROMPT_TOKENS
    return total
