"""LangChain's own retrievers and compressors, with ours among them."""

import asyncio
import math

import pytest
from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_classic.retrievers.document_compressors import CrossEncoderReranker, DocumentCompressorPipeline
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.vectorstores import InMemoryVectorStore, VectorStoreRetriever

from finerank import AsyncClient, Client, FinerankWarning, InputError, Reranker
from finerank.engine.facts import BatchFacts
from finerank.evaluation.calibration import Calibration, Line
from finerank.integrations.langchain import FinerankCompressor, FinerankCrossEncoder
from tests.cli.fake_model import FakeLoader, FakeModel

from .conftest import LONG, QUERY, TEXTS, GatedModel, best_first

DOCUMENTS = [Document(text, id=str(page), metadata={"page": page}) for page, text in enumerate(TEXTS)]


@pytest.fixture
def retriever() -> VectorStoreRetriever:
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=8))
    store.add_documents(DOCUMENTS)
    return store.as_retriever(search_kwargs={"k": len(DOCUMENTS)})


async def test_a_compression_retriever(reranker: Reranker, retriever: VectorStoreRetriever) -> None:
    found = retriever.invoke(QUERY)
    expected = [found[index].id for index in best_first(reranker, [each.page_content for each in found], top_n=3)]
    compressor = FinerankCompressor(model=reranker, top_n=3)
    whole = ContextualCompressionRetriever(base_compressor=compressor, base_retriever=retriever)
    assert [each.id for each in whole.invoke(QUERY)] == expected
    assert [each.id for each in await whole.ainvoke(QUERY)] == expected


def test_among_other_compressors(reranker: Reranker) -> None:
    first = FinerankCompressor(model=reranker, top_n=3)
    second = FinerankCompressor(model=reranker, top_n=1)
    kept = DocumentCompressorPipeline(transformers=[first, second]).compress_documents(DOCUMENTS, QUERY)
    assert [each.metadata["page"] for each in kept] == best_first(reranker, top_n=1)


def test_copies_with_scores_and_flags(reranker: Reranker) -> None:
    given = [Document("broken"), Document(LONG, metadata={"page": 7}), Document("red planet mars")]
    with pytest.warns(FinerankWarning, match="1 documents have no score"):
        kept = FinerankCompressor(model=reranker, top_n=2).compress_documents(given, QUERY)
    assert [each.page_content for each in kept] == ["red planet mars", LONG, "broken"]
    assert kept[0].metadata == {"relevance_score": pytest.approx(1 / (1 + math.exp(-2)))}
    assert kept[1].metadata == {"page": 7, "relevance_score": pytest.approx(0.5), "is_truncated": True}
    assert kept[2].metadata["relevance_score"] is None
    assert "cannot be computed" in kept[2].metadata["rerank_error"]
    assert given[1].metadata == {"page": 7}


async def test_awaited_calls_share_batches(
    gated: tuple[Reranker, list[BatchFacts]], gated_model: GatedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    reranker, batches = gated
    compressor = FinerankCompressor(model=reranker)
    monkeypatch.setattr(asyncio, "to_thread", None)  # no thread is needed
    calls = [asyncio.ensure_future(compressor.acompress_documents(DOCUMENTS, QUERY)) for _ in range(6)]
    await asyncio.sleep(0.05)
    gated_model.gate.set()
    answers = await asyncio.gather(*calls)
    assert max(batch.num_jobs for batch in batches) >= 5  # the first may be under way when the others come
    assert len(batches) <= 2
    assert {tuple(each.metadata["page"] for each in answer) for answer in answers} == {tuple(best_first(reranker))}


async def test_through_a_server(client: Client, async_client: AsyncClient) -> None:
    given = [Document("a 100"), Document("b 900")]
    for answer in (
        FinerankCompressor(model=client).compress_documents(given, "q"),
        await FinerankCompressor(model=client).acompress_documents(given, "q"),
        await FinerankCompressor(model=async_client).acompress_documents(given, "q"),
    ):
        assert [each.page_content for each in answer] == ["b 900", "a 100"]
        assert answer[0].metadata["relevance_score"] == pytest.approx(0.9)
    await async_client.close()


def test_a_name_is_loaded_at_once_with_its_options(loader: FakeLoader) -> None:
    FinerankCompressor(model="some/model", loading={"device": "cpu"}, instruction="find it")
    assert (loader.name, loader.options) == ("some/model", {"device": "cpu"})


def test_an_object_among_the_options_stays_one(loader: FakeLoader) -> None:
    calibration = Calibration("fake", "0123456789abcdef", "the default", None, Line(1.0, 0.0))
    FinerankCompressor(model="some/model", loading={"calibration": calibration})
    assert loader.options["calibration"] is calibration


def test_bad_input(reranker: Reranker) -> None:
    assert list(FinerankCompressor(model=reranker).compress_documents([], QUERY)) == []
    with pytest.raises(ValueError, match="top_n is 0"):
        FinerankCompressor(model=reranker, top_n=0)
    with pytest.raises(ValueError, match="Extra inputs"):
        FinerankCompressor(model=reranker, topn=1)  # type: ignore[call-arg]
    with pytest.raises(InputError, match="the query is empty"):
        FinerankCompressor(model=reranker).compress_documents(DOCUMENTS, "")


def test_a_cross_encoder(reranker: Reranker, model: FakeModel) -> None:
    model.instructions.clear()
    encoder = FinerankCrossEncoder(reranker, instruction="find it")
    kept = CrossEncoderReranker(model=encoder, top_n=4).compress_documents(DOCUMENTS, QUERY)
    assert [each.metadata["page"] for each in kept] == best_first(reranker, top_n=4)
    assert set(model.instructions[:-1]) == {"find it"}
    assert encoder.score([]) == []


def test_a_pair_without_a_score_is_last_in_any_order(reranker: Reranker) -> None:
    with pytest.warns(FinerankWarning, match="1 pairs have no score"):
        scores = FinerankCrossEncoder(reranker).score([("mars", "broken"), ("mars", "nothing at all")])
    assert scores == [-math.inf, pytest.approx(1 / (1 + math.e))]
