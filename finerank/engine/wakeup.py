"""From the engine's thread back into event loops: one wake-up of a loop for all calls that a batch has finished."""

import asyncio
import threading
import weakref
from collections import deque
from functools import partial

from .job import Job

_lock = threading.Lock()
_wakeups: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Wakeup]" = weakref.WeakKeyDictionary()


async def finished(job: Job) -> Job:
    """`job` when it is over. Raises what failed it. Whoever stops waiting cancels it."""
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()
    job.when_over(partial(_wakeup_of(loop).wake, waiter))
    try:
        await waiter
    except asyncio.CancelledError:
        job.cancel()
        raise
    return job.result()


class _Wakeup:
    """Of one loop. A wake-up costs two system calls; a batch finishes many calls at once."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = weakref.ref(loop)  # it is the key of the weak dictionary that holds this object
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._is_coming = False

    def wake(self, waiter: "asyncio.Future[None]") -> None:
        """From any thread."""
        self._waiters.append(waiter)
        loop = self._loop()
        if not self._is_coming and loop is not None and not loop.is_closed():
            self._is_coming = True
            loop.call_soon_threadsafe(self._wake_all)

    def _wake_all(self) -> None:
        self._is_coming = False  # before the waiters are looked at: one that comes now calls again
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)


def _wakeup_of(loop: asyncio.AbstractEventLoop) -> _Wakeup:
    wakeup = _wakeups.get(loop)
    if wakeup is None:
        with _lock:
            wakeup = _wakeups.setdefault(loop, _Wakeup(loop))
    return wakeup
