"""Xinference: `/xinference/v1/rerank`, with the instruction inside a JSON string."""

import json
from typing import Any, Final, NotRequired

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from ..dialect import Dialect
from ..json_response import SafeJSONResponse
from ..notices import DocumentError
from ..problems import Problem, bad_request
from ..service import RerankCall, RerankService
from .asked import Asked, Documents, filled, one_of
from .endpoint import DOCUMENTS, QUERY, Answered, Endpoint, plain_router, serve
from .usage import DocumentText, TokenPair, new_uuid, token_pair

_LIMIT: Final = "Rate limit reached"
"""What clients look for in the text of a 429."""


def _error(problem: Problem) -> Response:
    """Unknown models are a 400; too many requests carry the words that clients look for."""
    status = {"model_not_found": 400, "overloaded": 429}.get(problem.kind, problem.status)
    message = f"{_LIMIT}: {problem.message}" if status == 429 else problem.message
    return SafeJSONResponse({"detail": message}, status, dict(problem.headers))


XINFERENCE: Final = Dialect("xinference", _error)


class XinferenceRequest(Asked):
    """Xinference's reranker. `kwargs` is a JSON object in a string; its `instruction` is the instruction."""

    idle = frozenset({"max_chunks_per_doc"})

    query: str
    documents: Documents
    return_documents: bool | None = Field(None, description="repeat the documents in the answer; default false")
    return_len: bool | None = Field(None, description="say how many tokens it took; default false")
    kwargs: str | None = Field(None, description='such as "{\\"instruction\\": \\"...\\"}"')

    def call(self) -> RerankCall:
        return self.rerank_call(self.query, filled(self.documents, "documents"))

    def wanted_instruction(self) -> str | None:
        inner = self._inner().get("instruction")
        if inner is not None and not isinstance(inner, str):
            raise bad_request("the instruction in kwargs must be a string", "kwargs")
        return one_of(instruction=self.instruction, instruct=self.instruct, kwargs=inner)

    def unknown(self) -> list[str]:
        known = self.idle | self.quiet
        inner = [f"kwargs.{name}" for name in self._inner() if name != "instruction"]
        return [name for name in self.model_extra or () if name not in known] + inner

    def _inner(self) -> dict[str, Any]:
        if not self.kwargs:
            return {}
        try:
            inner = json.loads(self.kwargs)
        except (ValueError, RecursionError):
            inner = None
        if not isinstance(inner, dict):
            raise bad_request("kwargs must be a string that holds a JSON object", "kwargs")
        return inner


class XinferenceResult(TypedDict):
    index: int
    relevance_score: float
    document: DocumentText | None


class XinferenceMeta(TypedDict):
    api_version: None
    billed_units: None
    tokens: TokenPair | None
    warnings: list[str] | None


class XinferenceAnswer(TypedDict):
    id: str
    results: list[XinferenceResult]
    meta: XinferenceMeta
    errors: NotRequired[list[DocumentError]]


def _answer(asked: XinferenceRequest, answered: Answered) -> XinferenceAnswer:
    results: list[XinferenceResult] = [
        {
            "index": each.index,
            "relevance_score": each.score,
            "document": {"text": each.text} if asked.return_documents else None,
        }
        for each in answered.scored
    ]
    meta: XinferenceMeta = {
        "api_version": None,
        "billed_units": None,
        "tokens": token_pair(answered) if asked.return_len else None,
        "warnings": answered.notes or None,
    }
    answer: XinferenceAnswer = {"id": new_uuid(), "results": results, "meta": meta}
    if answered.errors:
        answer["errors"] = answered.errors
    return answer


XINFERENCE_RERANK: Final = Endpoint(
    XINFERENCE,
    XinferenceRequest,
    _answer,
    XinferenceAnswer,
    {
        "model": "Qwen3-Reranker-0.6B",
        "query": QUERY,
        "documents": DOCUMENTS,
        "return_documents": True,
        "return_len": True,
        "kwargs": '{"instruction": "Retrieve the passage that explains the alarm"}',
    },
)


def xinference_router(service: RerankService) -> APIRouter:
    router = plain_router("Xinference")
    serve(router, service, XINFERENCE_RERANK, "/xinference/v1/rerank")
    return router
