"""SiliconFlow: `/siliconflow/v1/rerank`."""

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
from .asked import Asked, DocumentOrList, filled
from .endpoint import DOCUMENTS, QUERY, Answered, Endpoint, plain_router, serve
from .usage import DocumentText, TokenPair, new_id, token_pair

_BARE: Final = frozenset({401, 404, 405, 504})
"""Statuses whose body is a JSON string, not an object."""
_CODES: Final = {400: 20015, 413: 20015, 503: 50505}


def _error(problem: Problem) -> Response:
    if problem.kind == "model_not_found":
        return SafeJSONResponse({"code": 20012, "message": problem.message, "data": None}, 400)
    body: Any = problem.message
    if problem.status not in _BARE:
        body = {"message": problem.message, "data": None}
        if problem.status in _CODES:
            body["code"] = _CODES[problem.status]
    return SafeJSONResponse(body, problem.status, dict(problem.headers))


SILICONFLOW: Final = Dialect("siliconflow", _error)


class SiliconFlowRequest(Asked):
    """SiliconFlow's reranker, the hosted Qwen3-Reranker."""

    idle = frozenset({"max_chunks_per_doc", "overlap_tokens"})

    query: str
    documents: DocumentOrList
    return_documents: bool | None = Field(None, description="repeat the documents in the answer; default false")

    def call(self) -> RerankCall:
        return self.rerank_call(self.query, filled(self.documents, "documents"))


class SiliconFlowResult(TypedDict):
    index: int
    relevance_score: float
    document: NotRequired[DocumentText]


class SiliconFlowAnswer(TypedDict):
    id: str
    results: list[SiliconFlowResult]
    tokens: TokenPair
    errors: NotRequired[list[DocumentError]]


def _answer(asked: SiliconFlowRequest, answered: Answered) -> SiliconFlowAnswer:
    results: list[SiliconFlowResult] = []
    for each in answered.scored:
        result: SiliconFlowResult = {"index": each.index, "relevance_score": each.score}
        if asked.return_documents:
            result["document"] = {"text": each.text}
        results.append(result)
    answer: SiliconFlowAnswer = {"id": new_id(), "results": results, "tokens": token_pair(answered)}
    if answered.errors:
        answer["errors"] = answered.errors
    return answer


SILICONFLOW_RERANK: Final = Endpoint(
    SILICONFLOW,
    SiliconFlowRequest,
    _answer,
    SiliconFlowAnswer,
    {
        "model": "Qwen/Qwen3-Reranker-0.6B",
        "query": QUERY,
        "documents": DOCUMENTS,
        "instruction": "Given a technician's question, retrieve the manual passage that explains it",
        "return_documents": True,
    },
)


def siliconflow_router(service: RerankService) -> APIRouter:
    router = plain_router("SiliconFlow")
    serve(router, service, SILICONFLOW_RERANK, "/siliconflow/v1/rerank")
    return router
