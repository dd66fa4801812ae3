"""`POST /v1/search`: a query to passages of the server's index; `GET /v1/collections`: what can be searched."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from ...instructions import resolve_instruction
from ...ranking import MinScore
from ...retrieval.options import SearchOptions
from ...retrieval.rules import rules_from
from ...settings import Settings
from ..body import json_object
from ..dialect import FINERANK
from ..exchange import origin_of, while_connected
from ..json_response import SafeJSONResponse, header_text
from ..notices import FINGERPRINT, INSTRUCTION, MODEL, notes_header
from ..openapi import PROBLEMS, errors, request_body, success
from ..problems import Problem, ProblemError, bad_request
from ..search_index import Collection, SearchIndex, UnknownCollectionError
from ..search_service import SearchService
from .asked import Body
from .endpoint import QUERY, plain_router
from .search_shapes import ANSWER, COLLECTION, CollectionFacts, CollectionList, SearchAnswer
from .usage import new_id

if TYPE_CHECKING:
    from ...retrieval.searcher import Searcher
    from ...retrieval.types import SearchResult

_NO_INDEX: Final = Problem(
    404,
    "no_index",
    "this server has no index to search; make one with finerank index FOLDER --db manuals.db and start with "
    "finerank serve --search-db manuals.db",
)
_NO_COLLECTION: Final = Problem(404, "collection_not_found", "there is no collection 'x' here; there are: finerank")
_UNAVAILABLE: Final = Problem(
    503, "index_unavailable", "manuals.db is in use by another process", headers={"Retry-After": "5"}
)
_MOST_CONTEXT: Final = 1 << 20


class SearchRequest(Body):
    """A query, and how to search: dense and BM25 recall, rules, near-duplicates, reranking, grouping, diversity."""

    quiet: ClassVar[frozenset[str]] = frozenset({"user"})

    query: str = Field(description="what to look for")
    collection: str | None = Field(None, description="which of the index; default: the server's --search-collection")
    model: str | None = Field(None, description="which of the served rerankers")
    recall: int | None = Field(None, description="candidates from each recall, 1 to 1000; default 100")
    depth: int | None = Field(None, description="so many of the best are reranked, 0 = none; default 50")
    top_n: int | None = Field(None, description="so many results at most; default 10")
    mode: Literal["hybrid", "dense", "bm25"] | None = Field(None, description="both recalls, or one of them")
    filter: str | None = Field(None, description='a Milvus expression, such as source like "manuals/%"')
    instruction: str | None = Field(None, description='what "relevant" means, in a sentence, for the reranker')
    preset: str | None = Field(None, description="a named instruction instead of one of your own")
    min_score: MinScore | None = Field(
        None, description='only results of at least this probability, 0 to 1; "calibrated": of the threshold'
    )
    rules: list[str] | None = Field(
        None, description="drop candidates: advertisement, recruitment, disclaimer, or field=~pattern"
    )
    duplicates: float | None = Field(None, description="collapse texts that are so alike, 0 = keep all; default 0.95")
    group: bool | None = Field(None, description="only the best passage of each document")
    diversity: float | None = Field(None, description="0 = by score alone, 1 = by novelty alone")
    explain: bool | None = Field(None, description="also say what the reranker moved")
    context_tokens: int | None = Field(
        None, description="also give the passages as a block with citations for a language model, of so many tokens"
    )

    def options(self, settings: Settings) -> SearchOptions:
        """Raises InputError."""
        default = SearchOptions()
        blank = self.instruction is None or not self.instruction.strip()
        options = SearchOptions(
            recall=_given(self.recall, default.recall),
            depth=_given(self.depth, min(default.depth, settings.max_documents)),
            top_n=_given(self.top_n, default.top_n),
            mode=self.mode or default.mode,
            filter=self.filter or None,
            instruction=resolve_instruction(None if blank else self.instruction, self.preset),
            min_score=self.min_score,
            rules=rules_from(self.rules or ()),
            duplicates=_given(self.duplicates, default.duplicates) or None,
            group=bool(self.group),
            diversity=_given(self.diversity, default.diversity),
        )
        options.check()
        return options


def search_router(search: SearchService, settings: Settings) -> APIRouter:
    router = plain_router("search")
    _add_search(router, search, settings)
    _add_collections(router, search)
    return router


def _add_search(router: APIRouter, search: SearchService, settings: Settings) -> None:
    async def handle(request: Request) -> Response:
        asked = SearchRequest.model_validate(await json_object(request))
        notes = asked.notes(settings)
        return await while_connected(request, _answer(request, search, asked, settings, notes))

    router.add_api_route(
        "/v1/search",
        handle,
        methods=["POST"],
        response_class=SafeJSONResponse,
        summary="Passages of the server's index that answer the query, best first",
        description=SearchRequest.__doc__,
        openapi_extra=request_body(SearchRequest, {"query": QUERY, "top_n": 1}),
        responses={
            200: success(SearchAnswer, ANSWER),
            **errors(FINERANK, (*PROBLEMS, _NO_INDEX, _NO_COLLECTION, _UNAVAILABLE)),
        },
    )


def _add_collections(router: APIRouter, search: SearchService) -> None:
    async def handle(request: Request) -> Response:
        found = await while_connected(request, search.collections(origin_of(request, FINERANK)))
        return SafeJSONResponse({"object": "list", "data": [_facts_of(each) for each in found]})

    router.add_api_route(
        "/v1/collections",
        handle,
        methods=["GET"],
        response_class=SafeJSONResponse,
        summary="What can be searched: collections of the server's index, none if it has no index",
        responses={
            200: success(CollectionList, {"object": "list", "data": [COLLECTION]}),
            **errors(FINERANK, (*PROBLEMS, _UNAVAILABLE)),
        },
    )


async def _answer(
    request: Request, search: SearchService, asked: SearchRequest, settings: Settings, notes: list[str]
) -> Response:
    """Raises ProblemError and what the services raise."""
    options, budget = asked.options(settings), _checked_context(asked.context_tokens)
    index, origin = _index_of(search), origin_of(request, FINERANK)

    async def find() -> "Searcher":
        return await search.searcher(asked.collection)

    try:
        result = await search.search(find, asked.query, options, model=asked.model, origin=origin)
        count = (await find()).count_tokens if budget is not None else None
    except UnknownCollectionError as error:
        raise ProblemError(Problem(404, _NO_COLLECTION.kind, str(error), "collection")) from None
    # In a thread: the snippets of a thousand passages take a moment.
    found = await search.in_thread(lambda: _found(result, bool(asked.explain), budget, count))
    answer: dict[str, Any] = {
        "id": f"search-{new_id()}",
        "object": "list",
        "collection": asked.collection or index.default,
        **found,
    }
    notes = [*notes, *_model_note(asked, answer["facts"]), *answer["facts"]["warnings"]]
    if notes:
        answer["warnings"] = notes
    return SafeJSONResponse(answer, headers=_headers(answer["facts"], notes))


def _found(
    result: "SearchResult", explain: bool, budget: int | None, count: "Callable[[Sequence[str]], list[int]] | None"
) -> dict[str, Any]:
    """Raises InputError if not even one passage fits into the budget."""
    from ...retrieval.answer import answer_of
    from ...retrieval.context import context_block

    answer = answer_of(result, explain=explain)
    if budget is not None and count is not None:
        answer["context"] = context_block(result, budget, count)
    return answer


def _index_of(search: SearchService) -> SearchIndex:
    if search.index is None:
        raise ProblemError(_NO_INDEX)
    return search.index


def _checked_context(tokens: int | None) -> int | None:
    if tokens is not None and not 1 <= tokens <= _MOST_CONTEXT:
        raise bad_request(
            f"context_tokens is {tokens}; give a whole number from 1 to {_MOST_CONTEXT:,}", "context_tokens"
        )
    return tokens


def _model_note(asked: SearchRequest, facts: Mapping[str, Any]) -> list[str]:
    answered = facts["model"]
    if asked.model in (None, answered) or answered is None:
        return []
    return [f"model {asked.model!r} was asked for, {answered!r} answered"]


def _headers(facts: Mapping[str, Any], notes: list[str]) -> dict[str, str]:
    """As other answers have them."""
    named = {MODEL: facts["model"], FINGERPRINT: facts["fingerprint"], INSTRUCTION: facts["instruction"]}
    return {name: header_text(value) for name, value in named.items() if value} | notes_header(notes)


def _given(value: Any, default: Any) -> Any:
    return default if value is None else value


def _facts_of(each: Collection) -> CollectionFacts:
    facts: CollectionFacts = {
        "id": each.name,
        "object": "collection",
        "num_chunks": each.num_chunks,
        "embedding_model": each.embedding_model,
        "dimensions": each.dimensions,
        "is_default": each.is_default,
    }
    if each.error is not None:
        facts["error"] = each.error
    return facts
