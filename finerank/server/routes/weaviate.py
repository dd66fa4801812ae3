"""Weaviate's reranker module: `/weaviate/rerank` and what its database asks before it calls."""

from typing import Any, Final, NotRequired

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from typing_extensions import TypedDict

from ...errors import NotReadyError
from ..dialect import EMPTY, Dialect
from ..json_response import SafeJSONResponse
from ..notices import DocumentError
from ..openapi import errors, success
from ..problems import Problem, bad_request
from ..service import RerankService, ScoreCall
from .asked import Asked, Documents, filled
from .endpoint import DOCUMENTS, QUERY, Answered, Endpoint, plain_router, serve


def _error(problem: Problem) -> Response:
    """Whatever is wrong with a question is a 500 in this dialect."""
    status = 500 if problem.kind in ("invalid_request_error", EMPTY) else problem.status
    return SafeJSONResponse({"error": problem.message}, status, dict(problem.headers))


WEAVIATE: Final = Dialect("weaviate", _error)


class WeaviateRequest(Asked):
    """A query with documents, or with one text as `property`; the scores come in input order."""

    query: str
    documents: Documents | None = None
    property: str | None = Field(None, description="one text instead of documents")

    def call(self) -> ScoreCall:
        return self.score_call([(self.query, document) for document in self._texts()])

    def _texts(self) -> list[Any]:
        if self.documents is not None:
            return list(filled(self.documents, "documents"))
        if self.property is None:
            raise bad_request("documents is missing; give documents, or property", "documents")
        return [self.property]


class WeaviateScore(TypedDict):
    document: str
    score: float


class WeaviateAnswer(TypedDict):
    query: str
    scores: list[WeaviateScore] | None
    property: str | None
    score: float | None
    errors: NotRequired[list[DocumentError]]


def _answer(asked: WeaviateRequest, answered: Answered) -> WeaviateAnswer:
    """The database assigns scores by position, so a document that failed keeps its place, with the lowest score."""
    scores: list[WeaviateScore] = [
        {"document": _text_of(each.document), "score": each.score if each.error is None else 0.0}
        for each in answered.ranking
    ]
    is_single = asked.documents is None
    answer: WeaviateAnswer = {
        "query": asked.query,
        "scores": None if is_single else scores,
        "property": asked.property,
        "score": scores[0]["score"] if is_single else None,
    }
    if answered.errors:
        answer["errors"] = answered.errors
    return answer


def _text_of(document: Any) -> str:
    text = document.get("text") if isinstance(document, dict) else document
    return text if isinstance(text, str) else ""


WEAVIATE_RERANK: Final = Endpoint(
    WEAVIATE,
    WeaviateRequest,
    _answer,
    WeaviateAnswer,
    {"query": QUERY, "documents": DOCUMENTS},
    summary="Scores of documents, in input order",
)


class WeaviateMeta(TypedDict):
    model_name: str
    model_type: str
    fingerprint: str
    max_length: int


def weaviate_router(service: RerankService) -> APIRouter:
    router = plain_router("Weaviate")
    serve(router, service, WEAVIATE_RERANK, "/weaviate/rerank")

    async def live(request: Request) -> Response:
        """204 as long as the process answers."""
        return Response(status_code=204)

    async def ready(request: Request) -> Response:
        """204 once the model is loaded."""
        if not service.pool.default.is_ready:
            raise NotReadyError(service.pool.default.why_not())
        return Response(status_code=204)

    async def meta(request: Request) -> Response:
        """The model that answers."""
        info = service.pool.default.reranker.info
        answer: WeaviateMeta = {
            "model_name": info.name,
            "model_type": info.kind,
            "fingerprint": info.fingerprint,
            "max_length": info.max_length,
        }
        return SafeJSONResponse(answer)

    for name, handler in (("live", live), ("ready", ready)):
        path = f"/weaviate/.well-known/{name}"
        router.add_api_route(path, handler, status_code=204, response_class=Response, responses=errors(WEAVIATE))
    example: WeaviateMeta = {
        "model_name": "Qwen/Qwen3-Reranker-0.6B",
        "model_type": "yes_no",
        "fingerprint": "9f0c2a41d7b85e36",
        "max_length": 8192,
    }
    described: dict[int | str, dict[str, Any]] = {200: success(WeaviateMeta, example), **errors(WEAVIATE)}
    router.add_api_route("/weaviate/meta", meta, responses=described)
    return router
