"""JSON in: the body of a request, parsed strictly, and work that ends when the caller hangs up."""

import asyncio
import json
import math
from collections.abc import Coroutine
from typing import Any, NoReturn, TypeVar

from starlette.requests import Request

from .problems import Problem, ProblemError, bad_request, json_type

T = TypeVar("T")


async def json_object(request: Request) -> dict[str, Any]:
    """The body. Raises ProblemError (400) that says where it is not JSON, or what it is instead of an object."""
    body = await request.body()
    try:
        parsed = json.loads(body, parse_constant=_refuse_constant, parse_float=_finite)
    except UnicodeDecodeError as error:
        raise bad_request(f"the body is not UTF-8 (byte {error.start:,}); send JSON as UTF-8") from None
    except json.JSONDecodeError as error:
        raise bad_request(f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise bad_request("the body is nested too deeply to be read") from None
    except ValueError:
        raise bad_request("the body has a number with too many digits") from None
    if not isinstance(parsed, dict):
        raise bad_request(f"the body must be a JSON object, not {json_type(parsed)}")
    return parsed


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Awaits `work`, and cancels it if the caller hangs up. The request's body must have been read."""
    task = asyncio.ensure_future(work)
    hang_up = asyncio.ensure_future(_hang_up(request))
    try:
        await asyncio.wait({task, hang_up}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ProblemError(Problem(499, "client_closed_request", "the client hung up"))
        return task.result()
    finally:
        hang_up.cancel()
        task.cancel()


async def _hang_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _refuse_constant(name: str) -> NoReturn:
    raise bad_request(f"the body has {name}, which is not JSON; leave the field out instead")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise bad_request(f"the body has the number {digits[:20]}, which is too large")
    return value
