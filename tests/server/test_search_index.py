"""The server's index: collections are opened apart from one another, seen as they are now, and listed though broken."""

import asyncio
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymilvus import MilvusClient

from finerank.embedder import Embedder
from finerank.reranker import Reranker
from finerank.retrieval import searcher as searcher_module
from finerank.retrieval.indexer import Indexer
from finerank.retrieval.milvus_connection import connect, release
from finerank.retrieval.milvus_schema import make_collections
from finerank.retrieval.milvus_store import MilvusStore
from finerank.server import search_index
from finerank.server.search_index import SearchIndex

from .calling import app_of
from .searching import QUERY, failure, search, searching


@pytest.fixture
def copied(db: Path, tmp_path: Path) -> str:
    return str(shutil.copytree(db, tmp_path / "copy.db"))


@pytest.fixture
def foreign(copied: str) -> str:
    """In it `spare` claims to be made with another embedding model."""
    store = MilvusStore.open(copied, "spare")
    store.info.embedding_model, store.info.embedding_fingerprint = "org/other", "f" * 16
    store.info.is_default_embedding = False
    store.save_info()
    store.close()
    return copied


@pytest.fixture
def loading(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[list[dict[str, Any]], threading.Event]]:
    """(options of every embedding model that an index asked for, what lets go of their loading). None is ever there."""
    asked: list[dict[str, Any]] = []
    gate = threading.Event()

    def load(store: Any, options: dict[str, Any]) -> Embedder:
        asked.append(options)
        gate.wait(10)
        raise OSError("the hub is out of reach")

    monkeypatch.setattr(searcher_module, "embedder_of", load)
    yield asked, gate
    gate.set()


def on_client(db: str, work: Callable[[MilvusClient], None]) -> None:
    """As another client of the same database would."""
    client = connect(db)
    try:
        work(client)
    finally:
        release(client, db)


async def test_a_model_that_is_being_loaded_holds_up_its_collection_alone(
    foreign: str, reranker: Reranker, minilm: Embedder, loading: tuple[list[dict[str, Any]], threading.Event]
) -> None:
    asked, gate = loading
    async with searching(reranker, minilm, search_db=foreign) as client:
        waiting = [asyncio.create_task(client.post("/v1/search", json={"query": QUERY, "collection": "spare"}))]
        while not asked:
            await asyncio.sleep(0.01)
        waiting.append(asyncio.create_task(client.post("/v1/search", json={"query": QUERY, "collection": "spare"})))
        assert (await search(client))["results"]
        assert len((await client.get("/v1/collections")).json()["data"]) == 2
        gate.set()
        for response in await asyncio.gather(*waiting):
            assert response.status_code == 503
            assert "org/other could not be loaded: the hub is out of reach" in response.json()["error"]["message"]
        assert len(asked) == 1
        await failure(client, 503, collection="spare")
        assert len(asked) == 2


async def test_a_stop_does_not_wait_for_a_model(
    foreign: str, reranker: Reranker, minilm: Embedder, loading: tuple[list[dict[str, Any]], threading.Event]
) -> None:
    asked, _ = loading
    async with searching(reranker, minilm, search_db=foreign) as client:
        waiting = asyncio.create_task(client.post("/v1/search", json={"query": QUERY, "collection": "spare"}))
        while not asked:
            await asyncio.sleep(0.01)
        started = time.monotonic()
        await app_of(client).state.search.close()
        assert time.monotonic() - started < 3
        await asyncio.wait([waiting], timeout=3)
        assert waiting.done()
    MilvusStore.open(foreign, "spare").close()


async def test_options_of_loading_reach_the_model_of_an_index(
    foreign: str, reranker: Reranker, minilm: Embedder, loading: tuple[list[dict[str, Any]], threading.Event]
) -> None:
    asked, gate = loading
    gate.set()
    given = {"dtype": "bfloat16", "device": "cpu", "hub": "modelscope", "max_length": 300, "batch_tokens": 128}
    async with searching(
        reranker, minilm, search_db=foreign, trust_remote_code=True, deterministic=True, **given
    ) as client:
        await failure(client, 503, collection="spare")
    (options,) = asked
    assert options == given | {"trust_remote_code": True, "deterministic": True, "parse_control_tokens": False}


async def test_an_embedding_model_of_the_settings_that_is_not_the_indexs(
    db: Path, reranker: Reranker, embedder: Embedder
) -> None:
    async with searching(reranker, embedder, embedding_model="fake/letters", search_db=str(db)) as client:
        answer = await search(client)
        assert answer["facts"]["embedding_model"] == "all-MiniLM-L6-v2"
        assert answer["results"][0]["source"].endswith("pump.md")
        vectors = (await client.post("/v1/embeddings", json={"input": "mars"})).json()
        assert vectors["model"] == "fake/letters"
        figures = (await client.get("/metrics")).text
        assert 'finerank_model_bytes{model="all-MiniLM-L6-v2"}' in figures
        assert 'finerank_model_bytes{model="fake/letters"}' in figures


async def test_one_embedding_model_of_the_settings_that_is_out_of_reach_stops_no_search(
    db: Path, reranker: Reranker, tmp_path: Path
) -> None:
    async with searching(reranker, search_db=str(db), embedding_model=str(tmp_path / "missing")) as client:
        assert (await search(client))["results"]


async def test_a_collection_that_was_made_anew_is_searched_as_it_is_now(
    copied: str, reranker: Reranker, minilm: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "haus.md").write_text("Das Haus ist alt.", encoding="utf-8")
    monkeypatch.setattr(search_index, "_FRESH_S", 0.0)
    async with searching(reranker, minilm, search_db=copied) as client:
        words = {"query": "Häusern", "mode": "bm25", "collection": "spare"}
        assert not (await search(client, **words))["results"]

        def drop(other: MilvusClient) -> None:
            other.drop_collection("spare")
            other.drop_collection("spare_files")

        def make() -> None:
            with Indexer.open(copied, minilm, collection="spare", language="de") as indexer:
                indexer.index([tmp_path / "haus.md"])

        await asyncio.to_thread(on_client, copied, drop)
        assert (await failure(client, 404, collection="spare"))["type"] == "collection_not_found"
        await asyncio.to_thread(make)
        assert (await search(client, **words))["results"][0]["text"] == "Das Haus ist alt."


async def test_what_was_just_looked_at_is_not_looked_at_again(
    db: Path, reranker: Reranker, minilm: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []
    info = SearchIndex._info

    def counting(self: SearchIndex, name: str) -> Any:
        looks.append(name)
        return info(self, name)

    monkeypatch.setattr(SearchIndex, "_info", counting)
    async with searching(reranker, minilm, search_db=str(db)) as client:
        searcher = await app_of(client).state.search.searcher()
        for _ in range(3):
            await search(client)
        assert looks == ["finerank"]
        monkeypatch.setattr(search_index, "_FRESH_S", 0.0)
        assert await app_of(client).state.search.searcher() is searcher
        assert len(looks) == 2


async def test_a_half_made_collection_spoils_no_list(copied: str, reranker: Reranker, minilm: Embedder) -> None:
    def begin(other: MilvusClient) -> None:
        store = MilvusStore.open(copied, "spare")
        make_collections(other, "half", store.info, is_lite=True)
        store.close()

    await asyncio.to_thread(on_client, copied, begin)
    async with searching(reranker, minilm, search_db=copied) as client:
        answer = (await client.get("/v1/collections")).json()
        found = {each["id"]: each for each in answer["data"]}
        assert found["finerank"]["num_chunks"] == 4
        assert "error" not in found["finerank"]
        assert found["half"]["num_chunks"] is found["half"]["dimensions"] is None
        assert "is not finished" in found["half"]["error"]
        error = await failure(client, 503, collection="half")
        assert "run finerank index again" in error["message"]
        assert (await search(client))["results"]


async def test_the_list_has_a_deadline(
    db: Path, reranker: Reranker, minilm: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    monkeypatch.setattr(SearchIndex, "_told", lambda self, name: gate.wait(5))
    async with searching(reranker, minilm, search_db=str(db)) as client:
        late = await client.get("/v1/collections", headers={"X-Request-Timeout": "100ms"})
        gate.set()
    assert (late.status_code, late.json()["error"]["type"]) == (504, "deadline_exceeded")
    assert "look whether the database answers" in late.json()["error"]["message"]
