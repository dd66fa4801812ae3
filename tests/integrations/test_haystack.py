"""A Haystack pipeline with our ranker: run, awaited, saved and loaded."""

import asyncio
import math
from pathlib import Path

import pytest
from haystack import Document, Pipeline
from haystack.components.retrievers import InMemoryBM25Retriever
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.utils import Secret

from finerank import Client, FinerankWarning, InputError, Reranker
from finerank.engine.facts import BatchFacts
from finerank.integrations.haystack import FinerankRanker
from tests.cli.fake_model import FakeLoader
from tests.client.loopback import Loopback

from .conftest import LONG, QUERY, TEXTS, GatedModel, best_first

DOCUMENTS = [Document(id=str(index), content=text, meta={"page": index}) for index, text in enumerate(TEXTS)]

OURS = ["finerank.integrations.haystack"]
"""Haystack 3 loads components of modules that it knows, and of those that it is told to trust."""


def pages(documents: list[Document]) -> list[int]:
    return [each.meta["page"] for each in documents]


def pipeline_of(ranker: FinerankRanker) -> Pipeline:
    store = InMemoryDocumentStore()
    store.write_documents(DOCUMENTS)
    pipeline = Pipeline()
    pipeline.add_component("retriever", InMemoryBM25Retriever(store, top_k=5, scale_score=True))
    pipeline.add_component("ranker", ranker)
    pipeline.connect("retriever.documents", "ranker.documents")
    return pipeline


async def test_a_pipeline(reranker: Reranker) -> None:
    pipeline = pipeline_of(FinerankRanker(reranker, top_k=2))
    asked = {"retriever": {"query": QUERY}, "ranker": {"query": QUERY}}
    assert pages(pipeline.run(asked)["ranker"]["documents"]) == best_first(reranker, top_n=2)
    awaited = await pipeline.run_async(asked)
    assert pages(awaited["ranker"]["documents"]) == best_first(reranker, top_n=2)


def test_saved_and_loaded(loader: FakeLoader, tmp_path: Path) -> None:
    ranker = FinerankRanker("some/model", loading={"device": "cpu"}, top_k=2, instruction="find it", min_score=0.1)
    pipeline = Pipeline()
    pipeline.add_component("ranker", ranker)
    again = Pipeline.loads(pipeline.dumps(), allowed_modules=OURS)
    assert again.to_dict() == pipeline.to_dict()
    assert loader.name is None
    again.warm_up()
    assert (loader.name, loader.options) == ("some/model", {"device": "cpu"})
    with Reranker.from_model(loader.model) as reranker:
        answer = again.run({"ranker": {"query": QUERY, "documents": DOCUMENTS}})
        assert pages(answer["ranker"]["documents"]) == best_first(reranker, top_n=2)
    again.get_component("ranker").close()


def test_a_server_is_saved_without_its_key(server: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "the-secret-key")
    pipeline = Pipeline()
    pipeline.add_component("ranker", FinerankRanker(base_url=server.url, api_key=Secret.from_env_var("MY_KEY")))
    saved = pipeline.dumps()
    assert "the-secret-key" not in saved
    again = Pipeline.loads(saved, allowed_modules=OURS)
    given = [Document(content="a 100"), Document(content="b 900")]
    answer = again.run({"ranker": {"query": "q", "documents": given}})
    assert [each.content for each in answer["ranker"]["documents"]] == ["b 900", "a 100"]
    assert server.heard[0].headers["authorization"] == "Bearer the-secret-key"
    again.get_component("ranker").close()


def test_the_order_is_that_of_rank(reranker: Reranker) -> None:
    ranker = FinerankRanker(reranker)
    assert pages(ranker.run(QUERY, DOCUMENTS)["documents"]) == best_first(reranker)
    assert pages(ranker.run(QUERY, DOCUMENTS, top_k=1)["documents"]) == best_first(reranker, top_n=1)


def test_copies_with_scores_and_flags(reranker: Reranker) -> None:
    given = [Document(content="broken", score=0.7), Document(content=LONG), Document(content=None), DOCUMENTS[1]]
    with pytest.warns(FinerankWarning, match="2 documents have no score"):
        kept = FinerankRanker(reranker, top_k=2).run(QUERY, given)["documents"]
    assert [each.id for each in kept] == [given[index].id for index in (3, 1, 0, 2)]
    assert [each.score for each in kept] == [pytest.approx(1 / (1 + math.exp(-2))), pytest.approx(0.5), None, None]
    assert [each.meta for each in kept[:2]] == [{"page": 1}, {"is_truncated": True}]
    assert "cannot be computed" in kept[2].meta["rerank_error"]
    assert (given[0].score, given[1].meta, DOCUMENTS[1].score) == (0.7, {}, None)


def test_metadata_is_read_if_asked(reranker: Reranker) -> None:
    given = [Document(content="mars"), Document(content="nothing", meta={"title": "red planet mars", "code": 7})]
    kept = FinerankRanker(reranker, meta_fields=["title", "code", "absent"]).run(QUERY, given)["documents"]
    assert [each.content for each in kept] == ["nothing", "mars"]
    assert kept[0].score == reranker.rank(QUERY, ["red planet mars\n7\nnothing"])[0].score


async def test_awaited_calls_share_batches(gated: tuple[Reranker, list[BatchFacts]], gated_model: GatedModel) -> None:
    reranker, batches = gated
    ranker = FinerankRanker(reranker)
    calls = [asyncio.ensure_future(ranker.run_async(QUERY, DOCUMENTS)) for _ in range(6)]
    await asyncio.sleep(0.05)
    gated_model.gate.set()
    answers = await asyncio.gather(*calls)
    assert max(batch.num_jobs for batch in batches) >= 5
    assert {tuple(pages(answer["documents"])) for answer in answers} == {tuple(best_first(reranker))}


def test_bad_input(reranker: Reranker, client: Client) -> None:
    assert FinerankRanker(reranker).run(QUERY, []) == {"documents": []}
    with pytest.raises(ValueError, match="top_n is 0"):
        FinerankRanker(reranker, top_k=0)
    with pytest.raises(ValueError, match="top_n is -1"):
        FinerankRanker(reranker).run(QUERY, DOCUMENTS, top_k=-1)
    with pytest.raises(InputError, match="the query is empty"):
        FinerankRanker(reranker).run("", DOCUMENTS)
    with pytest.raises(InputError, match="a Client cannot be saved"):
        FinerankRanker(client).to_dict()
    with pytest.raises(InputError, match="dtype: loading options"):
        FinerankRanker("m", base_url="http://127.0.0.1:1", loading={"dtype": "float32"})
