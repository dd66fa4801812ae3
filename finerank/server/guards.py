"""What stands before all routes, the page's included: a limit on bodies, hints for wrong paths, a net for failures.

Plain ASGI, so that answers stream and a hang-up is seen.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .problems import Problem, ProblemError, problem_of, response_to

_READ_ON: Final = 4
"""A body over the limit is read on (and thrown away) up to this many limits: a client reads no answer while it is
still writing."""


class FailureNet:
    """Turns whatever nobody caught into an answer. Innermost text of an error stays out of it and out of the log."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        has_started = False

        async def watched(message: Message) -> None:
            nonlocal has_started
            has_started = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            problem = problem_of(error)
            if not has_started:
                await response_to(problem)(scope, receive, send)


class BodyLimit:
    """Refuses bodies of more than `max_bytes` with 413, announced or not, without keeping them."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        if _announced_bytes(scope) > self._max_bytes:
            await self._throw_away(receive, 0)
            return await response_to(self._problem())(scope, receive, send)
        num_bytes = 0

        async def counted() -> Message:
            nonlocal num_bytes
            message = await receive()
            num_bytes += len(message.get("body", b""))
            if num_bytes > self._max_bytes:
                await self._throw_away(receive, num_bytes)
                raise ProblemError(self._problem())
            return message

        await self._app(scope, counted, send)

    async def _throw_away(self, receive: Receive, num_bytes: int) -> None:
        while num_bytes < _READ_ON * self._max_bytes:
            message = await receive()
            num_bytes += len(message.get("body", b""))
            if message["type"] != "http.request" or not message.get("more_body"):
                return

    def _problem(self) -> Problem:
        limit = f"{self._max_bytes:,} bytes"
        message = f"the body is larger than {limit}; send fewer documents at once, or raise --max-body-bytes"
        return Problem(413, "payload_too_large", message)


class PathHints:
    """Answers a path that does not exist with the one that was probably meant.

    paths: every path of the API with its methods. The page is mounted at the root and would answer with its own 404.
    """

    def __init__(self, app: ASGIApp, paths: Mapping[str, str]) -> None:
        self._app = app
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        is_replaced = False

        async def hinted(message: Message) -> None:
            nonlocal is_replaced
            if message["type"] == "http.response.start" and message["status"] in (404, 405):
                is_replaced = True
                await response_to(self._problem(scope["path"], scope["method"]))(scope, receive, send)
            elif not is_replaced:
                await send(message)

        await self._app(scope, receive, hinted)

    def _problem(self, path: str, method: str) -> Problem:
        if path in self._paths:
            allowed = self._paths[path]
            return Problem(405, "method_not_allowed", f"{path} takes {allowed}, not {method}", None, {"Allow": allowed})
        near = get_close_matches(path, self._paths, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(self._paths))}"
        return Problem(404, "not_found", f"there is no {path[:100]} here; {hint}")


def _announced_bytes(scope: Scope) -> int:
    value = dict(scope["headers"]).get(b"content-length", b"0")
    return int(value) if value.isdigit() else 0
