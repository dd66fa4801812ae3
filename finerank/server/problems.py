"""What went wrong, for HTTP: one `Problem` for each exception; each dialect puts it into its own shape (dialect.py).

No stack trace and no text of a user leaves here.
"""

import logging
import math
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ValidationError

from ..errors import (
    DeadlineError,
    EngineError,
    InputError,
    ModelError,
    NotReadyError,
    OverloadedError,
    ProviderError,
    RetrievalError,
    SelfTestError,
    SettingsError,
    UnknownModelError,
)

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
    if isinstance(error, UnknownModelError):
        return Problem(404, "model_not_found", str(error), "model")
    if isinstance(error, OverloadedError):
        retry_after = {"Retry-After": str(math.ceil(error.retry_after_s))}
        return Problem(503, "overloaded", str(error), headers=retry_after)
    if isinstance(error, DeadlineError):
        return Problem(504, "deadline_exceeded", str(error))
    if isinstance(error, ProviderError):
        return Problem(502, "provider_error", str(error))
    if isinstance(error, ModelError | SelfTestError):
        return Problem(422, "model_error", str(error), "model")
    if isinstance(error, NotReadyError):
        return Problem(503, "not_ready", str(error), headers={"Retry-After": "5"})
    if isinstance(error, RetrievalError):
        return Problem(503, "index_unavailable", str(error), headers={"Retry-After": "5"})
    if isinstance(error, EngineError):
        return Problem(503, "engine_error", str(error), headers={"Retry-After": "1"})
    name = type(error).__name__
    _log.error("unforeseen %s\n%s", name, "".join(traceback.format_tb(error.__traceback__)))
    return Problem(500, "internal_error", f"the server failed on its own side ({name}); its log says where")


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
