"""Paths that do not exist, bodies that are too large, callers that hang up, and what the page may load."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.server.fake_model import FakeModel

BODY = {"query": "mars", "documents": ["mars"]}


@pytest.mark.parametrize(
    ("path", "meant"),
    [("/v1/rerun", "/v1/rerank"), ("/v1/rerank/", "/v1/rerank"), ("/v2/rerank", "/v1/rerank"), ("/heath", "/health")],
)
async def test_a_path_nearly_right_is_told_the_right_one(client: httpx.AsyncClient, path: str, meant: str) -> None:
    response = await client.post(path, json=BODY)
    assert response.status_code == 404
    assert response.json()["error"]["message"] == f"there is no {path} here; did you mean {meant}?"


async def test_a_path_far_off_is_told_all(client: httpx.AsyncClient) -> None:
    message = (await client.get("/qqqqqq")).json()["error"]["message"]
    assert "there are /api/predict, /health, /ready, /rerank, /v1/models, /v1/rerank" in message


async def test_a_wrong_method_is_told_the_right_one(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/rerank")
    assert (response.status_code, response.headers["Allow"]) == (405, "POST")
    assert response.json()["error"]["message"] == "/v1/rerank takes POST, not GET"


async def test_a_large_body_is_refused_by_its_announced_length(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/rerank", content=b"x" * (4 * 2**20 + 1))
    assert response.status_code == 413
    assert "larger than 4,194,304 bytes" in response.json()["error"]["message"]


async def test_a_large_body_is_refused_without_an_announced_length(client: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"x" * 2**20

    response = await client.post("/v1/rerank", content=chunks())
    assert "content-length" not in response.request.headers
    assert response.status_code == 413


async def test_no_other_origin_is_allowed(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/rerank", json=BODY, headers={"origin": "http://elsewhere.example"})
    assert not [name for name in response.headers if name.startswith("access-control")]


async def test_the_page_may_load_from_its_own_host_only(client: httpx.AsyncClient) -> None:
    response = await client.get("/")
    assert response.status_code == 200
    policy = response.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy
    assert "content-security-policy" not in (await client.get("/health")).headers


async def test_docs_that_load_scripts_from_elsewhere_are_off(client: httpx.AsyncClient) -> None:
    assert (await client.get("/docs")).status_code == 404
    paths = (await client.get("/openapi.json")).json()["paths"]
    schema = paths["/v1/rerank"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(schema["required"]) == {"query", "documents"}


async def test_a_caller_who_hangs_up_leaves_the_queue(
    app: FastAPI, model: FakeModel, client: httpx.AsyncClient, closed_gate: Callable[[], None]
) -> None:
    """The first call holds the model; the second hangs up while it waits; its document is never computed."""
    first = asyncio.create_task(client.post("/v1/rerank", json=BODY))
    await asyncio.sleep(0.1)
    body = json.dumps({"query": "mars", "documents": ["abandoned"]}).encode()
    sent = await asyncio.wait_for(hang_up_after(app, body, 0.1), 5)
    closed_gate()
    assert (await first).status_code == 200
    assert (await client.post("/v1/rerank", json=BODY)).status_code == 200
    assert sent[0]["status"] == 499
    assert "abandoned" not in model.computed


async def hang_up_after(app: FastAPI, body: bytes, seconds: float) -> list[Any]:
    """What the application sends to a client that leaves after so long."""
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        message = next(messages, None)
        if message is None:
            await asyncio.sleep(seconds)
            return {"type": "http.disconnect"}
        return message

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/rerank",
        "raw_path": b"/v1/rerank",
        "query_string": b"",
        "headers": [],
        "http_version": "1.1",
        "scheme": "http",
        "root_path": "",
    }
    started = time.monotonic()
    await app(scope, receive, send)
    assert time.monotonic() - started < 5
    return sent
