"""What /openapi.json says of a route: schemas of the types that the code itself uses, answers it would really give."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import TypeAdapter
from starlette.responses import Response

from .dialect import EMPTY, Dialect
from .problems import Problem

PROBLEMS: Final = (
    Problem(400, "invalid_request_error", "query is missing", "query"),
    Problem(400, "invalid_request_error", "the body is not JSON: Expecting value at line 1, column 1"),
    Problem(400, EMPTY, "documents is empty; give at least one", "documents"),
    Problem(401, "unauthorized", "the API key is missing or unknown; send Authorization: Bearer KEY"),
    Problem(403, "forbidden", "web pages of https://example.org may not call this server"),
    Problem(404, "model_not_found", "model 'other' is not served here; served are embedded", "model"),
    Problem(404, "not_found", "there is no /v1/rerun here; did you mean /v1/rerank?"),
    Problem(405, "method_not_allowed", "/v1/rerank takes POST, not GET"),
    Problem(413, "payload_too_large", "the body is larger than 33,554,432 bytes"),
    Problem(429, "rate_limited", "60 requests a minute are allowed for this key; try again in 3 s"),
    Problem(500, "internal_error", "the server failed on its own side; its log says where"),
    Problem(502, "provider_error", "the server behind this one failed"),
    Problem(503, "overloaded", "40,000 tokens of 12 requests are waiting; try again later"),
    Problem(503, "not_ready", "the model is still being loaded; try again in a few seconds"),
    Problem(504, "deadline_exceeded", "not done within 600 s"),
)
"""One for each way in which a call may fail."""


def schema_of(kind: Any) -> dict[str, Any]:
    """JSON schema of a type, with every reference replaced by what it names: routes share no components."""
    schema = TypeAdapter(kind).json_schema()
    definitions = schema.pop("$defs", {})
    resolved: dict[str, Any] = _resolved(schema, definitions)
    return resolved


def schema_like(examples: Iterable[Any]) -> dict[str, Any]:
    """JSON schema that all examples have in common: for bodies of errors, which are built, not declared."""
    merged = [_schema_like(example) for example in examples]
    while len(merged) > 1:
        merged[:2] = [_merge(merged[0], merged[1])]
    return merged[0]


def request_body(kind: Any, example: Mapping[str, Any]) -> dict[str, Any]:
    """For `openapi_extra` of a route that reads its body itself."""
    content = {"application/json": {"schema": schema_of(kind), "example": example}}
    return {"requestBody": {"required": True, "content": content}}


def success(kind: Any, example: Any) -> dict[str, Any]:
    """The 200 of a route's `responses`."""
    return {
        "description": "The answer",
        "content": {"application/json": {"schema": schema_of(kind), "example": example}},
    }


def errors(dialect: Dialect, problems: Iterable[Problem] = PROBLEMS) -> dict[int | str, dict[str, Any]]:
    """The `responses` that are no success, as the dialect really writes them."""
    answers: dict[int, list[Response]] = {}
    for problem in problems:
        answer = dialect.answer(problem)
        answers.setdefault(answer.status_code, []).append(answer)
    return {status: _described(answers[status]) for status in sorted(answers)}


def _described(answers: list[Response]) -> dict[str, Any]:
    bodies = [json.loads(bytes(answer.body)) for answer in answers if answer.body]
    described: dict[str, Any] = {"description": _reason(answers[0].status_code)}
    if bodies:
        described["content"] = {"application/json": {"schema": schema_like(bodies), "example": bodies[0]}}
    return described


def _reason(status: int) -> str:
    reasons = {
        400: "The request cannot be used",
        401: "No valid API key",
        403: "Not allowed",
        404: "No such model or path",
        405: "The path takes another method",
        413: "The body is too large",
        422: "The request cannot be used",
        424: "The model failed",
        429: "Too many requests",
        500: "The server failed",
        502: "The server behind this one failed",
        503: "No model yet, or too much work",
        504: "Not done in time",
    }
    return reasons.get(status, "An error")


def _resolved(schema: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_resolved(each, definitions) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _resolved(definitions[schema["$ref"].rsplit("/", 1)[-1]], definitions)
    return {key: _resolved(value, definitions) for key, value in schema.items()}


def _schema_like(example: Any) -> dict[str, Any]:
    if isinstance(example, dict):
        properties = {key: _schema_like(value) for key, value in example.items()}
        return {"type": "object", "properties": properties, "required": sorted(properties)}
    if isinstance(example, list):
        return {"type": "array", "items": schema_like(example)} if example else {"type": "array"}
    names = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}
    return {"type": names[type(example)]}


def _merge(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    if one == other:
        return one
    if one.get("type") == other.get("type") == "object":
        keys = [*one["properties"], *(key for key in other["properties"] if key not in one["properties"])]
        properties = {key: _merge_field(one["properties"].get(key), other["properties"].get(key)) for key in keys}
        required = sorted(set(one["required"]) & set(other["required"]))
        return {"type": "object", "properties": properties, "required": required}
    choices = [*one.get("anyOf", [one]), *other.get("anyOf", [other])]
    return {"anyOf": [each for index, each in enumerate(choices) if each not in choices[:index]]}


def _merge_field(one: dict[str, Any] | None, other: dict[str, Any] | None) -> dict[str, Any]:
    if one is None or other is None:
        return one or other or {}
    return _merge(one, other)
