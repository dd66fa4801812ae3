"""From an HTTP request to the service and back: who asks, how long they wait, and that they are still there."""

import asyncio
import math
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from starlette.requests import Request

from ..types import Ranking
from .dialect import Dialect
from .problems import Problem, ProblemError, bad_request
from .service import Origin, RerankCall, RerankService, ScoreCall

T = TypeVar("T")
TIMEOUT: Final = "x-request-timeout"
CALLER: Final = "finerank_caller"
"""Key of `scope["state"]` under which the guard of keys leaves the caller's name."""


async def ask(request: Request, service: RerankService, call: RerankCall | ScoreCall, dialect: Dialect) -> Ranking:
    """The service's answer to `call`; the call is taken back if the client hangs up. The body must have been read."""
    origin = Origin(
        dialect=dialect.name, caller=request.scope.get("state", {}).get(CALLER), timeout_s=_timeout_s(request)
    )
    if isinstance(call, ScoreCall):
        return await while_connected(request, service.score(call, origin))
    return await while_connected(request, service.rank(call, origin))


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Awaits `work`, and cancels it if the caller hangs up. The request's body must have been read."""
    task = asyncio.ensure_future(work)
    watch = asyncio.ensure_future(_cancel_on_hang_up(request, task))
    try:
        return await task
    except asyncio.CancelledError:
        if watch.done():
            raise ProblemError(Problem(499, "client_closed_request", "the client hung up")) from None
        raise
    finally:
        watch.cancel()
        task.cancel()


async def _cancel_on_hang_up(request: Request, task: "asyncio.Future[Any]") -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    task.cancel()


def _timeout_s(request: Request) -> float | None:
    """Of the header `X-Request-Timeout: 2.5` or `2500ms`. Raises ProblemError."""
    text = request.headers.get(TIMEOUT)
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
