"""Infinity: `/infinity/rerank`, with documents as plain strings."""

import time
from typing import Any, Final, NotRequired

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from ..dialect import EMPTY, Dialect
from ..json_response import SafeJSONResponse
from ..notices import DocumentError
from ..problems import Problem
from ..service import RerankCall, RerankService
from .asked import Asked, Documents, filled
from .endpoint import DOCUMENTS, QUERY, Answered, Endpoint, plain_router, serve
from .health import add_health
from .usage import Usage, new_uuid, usage

_ANY_MODEL: Final = "default/not-specified"
_STATUSES: Final = {"model_not_found": 400, "overloaded": 429, "engine_error": 500, "provider_error": 500}


def _error(problem: Problem) -> Response:
    """Three shapes: the key's, FastAPI's for input that cannot be used and wrong paths, OpenAI's for the rest."""
    status = _STATUSES.get(problem.kind, problem.status)
    headers = dict(problem.headers)
    if problem.status == 401:
        return SafeJSONResponse({"detail": "Unauthorized"}, 401, {"WWW-Authenticate": "Bearer", **headers})
    if problem.kind in ("invalid_request_error", EMPTY):
        place = ["body", *([problem.param] if problem.param else [])]
        detail = [{"type": "value_error", "loc": place, "msg": problem.message}]
        return SafeJSONResponse({"detail": detail}, 422, headers)
    if problem.kind in ("not_found", "method_not_allowed"):
        return SafeJSONResponse({"detail": problem.message}, status, headers)
    body = {"message": problem.message, "type": None, "param": None, "code": status}
    return SafeJSONResponse({"error": body}, status, headers)


INFINITY: Final = Dialect("infinity", _error)


class InfinityRequest(Asked):
    """Infinity's reranker."""

    query: str
    documents: Documents
    return_documents: bool | None = Field(None, description="repeat the documents in the answer; default false")
    raw_scores: bool | None = Field(None, description="log-odds instead of probabilities")

    def call(self) -> RerankCall:
        return self.rerank_call(self.query, filled(self.documents, "documents"))

    def wanted_model(self) -> str | None:
        return None if self.model == _ANY_MODEL else super().wanted_model()


class InfinityResult(TypedDict):
    relevance_score: float
    index: int
    document: str | None


class InfinityAnswer(TypedDict):
    object: str
    results: list[InfinityResult]
    model: str
    usage: Usage
    id: str
    created: int
    errors: NotRequired[list[DocumentError]]


def _answer(asked: InfinityRequest, answered: Answered) -> InfinityAnswer:
    results: list[InfinityResult] = [
        {
            "relevance_score": each.log_odds if asked.raw_scores else each.score,
            "index": each.index,
            "document": each.text if asked.return_documents else None,
        }
        for each in answered.scored
    ]
    answer: InfinityAnswer = {
        "object": "rerank",
        "results": results,
        "model": answered.model,
        "usage": usage(answered),
        "id": f"infinity-{new_uuid()}",
        "created": int(time.time()),
    }
    if answered.errors:
        answer["errors"] = answered.errors
    return answer


_EXAMPLE: Final[dict[str, Any]] = {"query": QUERY, "documents": DOCUMENTS, "return_documents": True, "top_n": 1}
INFINITY_RERANK: Final = Endpoint(INFINITY, InfinityRequest, _answer, InfinityAnswer, _EXAMPLE)


def infinity_router(service: RerankService) -> APIRouter:
    router = plain_router("Infinity")
    serve(router, service, INFINITY_RERANK, "/infinity/rerank")
    add_health(router, "/infinity/health", INFINITY)
    return router
