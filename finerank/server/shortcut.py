"""`Shortcut`: straight to the function of an API route.

FastAPI's way there tries every route in turn and wraps each request in contexts that our routes do not use, which is
most of what a small request costs. The routes stay FastAPI's for all else: the description, wrong methods, the page.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ..errors import FinerankError
from .dialect import DialectTable
from .problems import ProblemError

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]

ANSWERED: Final = (FinerankError, ProblemError, ValidationError)
"""What routes raise on purpose; anything else goes to the net of watch.py."""


class Shortcut:
    """handlers: (method, path) -> a function that takes the request and gives the response."""

    def __init__(self, app: ASGIApp, handlers: Mapping[tuple[str, str], Handler], dialects: DialectTable) -> None:
        self._app = app
        self._handlers = dict(handlers)
        self._dialects = dialects

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        handler = self._handlers.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if handler is None:
            return await self._app(scope, receive, send)
        try:
            response = await handler(Request(scope, receive))
        except ANSWERED as error:
            response = self._dialects.answer(scope, error)
        await response(scope, receive, send)
