"""How much is asked in a minute, kept on our side so that the provider need not refuse."""

import asyncio
import math
from typing import Final

from aiolimiter import AsyncLimiter

from ..errors import InputError

_BURST: Final = 0.1
"""Share of a minute's budget that may go at once; at least one."""


def estimate_tokens(text: str) -> int:
    """An upper guess without a tokenizer: three bytes of UTF-8 a token (English has 4 to 5, Chinese 4)."""
    return len(text.encode("utf-8")) // 3 + 1


class RateLimits:
    """requests_per_minute, tokens_per_minute: above 0, None for no limit. For one event loop.

    Raises InputError for any other number.
    """

    def __init__(self, requests_per_minute: float | None = None, tokens_per_minute: float | None = None) -> None:
        self._requests = _bucket(requests_per_minute, "requests_per_minute")
        self._tokens = _bucket(tokens_per_minute, "tokens_per_minute")
        self._turn = asyncio.Lock()

    async def acquire(self, num_tokens: int) -> None:
        """Waits until a request of so many tokens may go."""
        # One at a time: the limiter would let a small request overtake the pieces of a large one for ever.
        async with self._turn:
            if self._requests is not None:
                await self._requests.acquire()
            if self._tokens is not None:
                await _acquire_in_pieces(self._tokens, num_tokens)


async def _acquire_in_pieces(bucket: AsyncLimiter, amount: float) -> None:
    """The bucket holds less than a large request needs."""
    while amount > 0:
        piece = min(amount, bucket.max_rate)
        await bucket.acquire(piece)
        amount -= piece


def _bucket(rate: float | None, name: str) -> AsyncLimiter | None:
    """Holds a burst, and leaks so that the burst and the leak of any 60 s together are `rate`."""
    if rate is None:
        return None
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not (math.isfinite(rate) and rate > 0):
        raise InputError(f"{name} is {rate!r}; give a number above 0, or None for no limit")
    burst = max(1.0, rate * _BURST)
    return AsyncLimiter(burst, 60.0 * burst / (rate - burst + 1.0))
