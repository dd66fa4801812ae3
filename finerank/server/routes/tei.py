"""Hugging Face's Text Embeddings Inference: `/rerank` with `texts`, `/info`, `/health`."""

from typing import Any, Final, NotRequired

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from typing_extensions import TypedDict

from ... import __version__
from ...errors import NotReadyError
from ...types import AnswerFacts
from ..dialect import EMPTY, Dialect, speak
from ..json_response import SafeJSONResponse
from ..openapi import errors, success
from ..problems import Problem, bad_request
from ..service import RerankCall, RerankService
from .asked import Asked, Body, Documents, filled
from .endpoint import DOCUMENTS, QUERY, Answered, Endpoint, plain_router, serve

_ANSWERS: Final = {
    "invalid_request_error": (422, "Validation"),
    EMPTY: (400, "Empty"),
    "rate_limited": (429, "Overloaded"),
    "overloaded": (429, "Overloaded"),
    "not_ready": (503, "Unhealthy"),
    "engine_error": (424, "Backend"),
    "provider_error": (424, "Backend"),
}
"""Status and type of each kind of problem; others keep their status."""


def _error(problem: Problem) -> Response:
    if problem.status == 401:
        return Response(status_code=401, headers=dict(problem.headers))
    otherwise = (problem.status, "Backend" if problem.status >= 500 else "Validation")
    status, kind = _ANSWERS.get(problem.kind, otherwise)
    return SafeJSONResponse({"error": problem.message, "error_type": kind}, status, dict(problem.headers))


TEI: Final = Dialect("tei", _error)


class Truncation(Body):
    """What TEI's requests say of texts that do not fit."""

    truncate: bool | None = Field(None, description="cut what does not fit; false refuses the call; default true")
    truncation_direction: str | None = Field(None, description="right; the beginning of a text is never cut")

    def wanted_truncation(self) -> bool:
        """Raises ProblemError."""
        if self._direction() not in (None, "left", "right"):
            raise bad_request("truncation_direction must be left or right", "truncation_direction")
        return self.truncate is not False

    def ineffective(self) -> list[str]:
        return [*super().ineffective(), *(["truncation_direction"] if self._direction() == "left" else [])]

    def _direction(self) -> str | None:
        return None if self.truncation_direction is None else self.truncation_direction.lower()


class TeiRequest(Truncation, Asked):
    """TEI's reranker: `texts` instead of documents."""

    query: str
    texts: Documents
    raw_scores: bool | None = Field(None, description="log-odds instead of probabilities")
    return_text: bool | None = Field(None, description="repeat the texts in the answer; default false")

    def call(self) -> RerankCall:
        return self.rerank_call(self.query, filled(self.texts, "texts"), truncate=self.wanted_truncation())


class Rank(TypedDict):
    index: int
    text: NotRequired[str]
    score: float


def _answer(asked: TeiRequest, answered: Answered) -> list[Rank]:
    ranks: list[Rank] = []
    for each in answered.scored:
        rank: Rank = {"index": each.index, "score": each.log_odds if asked.raw_scores else each.score}
        if asked.return_text:
            rank["text"] = each.text
        ranks.append(rank)
    return ranks


def _headers(asked: TeiRequest, answered: Answered) -> dict[str, str]:
    characters = sum(map(_characters, asked.texts)) + len(asked.query) * len(asked.texts)
    return time_headers(answered.facts, characters, answered.tokens)


def time_headers(facts: AnswerFacts, characters: int, tokens: int) -> dict[str, str]:
    """What TEI tells of every answer. Times in whole milliseconds."""
    waited = facts.encode_seconds + facts.queue_seconds
    milliseconds = {
        "x-compute-time": facts.seconds,
        "x-total-time": facts.seconds,
        "x-tokenization-time": facts.encode_seconds,
        "x-queue-time": facts.queue_seconds,
        "x-inference-time": max(0.0, facts.seconds - waited),
    }
    return {
        "x-compute-type": facts.model.device,
        "x-compute-characters": str(characters),
        "x-compute-tokens": str(tokens),
        **{name: str(int(seconds * 1000)) for name, seconds in milliseconds.items()},
    }


def _characters(document: Any) -> int:
    text = document.get("text") if isinstance(document, dict) else document
    return len(text) if isinstance(text, str) else 0


TEI_RERANK: Final = Endpoint(
    TEI,
    TeiRequest,
    _answer,
    list[Rank],
    {"query": QUERY, "texts": DOCUMENTS, "raw_scores": False, "return_text": True},
    headers=_headers,
)


class EmbeddingFacts(TypedDict):
    """Of the model that `/embed` answers with."""

    model_id: str
    model_dtype: str
    pooling: str | None
    max_input_length: int
    dimensions: int


class TeiInfo(TypedDict):
    """What TEI tells of itself; our own limits under its names.

    embedding: not TEI's, whose servers have one model; only where an embedding model is named and loaded.
    """

    model_id: str
    model_sha: str | None
    model_dtype: str
    model_type: dict[str, Any]
    max_concurrent_requests: int
    max_input_length: int
    max_batch_tokens: int
    max_batch_requests: int | None
    max_client_batch_size: int
    auto_truncate: bool
    tokenization_workers: int
    version: str
    sha: str | None
    docker_label: str | None
    embedding: NotRequired[EmbeddingFacts]


def _info(service: RerankService) -> TeiInfo:
    reranker = service.pool.default.reranker
    info = reranker.info
    told: TeiInfo = {
        "model_id": info.name,
        "model_sha": info.revision,
        "model_dtype": info.dtype,
        "model_type": {"reranker": {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}},
        "max_concurrent_requests": service.settings.max_documents,
        "max_input_length": info.max_length,
        "max_batch_tokens": reranker.batch_tokens,
        "max_batch_requests": None,
        "max_client_batch_size": service.settings.max_documents,
        "auto_truncate": True,
        "tokenization_workers": 1,
        "version": __version__,
        "sha": None,
        "docker_label": None,
    }
    embedder = service.embedding.loaded
    if embedder is not None and service.embedding.is_named:
        pooling = _POOLING.get(embedder.info.pooling or "", embedder.info.pooling)
        told["model_type"]["embedding"] = {"pooling": pooling}
        told["embedding"] = {
            "model_id": embedder.info.name,
            "model_dtype": embedder.info.dtype,
            "pooling": pooling,
            "max_input_length": embedder.info.max_length,
            "dimensions": embedder.info.dimensions,
        }
    return told


_POOLING: Final = {"lasttoken": "last_token"}
"""Where TEI's word differs from sentence-transformers'."""

_EXAMPLE_INFO: Final[TeiInfo] = {
    "model_id": "Qwen/Qwen3-Reranker-0.6B",
    "model_sha": None,
    "model_dtype": "bfloat16",
    "model_type": {"reranker": {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}},
    "max_concurrent_requests": 1000,
    "max_input_length": 8192,
    "max_batch_tokens": 4096,
    "max_batch_requests": None,
    "max_client_batch_size": 1000,
    "auto_truncate": True,
    "tokenization_workers": 1,
    "version": __version__,
    "sha": None,
    "docker_label": None,
}


def tei_router(service: RerankService) -> APIRouter:
    router = plain_router("TEI")
    serve(router, service, TEI_RERANK, "/tei/rerank")

    async def info(request: Request) -> Response:
        """The model that answers, and the server's limits."""
        speak(request, TEI)
        return SafeJSONResponse(_info(service))

    async def health(request: Request) -> Response:
        """200 without a body once the model is loaded."""
        if not service.pool.default.is_ready:
            raise NotReadyError(service.pool.default.why_not())
        return Response()

    described: dict[int | str, dict[str, Any]] = {200: success(TeiInfo, _EXAMPLE_INFO), **errors(TEI)}
    for path in ("/tei/info", "/info"):
        router.add_api_route(path, info, summary="The model and the limits", responses=described)
    empty: dict[int | str, dict[str, Any]] = {200: {"description": "Ready", "content": {}}, **errors(TEI)}
    router.add_api_route(
        "/tei/health", health, summary="Is the model loaded?", response_class=Response, responses=empty
    )
    return router
