"""Cohere: `/v2/rerank`, which names no documents in its results, and v1, which does on request."""

import math
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
from .asked import Asked, Documents, by_fields, checked_limit, filled
from .endpoint import DOCUMENTS, QUERY, Answered, Endpoint, plain_router, serve
from .usage import TokenPair, new_uuid, token_pair

_UNIT: Final = 100
"""Documents in a search unit, Cohere's unit of account."""


def _error(problem: Problem) -> Response:
    body = {"id": new_uuid(), "message": problem.message}
    return SafeJSONResponse(body, problem.status, dict(problem.headers))


COHERE: Final = Dialect("cohere", _error)


class CohereV2Request(Asked):
    """Cohere's second version."""

    quiet = frozenset({"priority"})

    query: str
    documents: Documents
    max_tokens_per_doc: int | None = Field(None, description="cut each document after so many tokens")

    def call(self) -> RerankCall:
        limit = checked_limit(self.max_tokens_per_doc, "max_tokens_per_doc")
        return self.rerank_call(self.query, filled(self.documents, "documents"), max_document_tokens=limit)


class CohereV1Request(Asked):
    """Cohere's first version, which clients still use."""

    idle = frozenset({"max_chunks_per_doc"})

    query: str
    documents: Documents
    return_documents: bool | None = Field(None, description="repeat the documents in the answer; default false")
    rank_fields: list[str] | None = Field(None, description="fields of object documents to rank by, in this order")
    max_tokens_per_doc: int | None = None

    def call(self) -> RerankCall:
        documents = by_fields(filled(self.documents, "documents"), self.rank_fields)
        limit = checked_limit(self.max_tokens_per_doc, "max_tokens_per_doc")
        return self.rerank_call(self.query, documents, max_document_tokens=limit)


class ApiVersion(TypedDict):
    version: str


class BilledUnits(TypedDict):
    search_units: int


class CohereMeta(TypedDict):
    api_version: ApiVersion
    billed_units: BilledUnits
    tokens: TokenPair
    warnings: NotRequired[list[str]]


class CohereResult(TypedDict):
    index: int
    relevance_score: float
    document: NotRequired[dict[str, Any]]


class CohereAnswer(TypedDict):
    id: str
    results: list[CohereResult]
    errors: NotRequired[list[DocumentError]]
    meta: CohereMeta


def _answer(answered: Answered, version: str, results: list[CohereResult]) -> CohereAnswer:
    units = math.ceil(max(1, len(answered.ranking)) / _UNIT)
    meta: CohereMeta = {
        "api_version": {"version": version},
        "billed_units": {"search_units": units},
        "tokens": token_pair(answered),
    }
    if answered.notes:
        meta["warnings"] = answered.notes
    answer: CohereAnswer = {"id": new_uuid(), "results": results, "meta": meta}
    if answered.errors:
        answer["errors"] = answered.errors
    return answer


def _v2_answer(asked: CohereV2Request, answered: Answered) -> CohereAnswer:
    return _answer(answered, "2", [{"index": each.index, "relevance_score": each.score} for each in answered.scored])


def _v1_answer(asked: CohereV1Request, answered: Answered) -> CohereAnswer:
    results: list[CohereResult] = []
    for each in answered.scored:
        result: CohereResult = {"index": each.index, "relevance_score": each.score}
        if asked.return_documents:
            given = asked.documents[each.index]
            result["document"] = {"text": given} if isinstance(given, str) else given
        results.append(result)
    return _answer(answered, "1", results)


_EXAMPLE: Final = {"model": "rerank-v3.5", "query": QUERY, "documents": DOCUMENTS, "top_n": 1}
V2: Final = Endpoint(COHERE, CohereV2Request, _v2_answer, CohereAnswer, _EXAMPLE)
V1: Final = Endpoint(COHERE, CohereV1Request, _v1_answer, CohereAnswer, {**_EXAMPLE, "return_documents": True})


def cohere_router(service: RerankService) -> APIRouter:
    router = plain_router("Cohere")
    serve(router, service, V2, "/v2/rerank", "/cohere/v2/rerank")
    serve(router, service, V1, "/cohere/v1/rerank")
    return router
