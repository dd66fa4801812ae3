"""The outermost layer: ids of requests, and what it is called when it fails."""

import re
from typing import Any

import httpx
import pytest

from finerank.reranker import Reranker
from finerank.server.service import RerankService
from finerank.server.watch import ApiPaths
from tests.server.calling import BODY, app_of, calling


async def test_a_request_gets_an_id(client: httpx.AsyncClient) -> None:
    ids = {(await client.get(path)).headers["X-Request-Id"] for path in ("/health", "/v1/none", "/", "/v1/models")}
    assert len(ids) == 4
    assert all(re.fullmatch("[0-9a-f]{16}", each) for each in ids)


@pytest.mark.parametrize("given", ["abc-123", "a" * 128, "urn:uuid:1/2+3=="])
async def test_an_id_that_was_given_is_kept(client: httpx.AsyncClient, given: str) -> None:
    response = await client.post("/v1/rerank", json=BODY, headers={"X-Request-Id": given})
    assert response.headers.get_list("X-Request-Id") == [given]


@pytest.mark.parametrize("given", ["", "a" * 129, "two words", 'quoted"', "<b>", "caf\u00e9", "\t"])
async def test_an_id_that_could_do_harm_is_replaced(client: httpx.AsyncClient, given: str) -> None:
    response = await client.get("/health", headers={"X-Request-Id": given.encode()})
    assert re.fullmatch("[0-9a-f]{16}", response.headers["X-Request-Id"])


async def test_a_failure_that_nobody_foresaw_is_an_answer_without_its_text(
    reranker: Reranker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    said = "the user's words"  # not in the line that raises: the log names that

    async def fail(*_: Any) -> None:
        raise KeyError(said)

    monkeypatch.setattr(RerankService, "rank", fail)
    async with calling(reranker) as client:
        response = await client.post("/v1/rerank", json=BODY)
        metrics = (await client.get("/metrics")).text
    assert response.status_code == 500
    assert response.json()["error"]["type"] == "internal_error"
    assert "X-Request-Id" in response.headers
    assert said not in response.text + caplog.text
    assert "Traceback" not in response.text
    assert 'status="500"' in metrics
    assert 'finerank_refusals_total{reason="internal_error"} 1.0' in metrics


async def test_while_the_server_stops_it_is_not_ready_and_keeps_no_connection(reranker: Reranker) -> None:
    async with calling(reranker) as client:
        app_of(client).state.drain.is_on = True
        ready = await client.get("/ready")
        assert (ready.status_code, ready.json()["error"]["message"]) == (503, "this server is stopping")
        assert (await client.get("/weaviate/.well-known/ready")).status_code == 503
        answer = await client.post("/v1/rerank", json=BODY)
        assert (answer.status_code, answer.headers["Connection"]) == (200, "close")
        assert (await client.get("/health")).status_code == 200


def test_paths_are_the_apis_the_monitors_or_the_pages() -> None:
    paths = ApiPaths(["/v1/rerank", "/health", "/weaviate/.well-known/live", "/api/predict", "/v1/models/{model:path}"])
    kinds = {
        "/v1/rerank": "api",
        "/v1/models/health": "api",
        "/v1": "api",
        "/api/other": "api",
        "/health": "health",
        "/weaviate/.well-known/live": "health",
        "/other/health": "page",
        "/": "page",
        "": "page",
        "/gradio_api/queue/join": "page",
    }
    assert {path: paths.kind(path) for path in kinds} == kinds
