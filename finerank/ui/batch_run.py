"""`BatchRun`: the queries of a file, a few at a time, with progress, and an end before the end."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Final

from ..errors import OverloadedError
from ..server.problems import problem_of
from ..server.service import Origin, RerankCall, RerankService
from ..types import Ranking
from .batch_file import Item, Outcome

_AT_ONCE: Final = 4
"""Queries under way: enough for the engine to fill its batches, few enough to leave room for other callers."""
_TRIES: Final = 8
_LONGEST_WAIT_S: Final = 30.0
_REPORT_S: Final = 0.5


class BatchRun:
    """Runs once. `cancel` may be called from elsewhere; what is done by then stays in `outcomes`."""

    def __init__(
        self, service: RerankService, origin: Origin, items: Sequence[Item], instruction: str, model: str | None
    ) -> None:
        self._service = service
        self._origin = origin
        self._items = items
        self._instruction = instruction
        self._model = model
        self._done: list[Outcome | None] = [
            None if item.error is None else Outcome(item, error=item.error) for item in items
        ]
        self._cancelled = asyncio.Event()
        self._started = time.monotonic()

    @property
    def outcomes(self) -> list[Outcome]:
        """Of the items that are done, in the order of the file."""
        return [each for each in self._done if each is not None]

    @property
    def num_errors(self) -> int:
        return sum(each.ranking is None for each in self.outcomes)

    @property
    def is_cancelled(self) -> bool:
        return self._cancelled.is_set()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def cancel(self) -> None:
        self._cancelled.set()

    async def run(self) -> AsyncIterator[float | None]:
        """Yields the seconds left, None as long as they are not known, every now and then until all is done."""
        waiting = [index for index, each in enumerate(self._done) if each is None]
        count, reported = len(waiting), 0.0
        stop = asyncio.create_task(self._cancelled.wait())
        running: set[asyncio.Task[None]] = set()
        try:
            while (waiting or running) and not self.is_cancelled:
                while waiting and len(running) < _AT_ONCE:
                    running.add(asyncio.create_task(self._answer(waiting.pop(0))))
                done, _ = await asyncio.wait({*running, stop}, return_when=asyncio.FIRST_COMPLETED, timeout=_REPORT_S)
                running -= done
                if time.monotonic() - reported > _REPORT_S:
                    reported = time.monotonic()
                    yield self._seconds_left(count, len(waiting) + len(running))
        finally:
            for task in (*running, stop):
                task.cancel()

    async def _answer(self, index: int) -> None:
        item = self._items[index]
        try:
            self._done[index] = Outcome(item, await self._rank(item))
        except Exception as error:
            self._done[index] = Outcome(item, error=problem_of(error).message)

    async def _rank(self, item: Item) -> Ranking:
        """A batch has time: when the server is full it waits and tries again."""
        call = RerankCall(
            query=item.query,
            documents=item.documents,
            instruction=item.instruction or self._instruction,
            model=self._model,
        )
        for _ in range(_TRIES - 1):
            try:
                return await self._service.rank(call, self._origin)
            except OverloadedError as error:
                await asyncio.sleep(min(error.retry_after_s, _LONGEST_WAIT_S))
        return await self._service.rank(call, self._origin)

    def _seconds_left(self, count: int, left: int) -> float | None:
        done = count - left
        return self.seconds / done * left if done else None
