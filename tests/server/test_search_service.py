"""A search as a call among others: what it is charged, when it is refused, and who reranks it."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from finerank.embedder import Embedder
from finerank.evaluation.calibration import Calibration, Line, Threshold
from finerank.reranker import Reranker
from finerank.retrieval.chunking import Chunker
from finerank.retrieval.indexer import Indexer, new_info
from finerank.retrieval.memory_store import MemoryStore
from finerank.retrieval.options import SearchOptions
from finerank.retrieval.searcher import Searcher
from finerank.retrieval.terms import TermAnalyzer
from finerank.server.embedder_slot import EmbedderSlot
from finerank.server.model_pool import ModelPool
from finerank.server.search_service import SearchService
from finerank.server.service import RerankService
from finerank.settings import Settings

from .calling import app_of
from .fake_model import DEFAULT_INSTRUCTION, FakeModel
from .fake_text_model import FakeTextModel
from .searching import QUERY, failure, figure, search, searching

EMBEDDED = "all-MiniLM-L6-v2"


@pytest.fixture(scope="module")
def bi_encoder() -> Iterator[Reranker]:
    with Reranker() as made:
        yield made


async def figures_of(client: httpx.AsyncClient) -> str:
    return (await client.get("/metrics")).text


async def test_the_query_is_counted_and_its_stages_are_timed(db: Path, reranker: Reranker, minilm: Embedder) -> None:
    async with searching(reranker, minilm, search_db=str(db)) as client:
        await search(client)
        await search(client, mode="bm25", depth=0)
        figures = await figures_of(client)
    assert figure(figures, f'finerank_documents_total{{model="{EMBEDDED}"}}') == 1
    assert figure(figures, f'finerank_prompt_tokens_total{{model="{EMBEDDED}"}}') > 5
    assert figure(figures, f'finerank_batches_total{{model="{EMBEDDED}"}}') == 1
    stages = {
        stage: figure(figures, f'finerank_search_stage_seconds_count{{stage="{stage}"}}')
        for stage in ("embed", "dense", "bm25", "rules", "rerank")
    }
    assert stages == {"embed": 1, "dense": 1, "bm25": 2, "rules": 2, "rerank": 1}
    assert figure(figures, 'finerank_search_stage_seconds_sum{stage="embed"}') > 0
    assert figure(figures, "finerank_queue_searches") == 0


async def test_a_key_is_charged_although_nothing_is_reranked(db: Path, reranker: Reranker, minilm: Embedder) -> None:
    keys = {"api_keys": ("me=secret",), "key_tokens_per_minute": 5}
    async with searching(reranker, minilm, search_db=str(db), **keys) as client:
        client.headers["X-API-Key"] = "secret"
        assert (await search(client, depth=0))["results"]
        assert (await failure(client, 429, depth=0))["type"] == "rate_limited"


async def test_the_query_is_in_the_log_if_texts_are(
    db: Path, reranker: Reranker, minilm: Embedder, caplog: pytest.LogCaptureFixture
) -> None:
    async with searching(reranker, minilm, search_db=str(db), log_texts=True) as client:
        with caplog.at_level(logging.INFO, "finerank.requests"):
            await search(client, depth=0)
    (record,) = [record for record in caplog.records if record.name == "finerank.requests"]
    assert vars(record)["texts"]["documents"] == [QUERY]
    assert vars(record)["tokens"] > 5


async def test_beyond_a_bound_searches_are_refused(
    db: Path, reranker: Reranker, minilm: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, recall = threading.Event(), Searcher.recall

    def slow(self: Searcher, *args: Any, **more: Any) -> Any:
        gate.wait(10)
        return recall(self, *args, **more)

    monkeypatch.setattr(Searcher, "recall", slow)
    async with searching(reranker, minilm, search_db=str(db)) as client:
        recalls = app_of(client).state.service.recalls
        recalls.max_tokens = 6
        waiting = [asyncio.create_task(search(client)) for _ in range(6)]
        try:
            while recalls.calls < 6:
                await asyncio.sleep(0.01)
            assert figure(await figures_of(client), "finerank_queue_searches") == 6
            refused = await client.post("/v1/search", json={"query": QUERY})
            error = refused.json()["error"]
            assert (refused.status_code, error["type"]) == (503, "overloaded")
            assert "6 searches of 6 requests are waiting and this server takes 6; try again later" in error["message"]
            assert int(refused.headers["retry-after"]) >= 1
        finally:
            gate.set()
        assert all(each["results"] for each in await asyncio.gather(*waiting))


async def test_one_who_hangs_up_leaves_every_queue(
    reranker: Reranker, embedder: Embedder, text_model: FakeTextModel
) -> None:
    store = MemoryStore(new_info(embedder, Chunker(embedder), TermAnalyzer("en")))
    with Indexer(store, embedder) as indexer:
        indexer.add_bytes(b"Alarm E07 means that the pressure sensor is missing.", "note.txt")
    store.finish()
    searcher, settings = Searcher(store, embedder), Settings()
    service = RerankService(ModelPool(settings, reranker), settings, EmbedderSlot(settings, embedder))
    await service.embedding.ready()
    searches = SearchService(service)

    async def find() -> Searcher:
        return searcher

    text_model.gate.clear()
    try:
        asked = asyncio.create_task(searches.search(find, QUERY, SearchOptions()))
        while not service.embedding.admission.calls:
            await asyncio.sleep(0.01)
        assert service.recalls.calls == 1
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert (service.embedding.admission.calls, service.recalls.calls) == (0, 0)
    finally:
        text_model.gate.set()
        await searches.close()


async def test_a_bi_encoder_reranks_only_where_it_is_named(db: Path, bi_encoder: Reranker, minilm: Embedder) -> None:
    async with searching(bi_encoder, minilm, search_db=str(db)) as client:
        for body in ({}, {"model": "embedded"}, {"model": "rerank-v3.5"}):
            answer = await search(client, **body)
            assert answer["facts"]["model"] is None, body
            assert answer["results"][0]["score"] is None
            assert any("not reranked" in warning for warning in answer["warnings"])
        for name in (EMBEDDED, f"sentence-transformers/{EMBEDDED}"):
            named = await search(client, model=name)
            assert named["facts"]["model"] == EMBEDDED
            assert named["results"][0]["score"] > 0
            assert not any("not reranked" in warning for warning in named["facts"]["warnings"])


async def test_without_candidates_no_model_is_needed(db: Path, reranker: Reranker, minilm: Embedder) -> None:
    async with searching(reranker, minilm, search_db=str(db), model=("fake/overlap", "other=/not/there")) as client:
        assert (await search(client, model="other", depth=0))["results"]
        assert (await failure(client, 503, model="other"))["type"] == "not_ready"


async def test_the_threshold_of_a_calibration_may_be_asked_for(db: Path, reranker: Reranker, minilm: Embedder) -> None:
    threshold = Threshold(0.9, 0.95, 0.5, 0.62, 40, 38, 0.7)
    bound = Calibration("fake", "0123456789abcdef", DEFAULT_INSTRUCTION, None, Line(0.5, 0.25), threshold)
    with Reranker.from_model(FakeModel(), calibration=bound) as calibrated:
        async with searching(calibrated, minilm, search_db=str(db)) as client:
            kept = await search(client, query="alarm means that the", min_score="calibrated")
            everything = await search(client, query="alarm means that the")
    scores = [each["log_odds"] for each in everything["results"]]
    assert [each["log_odds"] for each in kept["results"]] == [score for score in scores if score >= 0.5]
    assert 0 < len(kept["results"]) < len(everything["results"])
    async with searching(reranker, minilm, search_db=str(db)) as client:
        assert "no calibration" in (await failure(client, 400, min_score="calibrated"))["message"]
        assert (await failure(client, 400, min_score="best"))["param"].startswith("min_score")


async def test_a_deadline_names_the_whole_time_and_the_remedy(
    db: Path, reranker: Reranker, minilm: Embedder, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with searching(reranker, minilm, search_db=str(db)) as client:
        await search(client)
        model.gate.clear()
        try:
            late = await client.post("/v1/search", json={"query": "late"}, headers={"X-Request-Timeout": "0.5"})
        finally:
            model.gate.set()
    assert late.status_code == 504
    assert late.json()["error"]["message"].startswith("not done within 0.5 s; recall or rerank fewer candidates")
