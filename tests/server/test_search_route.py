"""`POST /v1/search` over a real Milvus Lite index with the packaged embedding model and a fake reranker."""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from finerank.embedder import Embedder
from finerank.reranker import Reranker
from finerank.server.app import create_app
from finerank.settings import Settings

from .calling import app_of, client_of
from .fake_model import FakeModel
from .searching import QUERY, failure, figure, search, searching


@pytest.fixture(scope="module")
def opened(db: Path, reranker: Reranker, minilm: Embedder) -> Iterator[FastAPI]:
    """Over the index of `db`, opened once."""

    async def make() -> FastAPI:
        return create_app(Settings(search_db=str(db)), reranker, minilm)

    before = reranker.result_cache, reranker.on_batch
    app = asyncio.run(make())
    asyncio.run(app.state.service.pool.load())
    yield app
    asyncio.run(app.state.search.close())
    reranker.result_cache, reranker.on_batch = before


@pytest.fixture
async def client(opened: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(opened) as made:
        yield made


async def test_the_passage_with_the_answer_comes_first(client: httpx.AsyncClient) -> None:
    answer = await search(client)
    best = answer["results"][0]
    assert best["source"].endswith("pump.md")
    assert best["headings"][-1] == "Alarms"
    assert best["snippet"]["text"] == best["text"]
    marked = [best["snippet"]["text"][start:end] for start, end in best["snippet"]["spans"]]
    assert marked == ["Alarm", "E07", "means"]
    assert all(best["stages"][stage]["rank"] in (1, 2) for stage in ("dense", "bm25", "fused"))
    assert 0 < best["score"] < 1
    assert 0 < best["stages"]["dense"]["score"] < 1
    assert answer["collection"] == "finerank"
    facts = answer["facts"]
    assert (facts["model"], facts["embedding_model"]) == ("fake/overlap", "all-MiniLM-L6-v2")
    assert set(facts["seconds"]) == {"embed", "dense", "bm25", "rules", "rerank"}
    assert facts["found"]["together"] == 4
    assert "moves" not in answer
    assert "context" not in answer


async def test_the_answers_headers_say_who_gave_it(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/search", json={"query": QUERY})
    assert response.headers["X-Finerank-Model"] == "fake/overlap"
    assert response.headers["X-Finerank-Fingerprint"] == "0123456789abcdef"


async def test_options_reach_the_search(client: httpx.AsyncClient) -> None:
    assert len((await search(client, top_n=2))["results"]) == 2
    unread = await search(client, depth=0)
    assert unread["facts"]["model"] is None
    assert all(each["score"] is None for each in unread["results"])
    assert (await search(client, mode="bm25"))["facts"]["found"]["dense"] == 0
    dropped = await search(client, rules=["recruitment", "text=~press forms"])
    assert dropped["facts"]["dropped"] == {"recruitment": 1, "text=~press forms": 1}
    grouped = await search(client, group=True)
    assert len({each["document_id"] for each in grouped["results"]}) == len(grouped["results"]) == 3
    assert (await search(client, instruction="find alarms"))["facts"]["instruction"] == "find alarms"
    filtered = await search(client, filter='source like "%press.md"')
    assert {each["source"].rsplit("/")[-1] for each in filtered["results"]} == {"press.md"}
    assert (await search(client, min_score=0.99))["results"] == []


async def test_explanation_and_context(client: httpx.AsyncClient) -> None:
    answer = await search(client, explain=True, context_tokens=200, top_n=2)
    assert [move["after"] for move in answer["moves"][:2]] == [1, 2]
    assert answer["moves"][0]["id"] == answer["results"][0]["id"]
    assert answer["context"].startswith("[1] ")
    assert "hydraulic pressure sensor is missing." in answer["context"]
    assert "[2] " in answer["context"]


async def test_collections(client: httpx.AsyncClient) -> None:
    answer = (await client.get("/v1/collections")).json()
    found = {each["id"]: each for each in answer["data"]}
    assert set(found) == {"finerank", "spare"}
    assert found["finerank"]["num_chunks"] == 4
    assert found["finerank"]["embedding_model"] == "all-MiniLM-L6-v2"
    assert found["finerank"]["dimensions"] == 384
    assert (found["finerank"]["is_default"], found["spare"]["is_default"]) == (True, False)
    spare = await search(client, collection="spare")
    assert {each["source"] for each in spare["results"]} == {"press.md"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"query": " "}, "the query is empty"),
        ({"query": 5}, "query must be a string, not a number"),
        ({"filter": "source =="}, "the filter 'source ==' cannot be used: "),
        ({"rules": ["adverts"]}, "no rules are called 'adverts'"),
        ({"rules": ["text=~("]}, "is no regular expression"),
        ({"top_n": 0}, "top_n is 0; give a whole number from 1 to 1,000"),
        ({"recall": 5000}, "recall is 5000"),
        ({"mode": "magic"}, "mode cannot be used: Input should be 'hybrid', 'dense' or 'bm25'"),
        ({"diversity": 2}, "diversity is 2.0; give a share from 0 to 1"),
        ({"context_tokens": 3}, "context_tokens is 3 and the first sentence of the best passage"),
        ({"context_tokens": 0}, "context_tokens is 0; give a whole number from 1"),
        ({"preset": "webb"}, "unknown preset 'webb'"),
        ({"min_score": 0.5, "depth": 0}, "min_score is 0.5, but no reranker gives a score"),
    ],
)
async def test_what_cannot_be_used_is_named(client: httpx.AsyncClient, body: dict[str, Any], message: str) -> None:
    error = await failure(client, 400, **body)
    assert message in error["message"]
    assert error["type"] == "invalid_request_error"


async def test_a_collection_that_is_not_there_names_those_that_are(client: httpx.AsyncClient) -> None:
    error = await failure(client, 404, collection="other")
    assert error["message"] == "there is no collection 'other' here; there are: finerank, spare"
    assert (error["type"], error["param"]) == ("collection_not_found", "collection")
    assert (await search(client))["results"]


async def test_fields_without_effect_are_told(client: httpx.AsyncClient) -> None:
    answer = await search(client, colour="red", user="me", model="rerank-v3.5")
    assert answer["warnings"] == [
        "unknown fields were ignored: colour",
        "model 'rerank-v3.5' was asked for, 'fake/overlap' answered",
    ]


async def test_the_reranking_counts_as_any_other(client: httpx.AsyncClient, model: FakeModel) -> None:
    """The result cache answers the second time, and the figures know both."""
    await search(client, query="a question of its own")
    computed = len(model.computed)
    documents = 'finerank_documents_total{model="fake/overlap"}'
    before = figure((await client.get("/metrics")).text, documents)
    await search(client, query="a question of its own")
    assert len(model.computed) == computed
    assert figure((await client.get("/metrics")).text, documents) == before + 4


async def test_a_deadline_holds(client: httpx.AsyncClient, closed_gate: Callable[[], None]) -> None:
    body = {"query": "a question that takes long"}
    response = await client.post("/v1/search", json=body, headers={"X-Request-Timeout": "500ms"})
    closed_gate()
    assert response.status_code == 504, response.text
    assert response.json()["error"]["type"] == "deadline_exceeded"


async def test_searches_at_the_same_time(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(search(client, collection=name) for name in ("finerank", "spare") * 6))
    assert all(each["results"] for each in answers)


async def test_without_an_index(reranker: Reranker) -> None:
    async with searching(reranker) as client:
        error = await failure(client, 404)
        assert "start with finerank serve --search-db manuals.db" in error["message"]
        assert (await client.get("/v1/collections")).json() == {"object": "list", "data": []}


async def test_an_index_that_is_not_there(reranker: Reranker, tmp_path: Path) -> None:
    async with searching(reranker, search_db=str(tmp_path / "no.db")) as client:
        error = await failure(client, 503)
        assert "there is no index at" in error["message"]
        assert error["type"] == "index_unavailable"
        assert not (tmp_path / "no.db").exists()


async def test_an_index_in_use_stops_no_reranking_and_is_tried_again(
    db: Path, reranker: Reranker, minilm: Embedder, tmp_path: Path
) -> None:
    copy = shutil.copytree(db, tmp_path / "copy.db")
    code = "import pymilvus, sys; held = pymilvus.MilvusClient(sys.argv[1]); print('open', flush=True); input()"
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(copy)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline().strip() == b"open"
        async with searching(reranker, minilm, search_db=str(copy)) as client:
            await app_of(client).state.search.warm_up()
            error = await failure(client, 503)
            assert "is in use by another process" in error["message"]
            ranked = await client.post("/v1/rerank", json={"query": "mars", "documents": ["mars", "venus"]})
            assert ranked.status_code == 200
            holder.communicate(b"\n", timeout=20)
            assert (await search(client))["results"]
    finally:
        holder.kill()
        holder.communicate()


async def test_a_damaged_index_is_a_reason(reranker: Reranker, tmp_path: Path) -> None:
    (tmp_path / "broken.db").write_bytes(b"no database")
    async with searching(reranker, search_db=str(tmp_path / "broken.db")) as client:
        assert "is a file; an index of Milvus Lite is a folder" in (await failure(client, 503))["message"]
