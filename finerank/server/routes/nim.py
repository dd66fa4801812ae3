"""NVIDIA NIM: `/v1/ranking`, with passages and logits."""

from typing import Any, Final, NotRequired

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from typing_extensions import TypedDict

from ...errors import NotReadyError
from ..dialect import Dialect
from ..json_response import SafeJSONResponse
from ..notices import DocumentError
from ..openapi import errors, success
from ..problems import Problem, bad_request
from ..service import RerankCall, RerankService
from .asked import Asked, Documents, Query, filled
from .endpoint import DOCUMENTS, QUERY, Answered, Endpoint, plain_router, serve
from .models import add_models


def _error(problem: Problem) -> Response:
    body = {"object": "error", "message": problem.message, "detail": {}, "type": problem.kind}
    return SafeJSONResponse(body, problem.status, dict(problem.headers))


NIM: Final = Dialect("nim", _error)


class NimRequest(Asked):
    """NIM's ranking. `truncate: NONE` refuses the call if a passage does not fit."""

    query: Query
    passages: Documents
    truncate: str | None = Field(None, description="END (the default) or NONE")

    def call(self) -> RerankCall:
        if self.truncate not in (None, "END", "NONE"):
            raise bad_request("truncate must be END or NONE", "truncate")
        return self.rerank_call(self.query, filled(self.passages, "passages"), truncate=self.truncate != "NONE")


class NimRank(TypedDict):
    index: int
    logit: float


class NimAnswer(TypedDict):
    rankings: list[NimRank]
    errors: NotRequired[list[DocumentError]]


def _answer(asked: NimRequest, answered: Answered) -> NimAnswer:
    answer: NimAnswer = {"rankings": [{"index": each.index, "logit": each.log_odds} for each in answered.scored]}
    if answered.errors:
        answer["errors"] = answered.errors
    return answer


NIM_RANKING: Final = Endpoint(
    NIM,
    NimRequest,
    _answer,
    NimAnswer,
    {
        "model": "nvidia/llama-3.2-nv-rerankqa-1b-v2",
        "query": {"text": QUERY},
        "passages": [{"text": text} for text in DOCUMENTS],
        "truncate": "END",
    },
)


class NimHealth(TypedDict):
    object: str
    message: str
    status: str


def nim_router(service: RerankService) -> APIRouter:
    router = plain_router("NIM")
    serve(router, service, NIM_RANKING, "/v1/ranking", "/nim/v1/ranking")
    add_models(router, service, "/nim/v1/models", NIM)

    async def live(request: Request) -> Response:
        """200 as long as the process answers."""
        return SafeJSONResponse(_health("live"))

    async def ready(request: Request) -> Response:
        """200 once the model is loaded."""
        if not service.pool.default.is_ready:
            raise NotReadyError(service.pool.default.why_not())
        return SafeJSONResponse(_health("ready"))

    for path, handler in (("live", live), ("ready", ready)):
        described: dict[int | str, dict[str, Any]] = {200: success(NimHealth, _health(path)), **errors(NIM)}
        router.add_api_route(f"/nim/v1/health/{path}", handler, responses=described)
    return router


def _health(status: str) -> NimHealth:
    return {"object": "health.response", "message": f"Service is {status}.", "status": status}
