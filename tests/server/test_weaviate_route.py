"""Weaviate's reranker module. Its database assigns scores by their position."""

import httpx
import pytest

from tests.server.spoken import DOCUMENTS, ORDER, QUERY, SCORES

IN_ORDER = [SCORES[ORDER.index(index)] for index in range(3)]


async def test_scores_in_input_order(client: httpx.AsyncClient) -> None:
    answer = (await client.post("/weaviate/rerank", json={"query": QUERY, "documents": DOCUMENTS})).json()
    assert answer == {
        "query": QUERY,
        "scores": [
            {"document": document, "score": pytest.approx(score, abs=1e-6)}
            for document, score in zip(DOCUMENTS, IN_ORDER, strict=True)
        ],
        "property": None,
        "score": None,
    }


async def test_one_text(client: httpx.AsyncClient) -> None:
    answer = (await client.post("/weaviate/rerank", json={"query": QUERY, "property": DOCUMENTS[1]})).json()
    score = pytest.approx(SCORES[0], abs=1e-6)
    assert answer == {"query": QUERY, "scores": None, "property": DOCUMENTS[1], "score": score}


async def test_what_its_go_client_sends(client: httpx.AsyncClient) -> None:
    """It writes an empty property beside the documents."""
    body = {"query": QUERY, "documents": DOCUMENTS, "property": ""}
    answer = (await client.post("/weaviate/rerank", json=body)).json()
    assert [each["score"] for each in answer["scores"]] == pytest.approx(IN_ORDER, abs=1e-6)


async def test_a_failed_document_keeps_its_place(client: httpx.AsyncClient) -> None:
    body = {"query": "mars", "documents": ["explode", "mars", 5]}
    response = await client.post("/weaviate/rerank", json=body)
    answer = response.json()
    assert [each["document"] for each in answer["scores"]] == ["explode", "mars", ""]
    assert [each["score"] for each in answer["scores"]] == [0.0, pytest.approx(0.268941, abs=1e-6), 0.0]
    assert [each["index"] for each in answer["errors"]] == [0, 2]
    assert response.headers["X-Finerank-Errors"] == "no score for documents 0, 2"


async def test_what_is_wrong_is_a_500_with_one_key(client: httpx.AsyncClient) -> None:
    for body in ({}, {"query": "a"}, {"query": " ", "documents": ["a"]}, {"query": "a", "documents": []}):
        response = await client.post("/weaviate/rerank", json=body)
        assert response.status_code == 500
        assert set(response.json()) == {"error"}


async def test_what_it_asks_before(client: httpx.AsyncClient) -> None:
    for name in ("live", "ready"):
        response = await client.get(f"/weaviate/.well-known/{name}")
        assert (response.status_code, response.content) == (204, b"")
    assert (await client.get("/weaviate/meta")).json()["model_name"] == "fake/overlap"
