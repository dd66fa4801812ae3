"""`POST /v1/rerank` and `/rerank`: what clients of Jina and Cohere send, and a superset of what they expect."""

import uuid
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from ...types import RankedDocument, Ranking
from ..body import json_object, while_connected
from ..json_response import SafeJSONResponse, present
from ..notices import error_list, notice_headers, unknown_fields
from ..problems import bad_request
from ..service import RerankCall, RerankService, notes_of


class RerankRequest(BaseModel):
    """The body. Two names for one thing may both be given only if they agree."""

    model_config = ConfigDict(strict=True, extra="allow")

    query: str
    documents: list[Any] = Field(description='texts, or objects {"text": ...} whose other keys come back untouched')
    model: str | None = Field(None, description="accepted for other servers' clients; the answer names who answered")
    top_n: int | None = Field(None, description="keep only the best so many")
    top_k: int | None = Field(None, description="another name for top_n")
    return_documents: bool | None = Field(None, description="repeat the documents in the answer; default true")
    instruction: str | None = Field(None, description='what "relevant" means, in a sentence')
    instruct: str | None = Field(None, description="another name for instruction")
    preset: str | None = Field(None, description="a named instruction instead of one of your own")
    min_score: float | None = Field(None, description="keep only documents of at least this probability, 0 to 1")
    batch_size: int | None = Field(None, description="most documents in one batch; default and 0: automatic")

    def call(self) -> RerankCall:
        """Raises ProblemError where two names for one thing disagree."""
        return RerankCall(
            query=self.query,
            documents=self.documents,
            model=self.model,
            top_n=_one_of(top_n=self.top_n, top_k=self.top_k),
            instruction=_one_of(instruction=self.instruction, instruct=self.instruct),
            preset=self.preset,
            min_score=self.min_score,
            batch_size=self.batch_size if self.batch_size is not None else 0,
        )


def rerank_router(service: RerankService) -> APIRouter:
    router = APIRouter(tags=["rerank"])
    schema = {"application/json": {"schema": RerankRequest.model_json_schema()}}
    described = {"requestBody": {"required": True, "content": schema}}

    @router.post("/v1/rerank", openapi_extra=described, response_class=SafeJSONResponse)
    @router.post("/rerank", openapi_extra=described, response_class=SafeJSONResponse)
    async def rerank(request: Request) -> SafeJSONResponse:
        """Documents by how well they answer the query, best first."""
        asked = RerankRequest.model_validate(await json_object(request))
        call = asked.call()
        ranking = await while_connected(request, service.rank(call))
        notes = [*unknown_fields(asked.model_extra or {}), *notes_of(call, ranking)]
        answer = answer_of(ranking, notes, has_documents=asked.return_documents is not False)
        return SafeJSONResponse(answer, headers=notice_headers(ranking, notes))

    return router


def answer_of(ranking: Ranking, notes: list[str], *, has_documents: bool) -> dict[str, Any]:
    """The body of the answer; documents without a score are in `errors` instead of `results`."""
    facts = ranking.facts
    tokens = {"input_tokens": facts.usage.prompt_tokens, "output_tokens": 0}
    return present(
        {
            "id": f"rerank-{uuid.uuid4().hex}",
            "object": "list",
            "model": facts.model.name,
            "results": [_result(each, has_documents) for each in ranking if each.error is None],
            "errors": error_list(ranking) or None,
            "usage": {"prompt_tokens": facts.usage.prompt_tokens, "total_tokens": facts.usage.prompt_tokens},
            "tokens": tokens,
            "meta": present({"api_version": {"version": "1"}, "tokens": tokens, "warnings": notes or None}),
            "computed_tokens": facts.usage.computed_tokens,
            "fingerprint": facts.model.fingerprint,
            "instruction": facts.instruction,
            "seconds": round(facts.seconds, 6),
            "warnings": notes or None,
        }
    )


def _result(document: RankedDocument, has_document: bool) -> dict[str, Any]:
    given = {"text": document.document} if isinstance(document.document, str) else document.document
    return present(
        {
            "index": document.index,
            "relevance_score": document.score,
            "document": given if has_document else None,
            "log_odds": document.log_odds,
            "num_tokens": document.num_tokens,
            "is_truncated": document.is_truncated,
            "is_blank": document.is_blank,
            "window": document.window,
        }
    )


def _one_of(**names: Any) -> Any:
    """The value under whichever name it was given."""
    given = {name: value for name, value in names.items() if value is not None}
    values = list(given.values())
    if any(value != values[0] for value in values):
        said = " and ".join(f"{name} ({value!r})" if isinstance(value, int) else name for name, value in given.items())
        raise bad_request(f"{said} are two names for one thing and differ; give one of them", next(iter(given)))
    return values[0] if values else None
