"""Voyage: `/voyage/v1/rerank`, with `top_k`, `data` and documents as plain strings."""

from typing import Final, NotRequired

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from ..dialect import Dialect
from ..json_response import SafeJSONResponse
from ..notices import DocumentError
from ..problems import Problem
from ..service import RerankCall, RerankService
from .asked import Asked, Documents, filled
from .endpoint import DOCUMENTS, QUERY, Answered, Endpoint, plain_router, serve
from .usage import TotalUsage


def _error(problem: Problem) -> Response:
    status = 400 if problem.kind == "model_not_found" else problem.status
    return SafeJSONResponse({"detail": problem.message}, status, dict(problem.headers))


VOYAGE: Final = Dialect("voyage", _error)


class VoyageRequest(Asked):
    """Voyage's reranker. `truncation: false` refuses the call if a document does not fit."""

    query: str
    documents: Documents
    return_documents: bool | None = Field(None, description="repeat the documents in the answer; default false")
    truncation: bool | None = Field(None, description="cut what does not fit; default true")

    def call(self) -> RerankCall:
        documents = filled(self.documents, "documents")
        return self.rerank_call(self.query, documents, truncate=self.truncation is not False)


class VoyageResult(TypedDict):
    index: int
    relevance_score: float
    document: NotRequired[str]


class VoyageAnswer(TypedDict):
    object: str
    data: list[VoyageResult]
    model: str
    usage: TotalUsage
    errors: NotRequired[list[DocumentError]]


def _answer(asked: VoyageRequest, answered: Answered) -> VoyageAnswer:
    data: list[VoyageResult] = []
    for each in answered.scored:
        result: VoyageResult = {"index": each.index, "relevance_score": each.score}
        if asked.return_documents:
            result["document"] = each.text
        data.append(result)
    usage: TotalUsage = {"total_tokens": answered.tokens}
    answer: VoyageAnswer = {"object": "list", "data": data, "model": answered.model, "usage": usage}
    if answered.errors:
        answer["errors"] = answered.errors
    return answer


VOYAGE_RERANK: Final = Endpoint(
    VOYAGE,
    VoyageRequest,
    _answer,
    VoyageAnswer,
    {"model": "rerank-2.5", "query": QUERY, "documents": DOCUMENTS, "top_k": 1},
)


def voyage_router(service: RerankService) -> APIRouter:
    router = plain_router("Voyage")
    serve(router, service, VOYAGE_RERANK, "/voyage/v1/rerank")
    return router
