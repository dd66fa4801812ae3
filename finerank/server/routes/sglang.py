"""SGLang: `/sglang/v1/rerank`, whose answer is a bare array."""

from typing import Final

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from ..dialect import Dialect
from ..json_response import SafeJSONResponse
from ..problems import Problem
from ..service import RerankCall, RerankService
from .asked import Asked, Documents, Query, filled, with_content
from .endpoint import DOCUMENTS, QUERY, Answered, Endpoint, plain_router, serve
from .health import add_health
from .models import add_models

_TYPES: Final = {400: "BadRequestError", 404: "NotFoundError", 500: "InternalServerError"}


def _error(problem: Problem) -> Response:
    kind = _TYPES.get(problem.status, problem.kind)
    body = {
        "object": "error",
        "message": problem.message,
        "type": kind,
        "param": problem.param,
        "code": problem.status,
    }
    return SafeJSONResponse(body, problem.status, dict(problem.headers))


SGLANG: Final = Dialect("sglang", _error)


class SglangRequest(Asked):
    """SGLang's reranker."""

    quiet = frozenset({"user", "rid"})

    query: Query
    documents: Documents
    return_documents: bool | None = Field(None, description="repeat the documents in the answer; default true")

    def call(self) -> RerankCall:
        return self.rerank_call(self.query, with_content(filled(self.documents, "documents")))


class SglangResult(TypedDict):
    score: float
    document: str | None
    index: int
    meta_info: None


def _answer(asked: SglangRequest, answered: Answered) -> list[SglangResult]:
    has_documents = asked.return_documents is not False
    return [
        {
            "score": each.score,
            "document": each.text if has_documents else None,
            "index": each.index,
            "meta_info": None,
        }
        for each in answered.scored
    ]


SGLANG_RERANK: Final = Endpoint(
    SGLANG,
    SglangRequest,
    _answer,
    list[SglangResult],
    {"query": QUERY, "documents": DOCUMENTS, "instruct": "Retrieve the passage that explains the alarm", "top_n": 1},
)


def sglang_router(service: RerankService) -> APIRouter:
    router = plain_router("SGLang")
    serve(router, service, SGLANG_RERANK, "/sglang/v1/rerank")
    add_health(router, "/sglang/health", SGLANG)
    add_models(router, service, "/sglang/v1/models", SGLANG)
    return router
