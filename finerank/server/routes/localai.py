"""LocalAI: `/localai/v1/rerank`."""

from typing import Any, Final, NotRequired

from fastapi import APIRouter
from starlette.responses import Response
from typing_extensions import TypedDict

from ..dialect import Dialect
from ..json_response import SafeJSONResponse
from ..notices import DocumentError
from ..problems import Problem, ProblemError
from ..service import RerankCall, RerankService
from .asked import Asked, Documents, filled
from .endpoint import DOCUMENTS, QUERY, Answered, Endpoint, plain_router, serve
from .usage import DocumentText, Usage, usage

_TOP_N: Final = Problem(422, "top_n", "top_n - should be greater than or equal to 1", "top_n")


def _error(problem: Problem) -> Response:
    """A top_n below 1 is answered with a JSON string."""
    body: Any = {"error": {"code": problem.status, "message": problem.message, "type": ""}}
    if problem.kind == _TOP_N.kind:
        body = problem.message
    return SafeJSONResponse(body, problem.status, dict(problem.headers))


LOCALAI: Final = Dialect("localai", _error)


class LocalAiRequest(Asked):
    """LocalAI's reranker. It always repeats the documents."""

    quiet = frozenset({"backend"})

    query: str
    documents: Documents

    def call(self) -> RerankCall:
        wanted = self.wanted_top_n()
        if wanted is not None and wanted < 1:
            raise ProblemError(_TOP_N)
        return self.rerank_call(self.query, filled(self.documents, "documents"))


class LocalAiResult(TypedDict):
    index: int
    document: DocumentText
    relevance_score: float


class LocalAiAnswer(TypedDict):
    model: str
    usage: Usage
    results: list[LocalAiResult]
    errors: NotRequired[list[DocumentError]]


def _answer(asked: LocalAiRequest, answered: Answered) -> LocalAiAnswer:
    results: list[LocalAiResult] = [
        {"index": each.index, "document": {"text": each.text}, "relevance_score": each.score}
        for each in answered.scored
    ]
    answer: LocalAiAnswer = {"model": answered.model, "usage": usage(answered), "results": results}
    if answered.errors:
        answer["errors"] = answered.errors
    return answer


LOCALAI_RERANK: Final = Endpoint(
    LOCALAI,
    LocalAiRequest,
    _answer,
    LocalAiAnswer,
    {"model": "qwen3-reranker", "query": QUERY, "documents": DOCUMENTS, "top_n": 1},
    more_problems=(_TOP_N,),
)


def localai_router(service: RerankService) -> APIRouter:
    router = plain_router("LocalAI")
    serve(router, service, LOCALAI_RERANK, "/localai/v1/rerank")
    return router
