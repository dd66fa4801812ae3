"""`Watch`: sees every request from its first byte to its last, and tells those who keep figures, logs and traces.

One plain-ASGI middleware for the request's id, its time, its answer's status and the net under failures, because
each layer of its own would cost every request.
"""

import asyncio
import contextvars
import logging
import random
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, TypeAlias

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .dialect import PROBLEM, DialectTable
from .exchange import CALLER
from .problems import Problem, problem_of
from .service import Answer, Call, Origin

_log = logging.getLogger(__name__)

PathKind: TypeAlias = Literal["api", "health", "page"]
REQUEST_ID: Final = b"x-request-id"
_ID: Final = re.compile(rb"[\w.:/+=@~-]{1,128}", re.ASCII)
"""Of ids that are taken over: what cannot break a header, a log line or a shell."""
_OPEN: Final = ("/health", "/ready", "/live", "/ping", "/metrics")
"""Ends of the paths that load balancers and monitors ask."""
_CLIENT_CLOSED: Final = 499
_ids: Final = random.Random()
"""Seeded by the system once: ids must differ, not be secret, and each question to the system costs 20 µs."""
_RETRY: Final = {"Retry-After": "5"}
_STOPPING: Final = Problem(503, "not_ready", "this server is stopping", headers=_RETRY)
_STOPPED: Final = Problem(503, "not_ready", "this server stopped before the request was done", headers=_RETRY)


class ApiPaths:
    """Which paths belong to the API; whatever else there is belongs to the page."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._exact = frozenset(paths)
        self._health = frozenset(path for path in self._exact if path.endswith(_OPEN))
        self._first_parts = frozenset(_first_part(path) for path in self._exact)

    def kind(self, path: str) -> PathKind:
        """A path that does not exist is the API's if one that begins alike does."""
        if path in self._health:
            return "health"
        return "api" if path in self._exact or _first_part(path) in self._first_parts else "page"


@dataclass(slots=True)
class RequestFacts:
    """What is known of one request; whole once `is_done`.

    kind: see ApiPaths.   started_ns, answered_ns: on the clock of the wall, when it came and when its answer was
    there.   status: 0 = nothing was sent yet.   problem: kind of the Problem that it was answered with.
    call, answer: what reached the service, and what came back.
    """

    request_id: str
    kind: PathKind
    scope: Scope
    started_ns: int
    status: int = 0
    seconds: float = 0.0
    dialect: str = ""
    caller: str | None = None
    problem: str | None = None
    trace_id: str | None = None
    call: Call | None = None
    answer: "Answer | None" = None
    answered_ns: int = 0
    is_done: bool = False

    @property
    def method(self) -> str:
        return str(self.scope["method"])

    @property
    def path(self) -> str:
        return str(self.scope["path"])


CURRENT: Final[contextvars.ContextVar[RequestFacts | None]] = contextvars.ContextVar("finerank_request", default=None)
"""The request that is being answered here, if it is one to the API."""


class Witness(Protocol):
    """Hears of every request to the API when it has been answered."""

    def request_done(self, facts: RequestFacts) -> None: ...


class CallNotes:
    """An Observer: notes with the request what came of its call."""

    def answered(self, origin: Origin, call: Call, answer: Answer) -> None:
        facts = current()
        if facts is not None:
            facts.call, facts.answer, facts.answered_ns = call, answer, time.time_ns()

    def failed(self, origin: Origin, call: Call, error: BaseException) -> None:
        facts = current()
        if facts is not None:
            facts.call = call


@dataclass(slots=True)
class Drain:
    """Is the server about to stop? Then it is not ready, and no connection outlives its answer."""

    is_on: bool = False


@dataclass(slots=True)
class Watch:
    """The outermost layer. What nobody caught becomes an answer; an error's own text stays out of it and of the log."""

    app: ASGIApp
    dialects: DialectTable
    paths: ApiPaths
    drain: Drain
    witnesses: Sequence[Witness] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        facts = RequestFacts(_request_id(scope), self.paths.kind(scope["path"]), scope, time.time_ns())
        started = time.perf_counter()
        id_header = (REQUEST_ID, facts.request_id.encode())
        is_api = facts.kind == "api"
        # Also for the page: a connection's callbacks may carry the context of another request.
        token = CURRENT.set(facts if is_api else None)

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                facts.status = message["status"]
                message["headers"] = [*message.get("headers", ()), id_header]
                if self.drain.is_on:
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        try:
            await self._answer(facts, scope, receive, watched)
        finally:
            CURRENT.reset(token)
            facts.seconds = time.perf_counter() - started
            facts.is_done = True
            if is_api:
                self._tell(facts, scope)

    async def _answer(self, facts: RequestFacts, scope: Scope, receive: Receive, send: Send) -> None:
        if self.drain.is_on and facts.kind == "health" and facts.path.endswith("/ready"):
            return await self.dialects.answer(scope, _STOPPING)(scope, receive, send)
        try:
            await self.app(scope, receive, send)
        except asyncio.CancelledError:
            if facts.status or not self.drain.is_on:
                facts.status = facts.status or _CLIENT_CLOSED
                raise
            await self.dialects.answer(scope, _STOPPED)(scope, receive, send)
        except Exception as error:
            if facts.status and PROBLEM in scope.get("state", {}):
                return  # FastAPI raises what it has answered again
            answer = self.dialects.answer(scope, problem_of(error))
            if not facts.status:
                await answer(scope, receive, send)

    def _tell(self, facts: RequestFacts, scope: Scope) -> None:
        state = scope.get("state", {})
        facts.dialect = self.dialects.of(scope).name
        facts.caller, facts.problem = state.get(CALLER), state.get(PROBLEM)
        for witness in self.witnesses:
            try:
                witness.request_done(facts)
            except Exception:  # figures must not cost an answer
                _log.exception("%s failed", type(witness).__name__)


def current() -> RequestFacts | None:
    """Of the request that is being answered; None outside one, as in the page's own calls."""
    facts = CURRENT.get()
    return None if facts is None or facts.is_done else facts


def _request_id(scope: Scope) -> str:
    """The caller's own if it is harmless, else a new one."""
    for name, value in scope["headers"]:
        if name == REQUEST_ID and _ID.fullmatch(value):
            return str(value, "ascii")
    return f"{_ids.getrandbits(64):016x}"


def _first_part(path: str) -> str:
    return path[1:].partition("/")[0]
