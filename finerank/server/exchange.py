"""From an HTTP request to the service and back: who asks, how long they wait, and that they are still there."""

import asyncio
import math
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final, TypeVar

from starlette.requests import Request

from ..types import Ranking
from .dialect import Dialect
from .problems import Problem, ProblemError, bad_request
from .service import EmbeddingCall, Origin, RerankCall, RerankService, ScoreCall

if TYPE_CHECKING:
    from ..embedder import Embeddings

T = TypeVar("T")
TIMEOUT: Final = b"x-request-timeout"
_WATCH_AFTER_S: Final = 0.05
CALLER: Final = "finerank_caller"
"""Key of `scope["state"]` under which the guard of keys leaves the caller's name."""


async def ask(request: Request, service: RerankService, call: RerankCall | ScoreCall, dialect: Dialect) -> Ranking:
    """The service's answer to `call`; the call is taken back if the client hangs up. The body must have been read."""
    origin = origin_of(request, dialect)
    if isinstance(call, ScoreCall):
        return await while_connected(request, service.score(call, origin))
    return await while_connected(request, service.rank(call, origin))


async def ask_for_vectors(
    request: Request, service: RerankService, call: EmbeddingCall, dialect: Dialect
) -> "Embeddings":
    """As `ask`, for vectors."""
    return await while_connected(request, service.embed(call, origin_of(request, dialect)))


def origin_of(request: Request, dialect: Dialect) -> Origin:
    """Who asks, and how long they wait. Raises ProblemError."""
    return Origin(
        dialect=dialect.name, caller=request.scope.get("state", {}).get(CALLER), timeout_s=_timeout_s(request)
    )


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Awaits `work`, and cancels it if the caller hangs up. The request's body must have been read.

    Nobody looks before `_WATCH_AFTER_S`: most work is done by then, and a watch costs a task.
    """
    watch = _HangUpWatch(request)
    timer = asyncio.get_running_loop().call_later(_WATCH_AFTER_S, watch.start)
    try:
        return await work
    except asyncio.CancelledError:
        if not watch.has_hung_up:
            raise
        watch.task.uncancel()
        raise ProblemError(Problem(499, "client_closed_request", "the client hung up")) from None
    finally:
        timer.cancel()
        watch.stop()


class _HangUpWatch:
    """Cancels the task that made it when the caller of `request` hangs up."""

    def __init__(self, request: Request) -> None:
        task = asyncio.current_task()
        assert task is not None  # a coroutine runs in a task
        self.task = task
        self.has_hung_up = False
        self._request = request
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._watching = asyncio.get_running_loop().create_task(self._watch())

    def stop(self) -> None:
        if self._watching is not None:
            self._watching.cancel()

    async def _watch(self) -> None:
        while (await self._request.receive())["type"] != "http.disconnect":
            pass
        self.has_hung_up = True
        self.task.cancel()


def _timeout_s(request: Request) -> float | None:
    """Of the header `X-Request-Timeout: 2.5` or `2500ms`. Raises ProblemError."""
    # Not `request.headers`: it decodes and lower-cases all of them.
    text = next((value.decode("latin-1") for name, value in request.scope["headers"] if name == TIMEOUT), None)
    if text is None:
        return None
    number, scale = (text[:-2], 1e-3) if text.endswith("ms") else (text.removesuffix("s"), 1.0)
    try:
        seconds = float(number) * scale
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise bad_request(f"X-Request-Timeout is {text[:40]!r}; give seconds as 2.5 or milliseconds as 2500ms")
    return seconds
