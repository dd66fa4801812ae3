"""Errors as HTTP answers: one `Problem` for each exception, and its body in OpenAI's shape.

A dialect with another error shape formats the same `Problem`. No stack trace and no text of a user leaves here.
"""

import logging
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ValidationError

from ..errors import EngineError, InputError, NotReadyError, SettingsError
from .json_response import SafeJSONResponse

_log = logging.getLogger(__name__)

_WRONG_TYPE: Final = {
    "string_type": "must be a string",
    "list_type": "must be a list",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "model_type": "must be an object with query and documents",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """status: of HTTP.   kind: for programs.   param: the field that is wrong, where one is."""

    status: int
    kind: str
    message: str
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class ProblemError(Exception):
    """Raised where the problem is known exactly."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def bad_request(message: str, param: str | None = None) -> ProblemError:
    return ProblemError(Problem(400, "invalid_request_error", message, param))


def problem_of(error: Exception) -> Problem:
    """What to answer. A failure that was not foreseen is logged without its message, which may quote a user's text."""
    if isinstance(error, ProblemError):
        return error.problem
    if isinstance(error, InputError | SettingsError):
        return Problem(400, "invalid_request_error", str(error))
    if isinstance(error, ValidationError):
        return _validation_problem(error)
    if isinstance(error, NotReadyError):
        return Problem(503, "not_ready", str(error), headers={"Retry-After": "5"})
    if isinstance(error, EngineError):
        return Problem(503, "engine_error", str(error), headers={"Retry-After": "1"})
    name = type(error).__name__
    _log.error("unforeseen %s\n%s", name, "".join(traceback.format_tb(error.__traceback__)))
    return Problem(500, "internal_error", f"the server failed on its own side ({name}); its log says where")


def response_to(problem: Problem) -> SafeJSONResponse:
    body: dict[str, Any] = {"message": problem.message, "type": problem.kind, "code": problem.status}
    if problem.param is not None:
        body["param"] = problem.param
    return SafeJSONResponse({"error": body}, problem.status, dict(problem.headers))


def _validation_problem(error: ValidationError) -> Problem:
    """The first wrong field in a sentence."""
    first = error.errors(include_url=False)[0]
    param = ".".join(str(part) for part in first["loc"]) or None
    return Problem(400, "invalid_request_error", f"{param or 'the body'} {_what_is_wrong(first)}", param)


def _what_is_wrong(first: Mapping[str, Any]) -> str:
    kind = first["type"]
    if kind == "missing":
        return "is missing"
    if kind in _WRONG_TYPE:
        return f"{_WRONG_TYPE[kind]}, not {json_type(first['input'])}"
    return f"cannot be used: {first['msg']}"


def json_type(value: object) -> str:
    """How JSON calls the type of a value."""
    names = {bool: "a boolean", str: "a string", list: "a list", dict: "an object", type(None): "null"}
    return names.get(type(value), "a number")
