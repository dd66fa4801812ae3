"""What holds in every rerank dialect: order, scores, options, notices, refusals; and what rubbish is told."""

import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from finerank.errors import DeadlineError, EngineError, NotReadyError, OverloadedError, UnknownModelError
from finerank.settings import Settings
from tests.server.fake_model import DEFAULT_INSTRUCTION
from tests.server.spoken import DOCUMENTS, IDS, ORDER, PATHS, Spoken

pytestmark = pytest.mark.parametrize(("spoken", "path"), PATHS, ids=IDS)


def message_of(spoken: Spoken, response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    return spoken.message(response.json())


async def test_order_and_scores(client: httpx.AsyncClient, spoken: Spoken, path: str) -> None:
    response = await client.post(path, json=spoken.body())
    assert response.status_code == 200, response.text
    results = spoken.results(response.json())
    assert [each["index"] for each in results] == ORDER
    assert [each[spoken.score] for each in results] == pytest.approx(spoken.expected, abs=1e-6)


async def test_top_n(client: httpx.AsyncClient, spoken: Spoken, path: str) -> None:
    response = await client.post(path, json=spoken.body(**{spoken.top: 1}))
    assert [each["index"] for each in spoken.results(response.json())] == [1]
    many = await client.post(path, json=spoken.body(**{spoken.top: 10**30}))
    assert len(spoken.results(many.json())) == 3


@pytest.mark.parametrize("name", ["instruction", "instruct"])
async def test_instruction(client: httpx.AsyncClient, spoken: Spoken, path: str, name: str) -> None:
    response = await client.post(path, json=spoken.body(**{name: "find planets"}))
    assert response.headers["X-Finerank-Instruction"] == "find planets"
    blank = await client.post(path, json=spoken.body(**{name: " "}))
    assert blank.headers["X-Finerank-Instruction"] == DEFAULT_INSTRUCTION


async def test_documents_as_objects(client: httpx.AsyncClient, spoken: Spoken, path: str) -> None:
    documents = [{"text": text, "page": 1} for text in DOCUMENTS]
    response = await client.post(path, json=spoken.body(documents=documents))
    assert [each["index"] for each in spoken.results(response.json())] == ORDER


async def test_who_answered_is_told_in_headers(client: httpx.AsyncClient, spoken: Spoken, path: str) -> None:
    response = await client.post(path, json={**spoken.body(), "model": "fake/overlap"})
    assert response.headers["X-Finerank-Model"] == "fake/overlap"
    assert response.headers["X-Finerank-Fingerprint"] == "0123456789abcdef"
    assert "X-Finerank-Warnings" not in response.headers
    other = await client.post(path, json={**spoken.body(), "model": "some/other"})
    assert other.status_code == 200
    assert "'some/other' was asked for, 'fake/overlap' answered" in other.headers["X-Finerank-Warnings"]


async def test_a_failed_document_is_left_out_and_told(client: httpx.AsyncClient, spoken: Spoken, path: str) -> None:
    documents = ["explode", "mars", 5, None, {"title": "x"}, ["mars"], "mars " * 2000, " "]
    response = await client.post(path, json=spoken.body(documents=documents))
    assert response.status_code == 200, response.text
    assert sorted(each["index"] for each in spoken.results(response.json())) == [1, 6, 7]
    assert response.headers["X-Finerank-Errors"] == "no score for documents 0, 2, 3, 4, 5"
    assert response.headers["X-Finerank-Truncated"] == "documents 6"
    assert response.headers["X-Finerank-Blank"] == "documents 7"
    if spoken.errors is not None:
        errors = spoken.errors(response.json())
        assert [each["index"] for each in errors] == [0, 2, 3, 4, 5]
        assert "must be a string, not int" in errors[1]["message"]


async def test_nothing_went_wrong_means_no_errors(client: httpx.AsyncClient, spoken: Spoken, path: str) -> None:
    body = (await client.post(path, json=spoken.body())).json()
    if spoken.errors is not None:
        with pytest.raises(KeyError):
            spoken.errors(body)


async def test_unknown_fields_are_told(client: httpx.AsyncClient, spoken: Spoken, path: str) -> None:
    response = await client.post(path, json=spoken.body(colour="red"))
    assert response.status_code == 200
    assert "unknown fields were ignored: " in response.headers["X-Finerank-Warnings"]
    assert "colour" in response.headers["X-Finerank-Warnings"]


async def test_unknown_fields_are_refused_if_strict(
    app: FastAPI, client: httpx.AsyncClient, spoken: Spoken, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.state.service, "settings", Settings(strict_fields=True))
    assert (await client.post(path, json=spoken.body())).status_code == 200
    response = await client.post(path, json=spoken.body(colour="red"))
    assert "unknown fields: " in message_of(spoken, response, spoken.invalid)


async def test_empty_lists(client: httpx.AsyncClient, spoken: Spoken, path: str) -> None:
    message = message_of(spoken, await client.post(path, json=spoken.body(documents=[])), spoken.empty)
    assert f"{spoken.documents} is empty" in message


async def test_a_blank_query(client: httpx.AsyncClient, spoken: Spoken, path: str) -> None:
    response = await client.post(path, json=spoken.body(query=" "))
    assert "the query is empty" in message_of(spoken, response, spoken.invalid)


RUBBISH: list[Any] = [None, 5, 1.5, True, [], {}, "", [[]], {"x": None}, 10**400]
FIELDS = ["query", "documents", "model", "top_n", "instruction", "min_score", "batch_size", "x" * 300]


async def test_rubbish_is_refused_in_the_dialect(client: httpx.AsyncClient, spoken: Spoken, path: str) -> None:
    for field in FIELDS:
        for value in RUBBISH:
            response = await client.post(path, content=json.dumps(with_rubbish(spoken, field, value)))
            if response.status_code == 200:
                spoken.results(response.json())
            else:
                assert response.status_code in (400, 404, 422), (field, value, response.text)
                # LocalAI says one thing with a string.
                assert isinstance(response.json(), str) or spoken.message(response.json())


def with_rubbish(spoken: Spoken, field: str, value: Any) -> dict[str, Any]:
    if field in ("query", "documents"):
        return spoken.body(**{field: value if value is not None else 0})
    if field == "model":
        return {**spoken.body(), "model": value}
    return spoken.body(**{spoken.top if field == "top_n" else field: value})


UNREADABLE = [
    b"",
    b"null",
    b"[]",
    b'"x"',
    b"{}",
    b'{"query": NaN}',
    b'{"query": "a", "documents": ["a"], "x": 1e999}',
    b"{" * 100_000,
    b'{"a":' * 100_000,
    b'{"query": "\xff"}',
    b"\x00",
    "\ufeff{}".encode(),
    "{}".encode("utf-16"),
]


async def test_bodies_that_cannot_be_read(client: httpx.AsyncClient, spoken: Spoken, path: str) -> None:
    for body in UNREADABLE:
        response = await client.post(path, content=body)
        if spoken.name == "tei" and path == "/rerank":
            # Nobody can tell yet which dialect this is.
            assert response.json()["error"]["code"] == 400
        else:
            assert message_of(spoken, response, spoken.invalid)


async def test_lone_surrogates(client: httpx.AsyncClient, spoken: Spoken, path: str) -> None:
    response = await client.post(path, content=json.dumps(spoken.body(query="\ud800")))
    assert "lone surrogate" in message_of(spoken, response, spoken.invalid)
    fields = {"model": "\udfff", spoken.top: 2}
    response = await client.post(path, content=json.dumps({**spoken.body(documents=["\ud800", "mars"]), **fields}))
    assert response.status_code == 200, response.text
    assert [each["index"] for each in spoken.results(response.json())] == [1]
    response = await client.post(path, content=json.dumps({**spoken.body(), "\ud800": 1}))
    assert message_of(spoken, response, spoken.invalid)


async def test_a_deeply_nested_document(client: httpx.AsyncClient, spoken: Spoken, path: str) -> None:
    """It can be read and is ranked; if it cannot be written back, that is said."""
    for depth in (100, 300, 900):
        document = json.loads('{"a":' * depth + "1" + "}" * depth)
        body = spoken.body(documents=[{"text": "mars", "more": document}], return_documents=True, return_input=True)
        response = await client.post(path, content=json.dumps(body))
        assert response.status_code in (200, 400, 422), response.text


@pytest.mark.parametrize(
    ("error", "statuses"),
    [
        (UnknownModelError("no such model"), {400, 404}),
        (OverloadedError("too much", 7), {429, 503}),
        (NotReadyError("not yet"), {503}),
        (DeadlineError("too late"), {504}),
        (EngineError("broken"), {424, 500, 503}),
        (ValueError("secret"), {500}),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_failures_are_told_in_the_dialect(
    app: FastAPI,
    client: httpx.AsyncClient,
    spoken: Spoken,
    path: str,
    error: Exception,
    statuses: set[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(app.state.service, "rank", fail)
    response = await client.post(path, json=spoken.body())
    assert response.status_code in statuses
    body = response.json()
    try:
        message = spoken.message(body)
    except (KeyError, TypeError):
        message = str(body)  # Infinity and SiliconFlow have several shapes
    assert "secret" not in response.text
    assert message
    if isinstance(error, OverloadedError):
        assert response.headers["Retry-After"] == "7"


async def test_a_large_body_is_refused_in_the_dialect(client: httpx.AsyncClient, spoken: Spoken, path: str) -> None:
    response = await client.post(path, content=b"x" * (4 * 2**20 + 1))
    assert response.status_code == 413
    assert "larger than 4,194,304 bytes" in response.text


async def test_another_method_is_refused_in_the_dialect(client: httpx.AsyncClient, spoken: Spoken, path: str) -> None:
    response = await client.get(path)
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")
    assert f"{path} takes POST, not GET" in response.text
