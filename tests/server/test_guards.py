"""Paths that do not exist, bodies too large, web pages of others, callers that hang up, what the page may load."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from finerank.reranker import Reranker
from tests.server.calling import calling
from tests.server.fake_model import FakeModel

BODY = {"query": "mars", "documents": ["mars"]}


@pytest.mark.parametrize(
    ("path", "meant"),
    [("/v1/rerun", "/v1/rerank"), ("/v1/rerank/", "/v1/rerank"), ("/v3/rerank", "/v2/rerank"), ("/heath", "/health")],
)
async def test_a_path_nearly_right_is_told_the_right_one(client: httpx.AsyncClient, path: str, meant: str) -> None:
    response = await client.post(path, json=BODY)
    assert response.status_code == 404
    assert response.json()["error"]["message"] == f"there is no {path} here; did you mean {meant}?"


async def test_a_path_far_off_is_told_where_all_are(client: httpx.AsyncClient) -> None:
    message = (await client.get("/qqqqqq")).json()["error"]["message"]
    assert message == "there is no /qqqqqq here; /docs has them all; ranking is POST /v1/rerank"


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


async def test_a_wrong_method_on_a_path_with_a_name_in_it_is_told_the_right_one(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/models/somebody/something")
    assert response.status_code == 405
    assert "GET" in response.headers["Allow"]


async def test_a_route_may_itself_answer_that_there_is_no_such_thing(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/models/somebody/something")
    assert response.status_code == 404
    assert "there is no /v1/models" not in response.json()["error"]["message"]


# Whose web page is it?

ELSEWHERE = "https://elsewhere.example"
LOCAL = "http://localhost:7860"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Host": "search.example"},
        {"Origin": LOCAL, "Host": "localhost:7860"},
        {"Origin": "http://127.0.0.1:7860", "Host": "127.0.0.1:7860", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "http://[::1]:7860", "Host": "[::1]:7860"},
        {"Origin": "http://finerank.localhost", "Host": "finerank.localhost"},
        # Behind a proxy with https: whatever it makes of Host, the browser's word counts.
        {"Origin": "https://search.example", "Host": "search.example", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "https://search.example", "Host": "127.0.0.1:7860", "Sec-Fetch-Site": "same-origin"},
    ],
)
async def test_programs_and_the_own_page_may_call(reranker: Reranker, headers: dict[str, str]) -> None:
    async with calling(reranker) as client:
        for path in ("/v1/rerank", "/gradio_api/queue/join"):
            assert (await client.post(path, json=BODY, headers=headers)).status_code != 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": ELSEWHERE, "Host": "localhost:7860"},
        {"Origin": ELSEWHERE, "Host": "localhost:7860", "Sec-Fetch-Site": "cross-site"},
        {"Origin": LOCAL, "Host": "localhost:7860", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://localhost:9999", "Host": "localhost:7860", "Sec-Fetch-Site": "same-site"},
        {"Origin": "null", "Host": "localhost:7860"},
        {"Origin": "", "Host": ""},
        {"Origin": "http://[", "Host": "["},
        # A name that was given this machine's address after its page was loaded.
        {"Origin": "http://rebound.example:7860", "Host": "rebound.example:7860"},
        {"Origin": "http://rebound.example:7860", "Host": "rebound.example:7860", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "https://rebound.example:7860", "Host": "rebound.example:7860"},
        {"Origin": "http://localhost.rebound.example", "Host": "localhost.rebound.example"},
    ],
)
async def test_pages_of_others_may_not(reranker: Reranker, headers: dict[str, str]) -> None:
    async with calling(reranker) as client:
        for path in ("/v1/rerank", "/v1/load_lora_adapter", "/gradio_api/queue/join"):
            response = await client.post(path, json=BODY, headers=headers)
            assert response.status_code == 403
            assert not [name for name in response.headers if name.startswith("access-control")]
        assert (
            "--cors-origins" in (await client.post("/v1/rerank", json=BODY, headers=headers)).json()["error"]["message"]
        )
        assert (await client.get("/health", headers=headers)).status_code == 200


async def test_a_server_for_the_network_answers_under_any_name_but_to_its_own_page(reranker: Reranker) -> None:
    async with calling(reranker, host="0.0.0.0") as client:
        own = {"Origin": "http://search.lan:7860", "Host": "search.lan:7860"}
        assert (await client.post("/v1/rerank", json=BODY, headers=own)).status_code == 200
        foreign = {"Origin": ELSEWHERE, "Host": "search.lan:7860"}
        assert (await client.post("/v1/rerank", json=BODY, headers=foreign)).status_code == 403


async def test_origins_of_the_settings_may_call_and_a_browser_is_told_so(reranker: Reranker) -> None:
    async with calling(reranker, cors_origins=(ELSEWHERE,), api_keys=("key-of-page",)) as client:
        asked = {"Origin": ELSEWHERE, "Access-Control-Request-Method": "POST"}
        asked["Access-Control-Request-Headers"] = "authorization, content-type"
        may = await client.options("/v1/rerank", headers=asked)
        assert (may.status_code, may.headers["access-control-allow-origin"]) == (200, ELSEWHERE)
        assert "authorization" in may.headers["access-control-allow-headers"].lower()
        headers = {"Origin": ELSEWHERE, "Sec-Fetch-Site": "cross-site"}
        refused = await client.post("/v1/rerank", json=BODY, headers=headers)
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, ELSEWHERE)
        answer = await client.post("/v1/rerank", json=BODY, headers={**headers, "X-API-Key": "key-of-page"})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, ELSEWHERE)
        assert "X-Request-Id" in answer.headers["access-control-expose-headers"]
        other = await client.options("/v1/rerank", headers={**asked, "Origin": "https://third.example"})
        assert "access-control-allow-origin" not in other.headers


async def test_a_key_that_was_put_in_counts_from_anywhere_but_a_browsers_password_does_not(reranker: Reranker) -> None:
    async with calling(reranker, api_keys=("secret",)) as client:
        headers = {"Origin": ELSEWHERE, "Host": "localhost"}
        keyed = {**headers, "Authorization": "Bearer secret"}
        assert (await client.post("/v1/rerank", json=BODY, headers=keyed)).status_code == 200
        remembered = {**headers, "Authorization": "Basic OnNlY3JldA=="}
        assert (await client.post("/v1/rerank", json=BODY, headers=remembered)).status_code == 403
        own = {**remembered, "Origin": "http://search.lan", "Host": "search.lan"}
        assert (await client.post("/v1/rerank", json=BODY, headers=own)).status_code == 200


async def test_the_page_may_load_from_its_own_host_only(client: httpx.AsyncClient) -> None:
    response = await client.get("/")
    assert response.status_code == 200
    policy = response.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy
    assert "content-security-policy" not in (await client.get("/health")).headers


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
