"""Alibaba's DashScope: its own nested call, and the flat one that it calls compatible."""

from typing import Final, NotRequired

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response
from typing_extensions import TypedDict

from ..dialect import Dialect
from ..json_response import SafeJSONResponse
from ..notices import DocumentError
from ..problems import Problem
from ..service import RerankCall, RerankService
from .asked import Asked, Documents, Query, filled, one_of
from .endpoint import DOCUMENTS, QUERY, Answered, Endpoint, plain_router, serve
from .usage import DocumentText, TotalUsage, new_uuid

_CODES: Final = {
    400: "InvalidParameter",
    401: "InvalidApiKey",
    403: "AccessDenied",
    404: "NotFound",
    405: "MethodNotAllowed",
    413: "InvalidParameter.DataTooLarge",
    422: "InvalidParameter",
    429: "Throttling.RateQuota",
    503: "ModelServingError",
    504: "RequestTimeOut",
}
_COMPATIBLE: Final = {
    400: ("invalid_request_error", "invalid_parameter_error"),
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("limit_requests", "limit_requests"),
}


def _error(problem: Problem) -> Response:
    is_model = problem.kind == "model_not_found"
    code = "ModelNotFound" if is_model else _CODES.get(problem.status, "InternalError")
    body = {"code": code, "message": problem.message, "request_id": new_uuid()}
    return SafeJSONResponse(body, problem.status, dict(problem.headers))


def _compatible_error(problem: Problem) -> Response:
    kind, code = _COMPATIBLE.get(problem.status, (problem.kind, problem.kind))
    inner = {"message": problem.message, "type": kind, "param": problem.param, "code": code}
    body = {"error": inner, "request_id": new_uuid()}
    return SafeJSONResponse(body, problem.status, dict(problem.headers))


DASHSCOPE: Final = Dialect("dashscope", _error)
DASHSCOPE_COMPATIBLE: Final = Dialect("dashscope-compatible", _compatible_error)


class DashScopeInput(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")

    query: Query
    documents: Documents


class DashScopeParameters(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")

    top_n: int | None = None
    return_documents: bool | None = Field(None, description="repeat the documents in the answer; default false")
    instruct: str | None = None
    instruction: str | None = None


_NO_PARAMETERS: Final = DashScopeParameters.model_validate({})


class DashScopeRequest(Asked):
    """DashScope's own call: texts under `input`, options under `parameters`."""

    quiet = frozenset({"task_group", "task", "function"})

    input: DashScopeInput
    parameters: DashScopeParameters | None = None

    @property
    def options(self) -> DashScopeParameters:
        return self.parameters if self.parameters is not None else _NO_PARAMETERS

    def call(self) -> RerankCall:
        return self.rerank_call(self.input.query, filled(self.input.documents, "input.documents"))

    def wanted_top_n(self) -> int | None:
        return one_of(**{"parameters.top_n": self.options.top_n, "top_n": super().wanted_top_n()})

    def wanted_instruction(self) -> str | None:
        inner = one_of(instruct=self.options.instruct, instruction=self.options.instruction)
        return one_of(**{"parameters.instruct": inner, "instruct": super().wanted_instruction()})

    def unknown(self) -> list[str]:
        nested = {"input": self.input, "parameters": self.options}
        inner = [f"{place}.{name}" for place, model in nested.items() for name in model.model_extra or ()]
        return [name for name in self.model_extra or () if name not in self.quiet] + inner


class DashScopeFlatRequest(Asked):
    """DashScope's call for clients of other APIs."""

    query: str
    documents: Documents
    return_documents: bool | None = Field(None, description="repeat the documents in the answer; default false")

    def call(self) -> RerankCall:
        return self.rerank_call(self.query, filled(self.documents, "documents"))


class DashScopeResult(TypedDict):
    index: int
    relevance_score: float
    document: NotRequired[DocumentText]


class DashScopeOutput(TypedDict):
    results: list[DashScopeResult]
    errors: NotRequired[list[DocumentError]]


class DashScopeAnswer(TypedDict):
    output: DashScopeOutput
    usage: TotalUsage
    request_id: str


class DashScopeFlatAnswer(TypedDict):
    object: str
    results: list[DashScopeResult]
    model: str
    usage: TotalUsage
    id: str
    errors: NotRequired[list[DocumentError]]


def _results(answered: Answered, has_documents: bool | None) -> list[DashScopeResult]:
    results: list[DashScopeResult] = []
    for each in answered.scored:
        result: DashScopeResult = {"index": each.index, "relevance_score": each.score}
        if has_documents:
            result["document"] = {"text": each.text}
        results.append(result)
    return results


def _answer(asked: DashScopeRequest, answered: Answered) -> DashScopeAnswer:
    output: DashScopeOutput = {"results": _results(answered, asked.options.return_documents)}
    if answered.errors:
        output["errors"] = answered.errors
    return {"output": output, "usage": {"total_tokens": answered.tokens}, "request_id": new_uuid()}


def _flat_answer(asked: DashScopeFlatRequest, answered: Answered) -> DashScopeFlatAnswer:
    answer: DashScopeFlatAnswer = {
        "object": "list",
        "results": _results(answered, asked.return_documents),
        "model": answered.model,
        "usage": {"total_tokens": answered.tokens},
        "id": new_uuid(),
    }
    if answered.errors:
        answer["errors"] = answered.errors
    return answer


_INSTRUCT: Final = "Given a web search query, retrieve relevant passages that answer the query."
DASHSCOPE_RERANK: Final = Endpoint(
    DASHSCOPE,
    DashScopeRequest,
    _answer,
    DashScopeAnswer,
    {
        "model": "qwen3-rerank",
        "input": {"query": QUERY, "documents": DOCUMENTS},
        "parameters": {"top_n": 1, "return_documents": True, "instruct": _INSTRUCT},
    },
)
DASHSCOPE_FLAT: Final = Endpoint(
    DASHSCOPE_COMPATIBLE,
    DashScopeFlatRequest,
    _flat_answer,
    DashScopeFlatAnswer,
    {"model": "qwen3-rerank", "query": QUERY, "documents": DOCUMENTS, "top_n": 1, "instruct": _INSTRUCT},
)
_NATIVE: Final = "/api/v1/services/rerank/text-rerank/text-rerank"
_FLAT: Final = "/compatible-api/v1/reranks"


def dashscope_router(service: RerankService) -> APIRouter:
    router = plain_router("DashScope")
    serve(router, service, DASHSCOPE_RERANK, _NATIVE, f"/dashscope{_NATIVE}")
    return router


def dashscope_compatible_router(service: RerankService) -> APIRouter:
    router = plain_router("DashScope")
    serve(router, service, DASHSCOPE_FLAT, _FLAT, f"/dashscope{_FLAT}")
    return router
