"""One request to a provider, and patience: retries, Retry-After, limits, bounded concurrency. Knows no wire format."""

import asyncio
import logging
import math
import random
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from .. import __version__
from ..errors import InputError, ProviderError, UnreachableError
from .answers import UnusableAnswerError, parse_json
from .failures import on_one_line, refusal, retry_after_s, sentence_of
from .keys import ApiKey
from .limits import RateLimits
from .providers import Provider

_log = logging.getLogger(__name__)

T = TypeVar("T")

_LONGEST_CONNECT_S: Final = 10.0
_NEVER_RETRIED: Final = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)
_CUT: Final = (httpx.NetworkError, httpx.ProxyError, httpx.RemoteProtocolError)


@dataclass(frozen=True, slots=True)
class Retry:
    """What is done about 429, 5xx, timeouts and cut connections. Other answers are never asked for again.

    retries: how often, after the first try; 0 = never.
    first_wait_s, factor: seconds before the first retry, and by how much each further wait is longer.
    jitter: share in [0, 1] by which a wait is varied, so that callers that failed together do not return together.
    longest_wait_s: no wait is longer; if the server's Retry-After asks for more, the call fails at once.
    Raises InputError for values out of range.
    """

    retries: int = 3
    first_wait_s: float = 1.0
    factor: float = 2.0
    jitter: float = 0.1
    longest_wait_s: float = 60.0

    def __post_init__(self) -> None:
        if isinstance(self.retries, bool) or not isinstance(self.retries, int) or self.retries < 0:
            raise InputError(f"retries is {self.retries!r}; give a whole number of at least 0")
        _check_range("first_wait_s", self.first_wait_s, 0.0, math.inf)
        _check_range("factor", self.factor, 1.0, 100.0)
        _check_range("jitter", self.jitter, 0.0, 1.0)
        _check_range("longest_wait_s", self.longest_wait_s, 0.0, math.inf)

    def wait_s(self, num_tries: int) -> float:
        """Seconds to wait after so many tries, where the server asks for no other wait."""
        exponent = min(num_tries - 1, 64)  # more would overflow
        return min(self.longest_wait_s, self.first_wait_s * self.factor**exponent) * self._varied(-self.jitter)

    def wait_asked_s(self, asked_s: float) -> float:
        """Seconds to wait where the server asks for `asked_s`; never fewer."""
        return asked_s * self._varied(0.0)

    def _varied(self, least: float) -> float:
        return 1.0 + random.uniform(least, self.jitter)


@dataclass(frozen=True, slots=True)
class Reply:
    """body: parsed JSON."""

    status: int
    headers: Mapping[str, str]
    body: Any


class _PassingError(Exception):
    """A failure that may pass.   error: what it is if it does not.   asked_s: of Retry-After."""

    def __init__(self, error: ProviderError, asked_s: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.asked_s = asked_s


class Transport:
    """Posts JSON to one address. For one event loop; `close` ends its connections.

    timeout_s: of one try, from the first byte sent to the last one read, waits for a connection included.
    max_concurrency: most requests under way at once.   transport: in place of the network, for tests.
    Raises InputError for numbers out of range.
    """

    def __init__(
        self,
        provider: Provider,
        url: str,
        key: ApiKey | None,
        *,
        retry: Retry,
        timeout_s: float,
        limits: RateLimits,
        max_concurrency: int,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        _check_range("timeout_s", timeout_s, 0.001, math.inf)
        if isinstance(max_concurrency, bool) or not isinstance(max_concurrency, int) or max_concurrency < 1:
            raise InputError(f"max_concurrency is {max_concurrency!r}; give a whole number of at least 1")
        self._provider = provider
        self._url = url
        self._key = key
        self._retry = retry
        self._timeout_s = timeout_s
        self._limits = limits
        self._slots = asyncio.Semaphore(max_concurrency)
        self._http = httpx.AsyncClient(
            follow_redirects=False,  # the key and the texts are for this host alone
            headers={"Accept": "application/json", "User-Agent": f"finerank/{__version__}"},
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, _LONGEST_CONNECT_S)),
            limits=httpx.Limits(max_connections=max_concurrency),
            transport=transport,
        )

    async def post(self, body: Mapping[str, Any], num_tokens: int) -> Reply:
        """num_tokens: what the request counts for the limit of tokens.

        Raises ProviderError and its kinds.
        """
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(_PassingError),
            wait=self._wait_s,
            stop=self._is_enough,
            before_sleep=self._note,
            reraise=True,
        )
        try:
            return await retrying(self._try, body, num_tokens)
        except _PassingError as failure:
            tries: int = retrying.statistics["attempt_number"]
            raise self._given_up(failure, tries) from failure.__cause__

    async def close(self) -> None:
        await self._http.aclose()

    async def _try(self, body: Mapping[str, Any], num_tokens: int) -> Reply:
        async with self._slots:
            await self._limits.acquire(num_tokens)
            response = await self._send(body)
        status = response.status_code
        if response.is_success:
            try:
                return Reply(status, response.headers, parse_json(response.content, _content_type(response)))
            except UnusableAnswerError as error:
                raise self.unusable(error, status) from None
        refused = refusal(self._provider, status, self._sentence(response))
        if status == 429 or status >= 500:
            raise _PassingError(refused, retry_after_s(response.headers))
        raise refused

    def unusable(self, error: UnusableAnswerError, status: int) -> ProviderError:
        said = f"{self._provider.name} gave an answer ({status}) that cannot be used: {error}"
        return ProviderError(on_one_line(self._without_key(said)), status)

    def _given_up(self, failure: _PassingError, tries: int) -> ProviderError:
        """The error, and why it is final."""
        error, asked_s = failure.error, failure.asked_s
        if asked_s is not None and asked_s > self._retry.longest_wait_s:
            why = f"it asks for a wait of {asked_s:,.0f} s, longest_wait_s is {self._retry.longest_wait_s:g}"
            return type(error)(f"{error} ({why})", error.status)
        return type(error)(f"{error} (after {tries} tries)", error.status) if tries > 1 else error

    async def _send(self, body: Mapping[str, Any]) -> httpx.Response:
        headers = self._key.header() if self._key is not None else {}
        try:
            # httpx limits each read; a server that sends a byte now and then would never be late.
            async with asyncio.timeout(self._timeout_s):
                return await self._http.post(self._url, json=body, headers=headers)
        except (TimeoutError, httpx.TimeoutException) as error:
            late = f"{self._place} did not answer within {self._timeout_s:g} s"
            raise _PassingError(UnreachableError(f"{late}; raise timeout_s, or send less at once")) from error
        except _NEVER_RETRIED as error:
            raise UnreachableError(f"{self._place} cannot be asked: {self._reason(error)}") from error
        except _CUT as error:
            cut = f"{self._place} could not be reached ({self._reason(error)})"
            remedy = "check base_url, the network, and that the server runs"
            raise _PassingError(UnreachableError(f"{cut}; {remedy}")) from error
        except httpx.HTTPError as error:
            raise ProviderError(f"{self._place} gave an answer that cannot be read: {self._reason(error)}") from error

    @property
    def _place(self) -> str:
        return f"{self._provider.name} at {self._url}"

    def _sentence(self, response: httpx.Response) -> str:
        return sentence_of(response.content, _content_type(response), self._without_key)

    def _reason(self, error: Exception) -> str:
        line = (str(error) or type(error).__name__).splitlines()[0]
        return self._without_key(f"{type(error).__name__}: {line}" if str(error) else line)

    def _without_key(self, text: str) -> str:
        return self._key.hidden_in(text) if self._key is not None else text

    def _wait_s(self, state: RetryCallState) -> float:
        asked_s = _failure_of(state).asked_s
        return self._retry.wait_s(state.attempt_number) if asked_s is None else self._retry.wait_asked_s(asked_s)

    def _is_enough(self, state: RetryCallState) -> bool:
        asked_s = _failure_of(state).asked_s
        asks_too_much = asked_s is not None and asked_s > self._retry.longest_wait_s
        return state.attempt_number > self._retry.retries or asks_too_much

    def _note(self, state: RetryCallState) -> None:
        """Without the provider's sentence, which may quote a user's text."""
        status = _failure_of(state).error.status or "no answer"
        _log.info("%s: %s; trying again in %.1f s", self._provider.name, status, state.upcoming_sleep)


async def all_of(requests: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """What came of requests that are made at the same time, in order. The first failure ends the others."""
    tasks: list[asyncio.Task[T]] = []
    try:
        async with asyncio.TaskGroup() as group:
            tasks += [group.create_task(each) for each in requests]
    except* Exception as failures:
        first: BaseException = failures
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        error = first
    else:
        return [task.result() for task in tasks]
    raise error


def _content_type(response: httpx.Response) -> str:
    return str(response.headers.get("content-type", "")).partition(";")[0].strip()


def _failure_of(state: RetryCallState) -> _PassingError:
    error = state.outcome.exception() if state.outcome is not None else None
    if not isinstance(error, _PassingError):  # tenacity asks only after one
        raise TypeError(f"no failure to wait for, but {error!r}")
    return error


def _check_range(name: str, value: float, least: float, most: float) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not least <= value <= most or math.isnan(value) or math.isinf(value):
        upper = f" and at most {most:g}" if math.isfinite(most) else ""
        raise InputError(f"{name} is {value!r}; give a number of at least {least:g}{upper}")
