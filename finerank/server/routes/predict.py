"""`POST /api/predict`: Gradio's classic call, as Qwen3-Reranker tutorials make it.

{"data": [query, "doc 1\\ndoc 2", instruction, batch size]} -> {"data": [[documents, best first], [scores]]}
"""

from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request

from ...types import Ranking
from ..body import json_object, while_connected
from ..json_response import SafeJSONResponse, present
from ..notices import error_list, notice_headers, unknown_fields
from ..problems import bad_request, json_type
from ..service import RerankCall, RerankService, notes_of

_GRADIO_FIELDS: Final = frozenset({"data", "fn_index", "session_hash", "event_data", "trigger_id", "api_name"})
_SHAPE: Final = '"data": [query, "one document a line", instruction, batch size]'


def predict_router(service: RerankService) -> APIRouter:
    router = APIRouter(tags=["gradio"])

    @router.post("/api/predict", response_class=SafeJSONResponse)
    async def predict(request: Request) -> SafeJSONResponse:
        """Documents one a line, best first, and their scores."""
        body = await json_object(request)
        call = call_of(body.get("data"))
        ranking = await while_connected(request, service.rank(call))
        notes = [*unknown_fields(name for name in body if name not in _GRADIO_FIELDS), *notes_of(call, ranking)]
        return SafeJSONResponse(_answer_of(ranking, notes), headers=notice_headers(ranking, notes))

    return router


def call_of(data: Any) -> RerankCall:
    """Raises ProblemError naming the entry of `data` that is wrong."""
    if not isinstance(data, list) or not 2 <= len(data) <= 4:
        is_list = isinstance(data, list)
        found = f"a list of {len(data)}" if is_list else "missing" if data is None else json_type(data)
        raise bad_request(f"data must be a list of 2 to 4 entries, {_SHAPE}; it is {found}", "data")
    query, documents, instruction, batch_size = [*data, None, None][:4]
    return RerankCall(
        query=_text(query, 0, "the query"),
        documents=_lines(_text(documents, 1, "the documents, one a line,")),
        instruction=_text(instruction, 2, "the instruction") if instruction is not None else None,
        batch_size=_batch_size(batch_size),
    )


def _lines(text: str) -> list[str]:
    """Only the line feed ends a line: a document may hold other separators that Python would split at."""
    lines = [line.strip() for line in text.split("\n")]
    lines = [line for line in lines if line]
    if not lines:
        raise bad_request("data[1] has no document; write one a line", "data")
    return lines


def _text(value: Any, position: int, what: str) -> str:
    if not isinstance(value, str):
        raise bad_request(f"data[{position}], {what} must be a string, not {json_type(value)}", "data")
    return value


def _batch_size(value: Any) -> int:
    """Sliders send 8 or 8.0; nothing means automatic."""
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value) or value < 0:
        found = value if isinstance(value, int | float) else json_type(value)
        raise bad_request(f"data[3], the batch size, must be a whole number of at least 0, not {found}", "data")
    return int(value)


def _answer_of(ranking: Ranking, notes: list[str]) -> dict[str, Any]:
    scored = [each for each in ranking if each.error is None]
    return present(
        {
            "data": [[each.text for each in scored], [each.score for each in scored]],
            "duration": round(ranking.facts.seconds, 6),
            "model": ranking.facts.model.name,
            "fingerprint": ranking.facts.model.fingerprint,
            "instruction": ranking.facts.instruction,
            "errors": error_list(ranking) or None,
            "warnings": notes or None,
        }
    )
