"""Jina: `/jina/v1/rerank`."""

from typing import Any, Final, NotRequired

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
from .usage import DocumentText, Usage, usage

_STATUSES: Final = {"model_not_found": 400}
_CODES: Final = {"model_not_found": "INPUT_MODEL_NOT_FOUND", "unauthorized": "AUTH_INVALID_API_KEY"}


def _error(problem: Problem) -> Response:
    """What is wrong with the input is a 422, as everywhere behind FastAPI, except the name of a model."""
    status = _STATUSES.get(problem.kind, 422 if problem.status == 400 else problem.status)
    body: dict[str, Any] = {"detail": problem.message}
    if problem.kind in _CODES:
        body["code"] = _CODES[problem.kind]
    return SafeJSONResponse(body, status, dict(problem.headers))


JINA: Final = Dialect("jina", _error)


class JinaRequest(Asked):
    """Jina's reranker."""

    idle = frozenset({"max_chunks_per_doc"})
    quiet = frozenset({"user"})

    query: str
    documents: Documents
    return_documents: bool | None = Field(None, description="repeat the documents in the answer; default true")

    def call(self) -> RerankCall:
        return self.rerank_call(self.query, filled(self.documents, "documents"))


class JinaResult(TypedDict):
    index: int
    relevance_score: float
    document: NotRequired[DocumentText]


class JinaAnswer(TypedDict):
    model: str
    object: str
    usage: Usage
    results: list[JinaResult]
    errors: NotRequired[list[DocumentError]]


def _answer(asked: JinaRequest, answered: Answered) -> JinaAnswer:
    results: list[JinaResult] = []
    for each in answered.scored:
        result: JinaResult = {"index": each.index, "relevance_score": each.score}
        if asked.return_documents is not False:
            result["document"] = {"text": each.text}
        results.append(result)
    answer: JinaAnswer = {"model": answered.model, "object": "list", "usage": usage(answered), "results": results}
    if answered.errors:
        answer["errors"] = answered.errors
    return answer


JINA_RERANK: Final = Endpoint(
    JINA,
    JinaRequest,
    _answer,
    JinaAnswer,
    {"model": "jina-reranker-v2-base-multilingual", "query": QUERY, "documents": DOCUMENTS, "top_n": 1},
)


def jina_router(service: RerankService) -> APIRouter:
    router = plain_router("Jina")
    serve(router, service, JINA_RERANK, "/jina/v1/rerank")
    return router
