"""TEI's dialect: bare arrays, headers of times, `/info`, and `/rerank` recognised by `texts`."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from finerank.errors import NotReadyError
from tests.server.spoken import DOCUMENTS, LOG_ODDS, ORDER, QUERY, SCORES


@pytest.mark.parametrize("path", ["/rerank", "/tei/rerank"])
async def test_the_answer_is_a_bare_array(client: httpx.AsyncClient, path: str) -> None:
    response = await client.post(path, json={"query": QUERY, "texts": DOCUMENTS, "truncate": None})
    assert response.json() == [
        {"index": index, "score": pytest.approx(score, abs=1e-6)} for index, score in zip(ORDER, SCORES, strict=True)
    ]


async def test_raw_scores_and_texts(client: httpx.AsyncClient) -> None:
    body = {"query": QUERY, "texts": DOCUMENTS, "raw_scores": True, "return_text": True}
    ranks = (await client.post("/tei/rerank", json=body)).json()
    assert [each["score"] for each in ranks] == LOG_ODDS
    assert [each["text"] for each in ranks] == [DOCUMENTS[index] for index in ORDER]


async def test_headers(client: httpx.AsyncClient) -> None:
    headers = (await client.post("/tei/rerank", json={"query": QUERY, "texts": DOCUMENTS})).headers
    assert headers["x-compute-type"] == "cpu"
    assert headers["x-compute-tokens"] == "11"
    assert headers["x-compute-characters"] == str(len(QUERY) * 3 + sum(map(len, DOCUMENTS)))
    times = ("x-compute-time", "x-total-time", "x-tokenization-time", "x-queue-time", "x-inference-time")
    assert all(int(headers[name]) >= 0 for name in times)
    assert int(headers["x-total-time"]) >= int(headers["x-inference-time"])


async def test_only_the_end_is_cut(client: httpx.AsyncClient) -> None:
    body = {"query": QUERY, "texts": DOCUMENTS}
    for direction, warned in (("Right", False), ("right", False), ("left", True), ("Left", True)):
        response = await client.post("/tei/rerank", json={**body, "truncation_direction": direction})
        assert ("X-Finerank-Warnings" in response.headers) is warned
    refused = await client.post("/tei/rerank", json={**body, "truncation_direction": "up"})
    assert (refused.status_code, refused.json()["error_type"]) == (422, "Validation")


async def test_errors_on_the_shared_path_are_tei_s_once_it_is_known(client: httpx.AsyncClient) -> None:
    empty = await client.post("/rerank", json={"query": QUERY, "texts": []})
    assert (empty.status_code, empty.json()["error_type"]) == (400, "Empty")
    many = await client.post("/rerank", json={"query": QUERY, "texts": ["a"] * 1001})
    assert (many.status_code, many.json()["error_type"]) == (422, "Validation")
    # With documents too it is not TEI's question.
    both = await client.post("/rerank", json={"query": QUERY, "texts": DOCUMENTS, "documents": DOCUMENTS})
    assert "results" in both.json()


@pytest.mark.parametrize("path", ["/info", "/tei/info"])
async def test_info(client: httpx.AsyncClient, path: str) -> None:
    info = (await client.get(path)).json()
    assert info["model_id"] == "fake/overlap"
    assert info["model_dtype"] == "float32"
    assert info["model_type"] == {"reranker": {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}}
    assert info["max_input_length"] == 1000
    assert info["max_client_batch_size"] == 1000
    assert info["auto_truncate"] is True


async def test_health(app: FastAPI, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    healthy = await client.get("/tei/health")
    assert (healthy.status_code, healthy.content) == (200, b"")

    class Loading:
        is_ready = False

        def why_not(self) -> str:
            return "still loading"

        @property
        def reranker(self) -> Any:
            raise NotReadyError("still loading")

    monkeypatch.setattr(type(app.state.service.pool), "default", Loading())
    sick = await client.get("/tei/health")
    assert (sick.status_code, sick.json()) == (503, {"error": "still loading", "error_type": "Unhealthy"})
    assert (await client.get("/tei/info")).json()["error_type"] == "Unhealthy"
    assert (await client.get("/weaviate/.well-known/ready")).status_code == 503
    assert (await client.get("/weaviate/.well-known/live")).status_code == 204
    assert (await client.get("/nim/v1/health/ready")).status_code == 503
    assert (await client.get("/ready")).status_code == 503
    assert (await client.get("/health")).status_code == 200
