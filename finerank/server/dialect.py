"""`Dialect`: what a wire dialect calls itself and how it says that something went wrong.

Guards, keys and limits stand before all routes, so the shape of an error is chosen by path; a handler that learns the
dialect only from the body (TEI on `/rerank`) says so with `speak`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from .json_response import SafeJSONResponse
from .problems import Problem, ProblemError, problem_of

_SPOKEN: Final = "finerank_dialect"
EMPTY: Final = "empty_input"
"""Kind of the problem that there is nothing to rank; some dialects answer it differently."""
PROBLEM: Final = "finerank_problem"
"""Key of `scope["state"]` with the kind of the problem that the request was answered with, for metrics and logs."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """name: in metrics and logs.   answer: a problem as this dialect's clients expect it, status included."""

    name: str
    answer: Callable[[Problem], Response]


def openai_answer(problem: Problem) -> Response:
    """OpenAI's and vLLM's shape."""
    body: dict[str, Any] = {"message": problem.message, "type": problem.kind, "code": problem.status}
    if problem.param is not None:
        body["param"] = problem.param
    return SafeJSONResponse({"error": body}, problem.status, dict(problem.headers))


FINERANK: Final = Dialect("finerank", openai_answer)


class DialectTable:
    """Path -> dialect: exact paths first, then the longest prefix such as `/cohere`, else our own."""

    def __init__(self, paths: Mapping[str, Dialect], prefixes: Mapping[str, Dialect]) -> None:
        self._paths = dict(paths)
        self._prefixes = sorted(prefixes.items(), key=lambda item: -len(item[0]))

    def of(self, scope: Scope) -> Dialect:
        spoken: Dialect | None = scope.get("state", {}).get(_SPOKEN)
        if spoken is not None:
            return spoken
        path: str = scope["path"]
        exact = self._paths.get(path)
        if exact is not None:
            return exact
        return next((dialect for prefix, dialect in self._prefixes if path.startswith(f"{prefix}/")), FINERANK)

    def answer(self, scope: Scope, error: Exception | Problem) -> Response:
        """What to answer to an error on the way of this request."""
        problem = error if isinstance(error, Problem) else problem_of(error)
        scope.setdefault("state", {})[PROBLEM] = problem.kind
        return self.of(scope).answer(problem)


def speak(request: Request, dialect: Dialect) -> None:
    """This request's errors are `dialect`'s from now on, whatever its path says."""
    request.scope.setdefault("state", {})[_SPOKEN] = dialect


__all__ = [
    "EMPTY",
    "FINERANK",
    "PROBLEM",
    "Dialect",
    "DialectTable",
    "Problem",
    "ProblemError",
    "openai_answer",
    "speak",
]
