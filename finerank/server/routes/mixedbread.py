"""Mixedbread: `/v1/reranking`, with `input` and `data`."""

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
from .asked import Asked, Documents, by_fields, filled
from .endpoint import DOCUMENTS, QUERY, Answered, Endpoint, plain_router, serve
from .usage import Usage, usage


def _error(problem: Problem) -> Response:
    return SafeJSONResponse({"detail": problem.message}, problem.status, dict(problem.headers))


MIXEDBREAD: Final = Dialect("mixedbread", _error)


class MixedbreadRequest(Asked):
    """Mixedbread's reranker: `input` instead of documents."""

    idle = frozenset({"rewrite_query"})

    query: str
    input: Documents
    rank_fields: list[str] | None = Field(None, description="fields of object documents to rank by, in this order")
    return_input: bool | None = Field(None, description="repeat the documents in the answer; default false")

    def call(self) -> RerankCall:
        return self.rerank_call(self.query, by_fields(filled(self.input, "input"), self.rank_fields))

    def ineffective(self) -> list[str]:
        """`rewrite_query: false` is what happens here anyway."""
        return [name for name in super().ineffective() if (self.model_extra or {})[name] is not False]


class MixedbreadResult(TypedDict):
    index: int
    score: float
    input: NotRequired[Any]
    object: str


class MixedbreadAnswer(TypedDict):
    usage: Usage
    model: str
    data: list[MixedbreadResult]
    object: str
    top_k: int
    return_input: bool
    errors: NotRequired[list[DocumentError]]


def _answer(asked: MixedbreadRequest, answered: Answered) -> MixedbreadAnswer:
    data: list[MixedbreadResult] = []
    for each in answered.scored:
        result: MixedbreadResult = {"index": each.index, "score": each.score, "object": "rank_result"}
        if asked.return_input:
            result["input"] = asked.input[each.index]
        data.append(result)
    answer: MixedbreadAnswer = {
        "usage": usage(answered),
        "model": answered.model,
        "data": data,
        "object": "list",
        "top_k": asked.wanted_top_n() or len(asked.input),
        "return_input": bool(asked.return_input),
    }
    if answered.errors:
        answer["errors"] = answered.errors
    return answer


MIXEDBREAD_RERANK: Final = Endpoint(
    MIXEDBREAD,
    MixedbreadRequest,
    _answer,
    MixedbreadAnswer,
    {
        "model": "mixedbread-ai/mxbai-rerank-large-v2",
        "query": QUERY,
        "input": DOCUMENTS,
        "top_k": 1,
        "return_input": True,
    },
)


def mixedbread_router(service: RerankService) -> APIRouter:
    router = plain_router("Mixedbread")
    serve(router, service, MIXEDBREAD_RERANK, "/mixedbread/v1/reranking")
    return router
