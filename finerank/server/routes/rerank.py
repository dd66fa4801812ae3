"""`POST /v1/rerank` and `/rerank`, without a provider's prefix: one superset for Jina, Cohere v1, vLLM and SiliconFlow.

Their requests look alike, so nobody can tell them apart; their clients each find the fields they read. Two others give
themselves away by a field: TEI asks with `texts`, Mixedbread with `input`.
"""

from collections.abc import Mapping
from typing import Any, Final, NotRequired

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from typing_extensions import TypedDict

from ...types import RankedDocument
from ..body import json_object
from ..dialect import FINERANK, speak
from ..notices import DocumentError
from ..service import RerankCall, RerankService
from .asked import Asked, Documents, Query, by_fields, with_content
from .endpoint import DOCUMENTS, QUERY, Answered, Endpoint, plain_router, post
from .mixedbread import MIXEDBREAD_RERANK
from .tei import TEI_RERANK
from .usage import TokenPair, Usage, new_id, token_pair, usage
from .vllm import VllmAsked


class RerankRequest(VllmAsked):
    """What clients of Jina, Cohere v1, vLLM and SiliconFlow send; the answer has what each of them reads."""

    idle = VllmAsked.idle | {"max_chunks_per_doc", "overlap_tokens"}

    query: Query
    documents: Documents = Field(description='texts, or objects {"text": ...} whose other keys come back untouched')
    return_documents: bool | None = Field(None, description="repeat the documents in the answer; default true")
    rank_fields: list[str] | None = Field(None, description="fields of object documents to rank by, in this order")

    def call(self) -> RerankCall:
        documents = with_content(by_fields(self.documents, self.rank_fields))
        return self.rerank_call(self.query, documents, max_document_tokens=self.document_limit())

    def wanted_top_n(self) -> int | None:
        """Here 0 is nobody's word for all; it is refused, as by Cohere and SiliconFlow."""
        return Asked.wanted_top_n(self)


class RerankResult(TypedDict):
    index: int
    relevance_score: float
    document: NotRequired[dict[str, Any]]
    log_odds: float
    num_tokens: int
    is_truncated: bool
    is_blank: bool
    window: NotRequired[list[int]]


class ApiVersion(TypedDict):
    version: str


class RerankMeta(TypedDict):
    api_version: ApiVersion
    tokens: TokenPair
    warnings: NotRequired[list[str]]


class RerankAnswer(TypedDict):
    id: str
    object: str
    model: str
    results: list[RerankResult]
    errors: NotRequired[list[DocumentError]]
    usage: Usage
    tokens: TokenPair
    meta: RerankMeta
    computed_tokens: int
    fingerprint: str
    instruction: NotRequired[str]
    seconds: float
    warnings: NotRequired[list[str]]


def _answer(asked: RerankRequest, answered: Answered) -> RerankAnswer:
    facts = answered.facts
    tokens = token_pair(answered)
    answer: RerankAnswer = {
        "id": f"rerank-{new_id()}",
        "object": "list",
        "model": answered.model,
        "results": [_result(asked, each) for each in answered.scored],
        "usage": usage(answered),
        "tokens": tokens,
        "meta": {"api_version": {"version": "1"}, "tokens": tokens},
        "computed_tokens": facts.usage.computed_tokens,
        "fingerprint": facts.model.fingerprint,
        "seconds": round(facts.seconds, 6),
    }
    if facts.instruction is not None:
        answer["instruction"] = facts.instruction
    if answered.errors:
        answer["errors"] = answered.errors
    if answered.notes:
        answer["warnings"] = answer["meta"]["warnings"] = answered.notes
    return answer


def _result(asked: RerankRequest, document: RankedDocument) -> RerankResult:
    result: RerankResult = {
        "index": document.index,
        "relevance_score": document.score if asked.use_activation is not False else document.log_odds,
        "log_odds": document.log_odds,
        "num_tokens": document.num_tokens,
        "is_truncated": document.is_truncated,
        "is_blank": document.is_blank,
    }
    if asked.return_documents is not False:
        given = asked.documents[document.index]
        result["document"] = {"text": given} if isinstance(given, str) else given
    if document.window is not None:
        result["window"] = list(document.window)
    return result


RERANK: Final = Endpoint(
    FINERANK, RerankRequest, _answer, RerankAnswer, {"query": QUERY, "documents": DOCUMENTS, "top_n": 1}
)


def rerank_router(service: RerankService) -> APIRouter:
    router = plain_router("rerank")
    _serve_any(router, service, RERANK, "/v1/rerank", "/rerank", "/reranking")
    return router


def reranking_router(service: RerankService) -> APIRouter:
    """Mixedbread's path, which is llama.cpp's too; Mixedbread's dialect unless the body says otherwise."""
    router = plain_router("Mixedbread")
    _serve_any(router, service, MIXEDBREAD_RERANK, "/v1/reranking")
    return router


def _serve_any(router: APIRouter, service: RerankService, default: Endpoint[Any], *paths: str) -> None:
    async def rerank(request: Request) -> Response:
        body = await json_object(request)
        endpoint = _endpoint_of(body, default)
        if endpoint is not default:
            speak(request, endpoint.dialect)
        return await endpoint.respond(request, service, body)

    for path in paths:
        post(router, path, rerank, default)


def _endpoint_of(body: Mapping[str, Any], default: Endpoint[Any]) -> Endpoint[Any]:
    if "documents" in body:
        return RERANK
    return TEI_RERANK if "texts" in body else MIXEDBREAD_RERANK if "input" in body else default
