"""JSON in: the body of a request, parsed strictly."""

import json
import math
from typing import Any, Final, NoReturn

from starlette.requests import Request

from .problems import Problem, ProblemError, bad_request, json_type


async def json_object(request: Request) -> dict[str, Any]:
    """The body. Raises ProblemError (400) that says where it is not JSON, or what it is instead of an object."""
    body = await _read(request)
    try:
        parsed = _DECODER.decode(body.decode(json.detect_encoding(body), "surrogatepass"))
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


async def _read(request: Request) -> bytes:
    """Most bodies come in one piece, which need not go through a stream."""
    pieces: list[bytes] = []
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ProblemError(Problem(499, "client_closed_request", "the client hung up"))
        pieces.append(message.get("body", b""))
        if not message.get("more_body"):
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _refuse_constant(name: str) -> NoReturn:
    raise bad_request(f"the body has {name}, which is not JSON; leave the field out instead")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise bad_request(f"the body has the number {digits[:20]}, which is too large")
    return value


# Made once: json.loads makes one for every call.
_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)
