"""vLLM: `/score` in its spellings, and under `/vllm` its `/rerank`, the same on three paths."""

import time
from collections.abc import Sequence
from http.client import responses
from typing import Annotated, Any, Final, NotRequired

from fastapi import APIRouter
from pydantic import Field, WithJsonSchema
from starlette.responses import Response
from typing_extensions import TypedDict

from ..dialect import Dialect
from ..json_response import SafeJSONResponse
from ..notices import DocumentError
from ..problems import Problem, bad_request
from ..service import RerankCall, RerankService, ScoreCall
from .asked import Asked, DocumentOrList, Query, checked_limit, filled, texts_of, with_content
from .endpoint import DOCUMENTS, QUERY, Answered, Endpoint, plain_router, serve
from .health import add_health
from .models import add_models
from .usage import Usage, new_id, usage

_TYPES: Final = {400: "BadRequestError", 404: "NotFoundError", 500: "InternalServerError"}
_SPELLINGS: Final = (("queries", "documents"), ("queries", "items"), ("data_1", "data_2"), ("text_1", "text_2"))


def _error(problem: Problem) -> Response:
    if problem.status == 401:
        return SafeJSONResponse({"error": "Unauthorized"}, 401, dict(problem.headers))
    kind = _TYPES.get(problem.status) or responses.get(problem.status, problem.kind)
    body = {"message": problem.message, "type": kind, "param": problem.param, "code": problem.status}
    return SafeJSONResponse({"error": body}, problem.status, dict(problem.headers))


VLLM: Final = Dialect("vllm", _error)


class VllmAsked(Asked):
    """What vLLM's two questions share."""

    idle = frozenset({"truncation_side", "max_tokens_per_query", "mm_processor_kwargs"})
    quiet = frozenset({"user", "priority", "request_id", "cache_salt", "padding", "add_special_tokens"})

    max_tokens_per_doc: int | None = Field(None, description="cut each document after so many tokens; 0 = off")
    truncate_prompt_tokens: int | None = Field(None, description="-1: what the model takes; others change nothing")
    chat_template_kwargs: dict[str, Any] | None = Field(None, description='its "instruction" wins over the field')
    use_activation: bool | None = Field(None, description="false: log-odds instead of probabilities")

    def wanted_instruction(self) -> str | None:
        inner = (self.chat_template_kwargs or {}).get("instruction")
        if inner is None:
            return super().wanted_instruction()
        if not isinstance(inner, str):
            raise bad_request("chat_template_kwargs.instruction must be a string", "chat_template_kwargs")
        return inner

    def wanted_top_n(self) -> int | None:
        """0 and less mean all."""
        wanted = super().wanted_top_n()
        return wanted if wanted is not None and wanted > 0 else None

    def document_limit(self) -> int | None:
        if self.truncate_prompt_tokens is not None and self.truncate_prompt_tokens < -1:
            raise bad_request(
                f"truncate_prompt_tokens is {self.truncate_prompt_tokens}; give at least -1", "truncate_prompt_tokens"
            )
        return checked_limit(self.max_tokens_per_doc, "max_tokens_per_doc")

    def ineffective(self) -> list[str]:
        names = super().ineffective()
        return [*names, "truncate_prompt_tokens"] if (self.truncate_prompt_tokens or -1) >= 0 else names


class VllmRerankRequest(VllmAsked):
    """vLLM's reranker. It always repeats the documents."""

    idle = VllmAsked.idle | {"return_documents", "rank_fields"}

    query: Query
    documents: DocumentOrList

    def call(self) -> RerankCall:
        documents = with_content(filled(self.documents, "documents"))
        return self.rerank_call(self.query, documents, max_document_tokens=self.document_limit())


class VllmDocument(TypedDict):
    text: str
    multi_modal: None


class VllmResult(TypedDict):
    index: int
    document: VllmDocument
    relevance_score: float


class VllmRerankAnswer(TypedDict):
    id: str
    model: str
    usage: Usage
    results: list[VllmResult]
    errors: NotRequired[list[DocumentError]]


def _rerank_answer(asked: VllmRerankRequest, answered: Answered) -> VllmRerankAnswer:
    is_raw = asked.use_activation is False
    results: list[VllmResult] = [
        {
            "index": each.index,
            "document": {"text": each.text, "multi_modal": None},
            "relevance_score": each.log_odds if is_raw else each.score,
        }
        for each in answered.scored
    ]
    answer: VllmRerankAnswer = {
        "id": f"rerank-{new_id()}",
        "model": answered.model,
        "usage": usage(answered),
        "results": results,
    }
    if answered.errors:
        answer["errors"] = answered.errors
    return answer


VLLM_RERANK: Final = Endpoint(
    VLLM,
    VllmRerankRequest,
    _rerank_answer,
    VllmRerankAnswer,
    {"model": "Qwen/Qwen3-Reranker-0.6B", "query": QUERY, "documents": DOCUMENTS, "top_n": 1},
)

_TEXTS: Final = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
Texts = Annotated[Any, WithJsonSchema(_TEXTS)]


class VllmScoreRequest(VllmAsked):
    """vLLM's scores of pairs: 1:1, 1:N or N:N texts under one of four pairs of names, answered in input order."""

    queries: Texts = None
    documents: Texts = None
    items: Texts = None
    data_1: Texts = None
    data_2: Texts = None
    text_1: Texts = None
    text_2: Texts = None

    def call(self) -> ScoreCall:
        limit = self.document_limit()
        first, second = self._spelling()
        queries = texts_of(_listed(getattr(self, first), first), first)
        documents = with_content(_listed(getattr(self, second), second))
        return self.score_call(_pairs(queries, documents), max_document_tokens=limit)

    def _spelling(self) -> tuple[str, str]:
        given = self.model_fields_set
        for first, second in _SPELLINGS:
            if first in given and second in given:
                return first, second
        names = ", ".join(f"{first} and {second}" for first, second in _SPELLINGS)
        raise bad_request(f"the texts to score are missing; give one of {names}")


def _listed(value: Any, name: str) -> list[Any]:
    if isinstance(value, str | dict):
        return [value]
    if not isinstance(value, list):
        raise bad_request(f"{name} must be a string or a list of strings", name)
    return value


def _pairs(queries: Sequence[str], documents: Sequence[Any]) -> list[tuple[str, Any]]:
    """The messages are vLLM's own."""
    if not queries:
        raise bad_request("At least one text element must be given")
    if not documents:
        raise bad_request("At least one text_pair element must be given")
    if len(queries) == 1:
        return [(queries[0], document) for document in documents]
    if len(queries) != len(documents):
        raise bad_request("Input lengths must be either 1:1, 1:N or N:N")
    return list(zip(queries, documents, strict=True))


class VllmScore(TypedDict):
    index: int
    object: str
    score: float


class VllmScoreAnswer(TypedDict):
    id: str
    object: str
    created: int
    model: str
    data: list[VllmScore]
    usage: Usage
    errors: NotRequired[list[DocumentError]]


def _score_answer(asked: VllmScoreRequest, answered: Answered) -> VllmScoreAnswer:
    is_raw = asked.use_activation is False
    data: list[VllmScore] = [
        {"index": each.index, "object": "score", "score": each.log_odds if is_raw else each.score}
        for each in answered.scored
    ]
    answer: VllmScoreAnswer = {
        "id": f"score-{new_id()}",
        "object": "list",
        "created": int(time.time()),
        "model": answered.model,
        "data": data,
        "usage": usage(answered),
    }
    if answered.errors:
        answer["errors"] = answered.errors
    return answer


VLLM_SCORE: Final = Endpoint(
    VLLM,
    VllmScoreRequest,
    _score_answer,
    VllmScoreAnswer,
    {"model": "Qwen/Qwen3-Reranker-0.6B", "queries": QUERY, "documents": DOCUMENTS},
    summary="Scores of pairs, in input order",
)


def vllm_router(service: RerankService) -> APIRouter:
    router = plain_router("vLLM")
    serve(router, service, VLLM_SCORE, "/score", "/v1/score", "/vllm/score", "/vllm/v1/score")
    serve(router, service, VLLM_RERANK, "/vllm/rerank", "/vllm/v1/rerank", "/vllm/v2/rerank")
    add_health(router, "/vllm/health", VLLM)
    add_models(router, service, "/vllm/v1/models", VLLM)
    return router
