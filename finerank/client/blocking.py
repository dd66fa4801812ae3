"""`BlockingClient`: an asynchronous client for code without an event loop, on a thread of its own."""

import weakref
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError, Future
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, Self, TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

from ..errors import ProviderError


class Closing(Protocol):
    async def close(self) -> None: ...


C = TypeVar("C", bound=Closing)
P = ParamSpec("P")
T = TypeVar("T")


class BlockingClient(Generic[C]):
    """Runs what an asynchronous client does on a thread of its own. May be used from several; ended by `close`."""

    def __init__(self, client: C) -> None:
        self._client = client
        stack = ExitStack()
        self._portal = stack.enter_context(start_blocking_portal("asyncio", name="finerank-client"))
        self._open: set[Future[Any]] = set()
        self._finalizer = weakref.finalize(self, _shut, self._portal, client, self._open, stack)

    def close(self) -> None:
        """Ends the connections and the thread; calls still waiting get a ProviderError."""
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _start(self, work: Callable[[], Awaitable[T]]) -> "Future[T]":
        """Cancelling the future ends its requests."""
        try:
            future: Future[T] = self._portal.start_task_soon(work)
        except RuntimeError:
            raise ProviderError("this client is closed; make a new one") from None
        self._open.add(future)
        future.add_done_callback(self._open.discard)
        return future

    def _wait(self, future: "Future[T]") -> T:
        """Its result. An interrupted call ends its requests."""
        try:
            return future.result()
        except CancelledError:
            raise ProviderError("the client was closed before this call was answered") from None
        except BaseException:
            future.cancel()
            raise


def same_options(make: Callable[P, Any]) -> Callable[[Callable[..., None]], Callable[Concatenate[Any, P], None]]:
    """Says that an `__init__` takes what `make` takes, to type checkers and to `help`, without listing it again."""

    def told(init: Callable[..., None]) -> Callable[Concatenate[Any, P], None]:
        init.__wrapped__ = make.__init__  # type: ignore[attr-defined]
        return init

    return told


def _shut(portal: BlockingPortal, client: Closing, calls: "set[Future[Any]]", stack: ExitStack) -> None:
    for call in list(calls):
        call.cancel()
    with suppress(RuntimeError):  # the thread is gone already
        portal.call(client.close)
    stack.close()
