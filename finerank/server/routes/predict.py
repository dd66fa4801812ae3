"""`POST /api/predict`: Gradio's classic call, as Qwen3-Reranker tutorials make it.

{"data": [query, "doc 1\\ndoc 2", instruction, batch size]} -> {"data": [[documents, best first], [scores]]}
"""

from typing import Any, Final, NotRequired

from fastapi import APIRouter
from pydantic import Field
from typing_extensions import TypedDict

from ..dialect import FINERANK
from ..notices import DocumentError
from ..problems import bad_request, json_type
from ..service import RerankCall, RerankService
from .asked import Asked
from .endpoint import DOCUMENTS, QUERY, Answered, Endpoint, plain_router, serve

_SHAPE: Final = '"data": [query, "one document a line", instruction, batch size]'


class PredictRequest(Asked):
    """Gradio's classic call: `data` is query, documents one a line, instruction, batch size; the last two may miss."""

    quiet = frozenset({"fn_index", "session_hash", "event_data", "trigger_id", "api_name"})

    # Looked at by hand, for messages that name the entry.
    data: Any = Field(None, json_schema_extra={"type": "array", "minItems": 2, "maxItems": 4})

    def call(self) -> RerankCall:
        return call_of(self.data)


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


class PredictAnswer(TypedDict):
    data: list[list[str] | list[float]]
    duration: float
    model: str
    fingerprint: str
    instruction: NotRequired[str]
    errors: NotRequired[list[DocumentError]]
    warnings: NotRequired[list[str]]


def _answer(asked: PredictRequest, answered: Answered) -> PredictAnswer:
    facts = answered.facts
    answer: PredictAnswer = {
        "data": [[each.text for each in answered.scored], [each.score for each in answered.scored]],
        "duration": round(facts.seconds, 6),
        "model": facts.model.name,
        "fingerprint": facts.model.fingerprint,
    }
    if facts.instruction is not None:
        answer["instruction"] = facts.instruction
    if answered.errors:
        answer["errors"] = answered.errors
    if answered.notes:
        answer["warnings"] = answered.notes
    return answer


PREDICT: Final = Endpoint(
    FINERANK, PredictRequest, _answer, PredictAnswer, {"data": [QUERY, "\n".join(DOCUMENTS), "", 8]}
)


def predict_router(service: RerankService) -> APIRouter:
    router = plain_router("gradio")
    serve(router, service, PREDICT, "/api/predict")
    return router
