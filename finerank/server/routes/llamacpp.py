"""llama.cpp's `llama-server`: four paths under `/llamacpp`; with `texts` it answers as TEI does."""

from typing import Final, NotRequired

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from ..dialect import Dialect
from ..json_response import SafeJSONResponse
from ..notices import DocumentError
from ..problems import Problem, bad_request
from ..service import RerankCall, RerankService
from .asked import Asked, Documents, filled
from .endpoint import DOCUMENTS, QUERY, Answered, Endpoint, plain_router, serve
from .health import add_health
from .models import add_models
from .tei import Rank
from .usage import Usage, usage

_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "invalid_request_error",
    501: "not_supported_error",
    503: "unavailable_error",
}


def _error(problem: Problem) -> Response:
    kind = _TYPES.get(problem.status, "server_error")
    body = {"error": {"code": problem.status, "message": problem.message, "type": kind}}
    return SafeJSONResponse(body, problem.status, dict(problem.headers))


LLAMACPP: Final = Dialect("llamacpp", _error)


class LlamaCppRequest(Asked):
    """llama-server's reranker: `documents` for Jina's shape without the documents, `texts` for TEI's."""

    query: str
    documents: Documents | None = None
    texts: Documents | None = None
    return_text: bool | None = Field(None, description="with texts: repeat them in the answer; default false")

    def call(self) -> RerankCall:
        if self.texts is not None:
            return self.rerank_call(self.query, filled(self.texts, "texts"))
        if self.documents is None:
            raise bad_request('"documents" must be a non-empty string array', "documents")
        return self.rerank_call(self.query, filled(self.documents, "documents"))


class LlamaCppResult(TypedDict):
    index: int
    relevance_score: float


class LlamaCppAnswer(TypedDict):
    model: str
    object: str
    usage: Usage
    results: list[LlamaCppResult]
    errors: NotRequired[list[DocumentError]]


def _answer(asked: LlamaCppRequest, answered: Answered) -> LlamaCppAnswer | list[Rank]:
    if asked.texts is not None:
        return _ranks(asked, answered)
    answer: LlamaCppAnswer = {
        "model": answered.model,
        "object": "list",
        "usage": usage(answered),
        "results": [{"index": each.index, "relevance_score": each.score} for each in answered.scored],
    }
    if answered.errors:
        answer["errors"] = answered.errors
    return answer


def _ranks(asked: LlamaCppRequest, answered: Answered) -> list[Rank]:
    ranks: list[Rank] = []
    for each in answered.scored:
        rank: Rank = {"index": each.index, "score": each.score}
        if asked.return_text:
            rank["text"] = each.text
        ranks.append(rank)
    return ranks


LLAMACPP_RERANK: Final = Endpoint(
    LLAMACPP,
    LlamaCppRequest,
    _answer,
    LlamaCppAnswer | list[Rank],
    {"query": QUERY, "documents": DOCUMENTS, "top_n": 1},
)


def llamacpp_router(service: RerankService) -> APIRouter:
    router = plain_router("llama.cpp")
    paths = [f"/llamacpp{version}/{name}" for version in ("/v1", "") for name in ("rerank", "reranking")]
    serve(router, service, LLAMACPP_RERANK, *paths)
    add_health(router, "/llamacpp/health", LLAMACPP)
    add_models(router, service, "/llamacpp/v1/models", LLAMACPP)
    return router
