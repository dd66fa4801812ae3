"""`Endpoint`: one dialect's question and answer around the one internal request; the same handler serves them all.

`BaseEndpoint` is what it shares with those that answer with vectors (embeddings.py).
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from ...types import AnswerFacts, ModelInfo, RankedDocument, Ranking, Usage
from ..body import json_object
from ..dialect import Dialect
from ..exchange import ask
from ..json_response import SafeJSONResponse
from ..notices import DocumentError, error_list, notice_headers
from ..openapi import PROBLEMS, errors, request_body, success
from ..problems import Problem
from ..service import RerankService, ScoreCall, notes_of
from .asked import Asked, Body

A = TypeVar("A", bound=Asked)
B = TypeVar("B", bound=Body)
R = TypeVar("R")

QUERY: Final = "What does alarm E07 mean?"
DOCUMENTS: Final = ["Change the filter.", "E07: pressure sensor fault."]
"""Those of every example."""


class PlainRoute(APIRoute):
    """A route whose function takes the request and gives the response: what FastAPI does between costs time."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return handler


@dataclass(slots=True)
class Answered:
    """An answer of the service before it has a shape.

    scored: the documents with a score, best first.   errors: the others.   notes: warnings for the caller.
    """

    ranking: Ranking
    notes: list[str]
    scored: list[RankedDocument] = field(init=False)
    errors: list[DocumentError] = field(init=False)

    def __post_init__(self) -> None:
        self.scored = [each for each in self.ranking if each.error is None]
        self.errors = [] if len(self.scored) == len(self.ranking) else error_list(self.ranking)

    @property
    def facts(self) -> AnswerFacts:
        return self.ranking.facts

    @property
    def model(self) -> str:
        """Who answered."""
        return self.ranking.facts.model.name

    @property
    def tokens(self) -> int:
        return self.ranking.facts.usage.prompt_tokens


@dataclass(frozen=True, slots=True)
class BaseEndpoint(ABC, Generic[B, R]):
    """dialect: of its errors, and its name in logs.   asked: the body it takes.   shape: type of the body it gives.

    answer: from the question and the service's answer to that body.   example: of a question.
    headers: more than those that every answer has.   more_problems: that only this dialect has.
    """

    dialect: Dialect
    asked: type[B]
    answer: Callable[[B, R], Any]
    shape: Any
    example: Mapping[str, Any]
    summary: str = "Documents by how well they answer the query, best first"
    headers: Callable[[B, R], Mapping[str, str]] | None = None
    more_problems: tuple[Problem, ...] = ()

    @abstractmethod
    async def respond(self, request: Request, service: RerankService, body: Mapping[str, Any]) -> Response:
        """Raises ProblemError and what the service raises."""

    @abstractmethod
    def example_answer(self) -> Any:
        """What the example would be answered."""

    def response(self, asked: B, answered: R, headers: dict[str, str]) -> Response:
        """headers: those that every answer has."""
        if self.headers is not None:
            headers |= self.headers(asked, answered)
        return SafeJSONResponse(self.answer(asked, answered), headers=headers)


@dataclass(frozen=True, slots=True)
class Endpoint(BaseEndpoint[A, Answered]):
    """Answers with scores."""

    async def respond(self, request: Request, service: RerankService, body: Mapping[str, Any]) -> Response:
        asked = self.asked.model_validate(body)
        notes = asked.notes(service.settings)
        call = asked.call()
        ranking = await ask(request, service, call, self.dialect)
        answered = Answered(ranking, [*notes, *notes_of(call, ranking)])
        return self.response(asked, answered, notice_headers(ranking, answered.notes))

    def example_answer(self) -> Any:
        asked = self.asked.model_validate(self.example)
        call = asked.call()
        is_score = isinstance(call, ScoreCall)
        documents = [each for _, each in call.pairs] if isinstance(call, ScoreCall) else list(call.documents)
        return self.answer(asked, Answered(_example_ranking(documents, is_ordered=not is_score), []))


def plain_router(tag: str) -> APIRouter:
    return APIRouter(tags=[tag], route_class=PlainRoute)


def serve(router: APIRouter, service: RerankService, endpoint: BaseEndpoint[Any, Any], *paths: str) -> None:
    """Answers POST on `paths` with `endpoint`."""

    async def handle(request: Request) -> Response:
        return await endpoint.respond(request, service, await json_object(request))

    for path in paths:
        post(router, path, handle, endpoint)


def post(
    router: APIRouter, path: str, handle: Callable[[Request], Awaitable[Response]], endpoint: BaseEndpoint[Any, Any]
) -> None:
    """Adds a route that is described as `endpoint` and answered by `handle`."""
    failures = errors(endpoint.dialect, (*PROBLEMS, *endpoint.more_problems))
    router.add_api_route(
        path,
        handle,
        methods=["POST"],
        response_class=SafeJSONResponse,
        summary=endpoint.summary,
        description=endpoint.asked.__doc__,
        openapi_extra=request_body(endpoint.asked, endpoint.example),
        responses={200: success(endpoint.shape, endpoint.example_answer()), **failures},
    )


def _example_ranking(documents: list[Any], *, is_ordered: bool) -> Ranking:
    info = ModelInfo("Qwen/Qwen3-Reranker-0.6B", "yes_no", "9f0c2a41d7b85e36", "bfloat16", "cpu", 8192)
    facts = AnswerFacts(info, "Given a web search query, retrieve relevant passages", Usage(172, 110), 0.104, 0.001)
    opinions = [(0.0011, -6.81), (0.9932, 4.99)]
    ranked = [
        RankedDocument(index, document, *opinions[index % len(opinions)], num_tokens=8)
        for index, document in enumerate(documents)
    ]
    return Ranking(sorted(ranked, key=lambda each: -each.log_odds) if is_ordered else ranked, facts)
