"""LlamaIndex's query engine over a vector index, with our postprocessor."""

import asyncio
import math
import pickle

import pytest
from llama_index.core import MockEmbedding, VectorStoreIndex
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload, LlamaDebugHandler
from llama_index.core.llms import MockLLM
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import MetadataMode, NodeWithScore, TextNode

from finerank import Client, FinerankWarning, InputError, Reranker
from finerank.engine.facts import BatchFacts
from finerank.integrations.llama_index import FinerankPostprocessor
from tests.cli.fake_model import FakeLoader

from .conftest import LONG, QUERY, TEXTS, GatedModel, best_first


def nodes_of(*texts: str) -> list[NodeWithScore]:
    return [NodeWithScore(node=TextNode(text=text, id_=str(index)), score=0.5) for index, text in enumerate(texts)]


def ids(nodes: list[NodeWithScore]) -> list[int]:
    return [int(each.node.node_id) for each in nodes]


@pytest.fixture
def engine(reranker: Reranker) -> RetrieverQueryEngine:
    nodes = [each.node for each in nodes_of(*TEXTS)]
    index = VectorStoreIndex(nodes, embed_model=MockEmbedding(embed_dim=4))
    retriever = index.as_retriever(similarity_top_k=len(TEXTS))
    processor = FinerankPostprocessor(model=reranker, top_n=3)
    return RetrieverQueryEngine.from_args(retriever, llm=MockLLM(), node_postprocessors=[processor])


async def test_a_query_engine(engine: RetrieverQueryEngine, reranker: Reranker) -> None:
    expected = best_first(reranker)[:2]
    assert ids(engine.query(QUERY).source_nodes)[:2] == expected
    answer = await engine.aquery(QUERY)
    assert ids(answer.source_nodes)[:2] == expected
    assert len(answer.source_nodes) == 3
    assert answer.source_nodes[0].score == reranker.rank(QUERY, TEXTS)[0].score


async def test_the_order_is_that_of_rank(reranker: Reranker) -> None:
    processor = FinerankPostprocessor(model=reranker)
    assert ids(processor.postprocess_nodes(nodes_of(*TEXTS), query_str=QUERY)) == best_first(reranker)
    assert ids(await processor.apostprocess_nodes(nodes_of(*TEXTS), query_str=QUERY)) == best_first(reranker)


def test_the_text_is_what_embeddings_see(reranker: Reranker) -> None:
    titled = TextNode(text="no words of it", metadata={"title": "red planet mars", "file": "mars"}, id_="0")
    titled.excluded_embed_metadata_keys = ["file"]
    given = [NodeWithScore(node=titled), *nodes_of("", "mars")[1:]]
    kept = FinerankPostprocessor(model=reranker).postprocess_nodes(given, query_str=QUERY)
    assert kept[0].node is titled
    assert kept[0].score == reranker.rank(QUERY, [titled.get_content(MetadataMode.EMBED), "mars"])[0].score


def test_copies_with_flags_that_models_do_not_read(reranker: Reranker) -> None:
    given = nodes_of("broken", LONG, "red planet mars")
    with pytest.warns(FinerankWarning, match="1 documents have no score"):
        kept = FinerankPostprocessor(model=reranker, top_n=2).postprocess_nodes(given, query_str=QUERY)
    assert ids(kept) == [2, 1, 0]
    assert [each.score for each in kept] == [pytest.approx(1 / (1 + math.exp(-2))), pytest.approx(0.5), None]
    assert kept[1].node.metadata == {"is_truncated": True}
    assert "cannot be computed" in kept[2].node.metadata["rerank_error"]
    for mode in (MetadataMode.LLM, MetadataMode.EMBED):
        assert kept[1].node.get_content(mode).strip() == LONG.strip()
    assert kept[0].node is given[2].node
    assert (given[1].score, given[1].node.metadata) == (0.5, {})


async def test_awaited_calls_share_batches(
    gated: tuple[Reranker, list[BatchFacts]], gated_model: GatedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    reranker, batches = gated
    processor = FinerankPostprocessor(model=reranker)
    monkeypatch.setattr(asyncio, "to_thread", None)  # no thread is needed
    calls = [
        asyncio.ensure_future(processor.apostprocess_nodes(nodes_of(*TEXTS), query_str=f"{QUERY} {number}"))
        for number in range(8)
    ]
    await asyncio.sleep(0.05)
    gated_model.gate.set()
    answers = await asyncio.gather(*calls)
    assert max(batch.num_jobs for batch in batches) >= 7  # the first may be under way when the others come
    assert len(batches) <= 2
    assert {tuple(ids(answer)) for answer in answers} == {tuple(best_first(reranker))}


async def test_events(reranker: Reranker) -> None:
    debug = LlamaDebugHandler(print_trace_on_end=False)
    processor = FinerankPostprocessor(model=reranker, top_n=2, callback_manager=CallbackManager([debug]))
    processor.postprocess_nodes(nodes_of(*TEXTS), query_str=QUERY)
    await processor.apostprocess_nodes(nodes_of(*TEXTS), query_str=QUERY)
    for start, end in debug.get_event_pairs(CBEventType.RERANKING):
        assert start.payload is not None
        assert end.payload is not None
        assert start.payload[EventPayload.MODEL_NAME] == "fake"
        assert start.payload[EventPayload.QUERY_STR] == QUERY
        assert start.payload[EventPayload.TOP_K] == 2
        assert ids(end.payload[EventPayload.NODES]) == best_first(reranker, top_n=2)
    assert len(debug.get_event_pairs(CBEventType.RERANKING)) == 2


def test_saved_and_loaded(loader: FakeLoader) -> None:
    processor = FinerankPostprocessor(model="some/model", loading={"device": "cpu"}, top_n=2, instruction="find it")
    saved = processor.to_json()
    loader.name = None
    again = FinerankPostprocessor.from_json(saved)
    assert (loader.name, loader.options) == ("some/model", {"device": "cpu"})
    assert again.to_dict() == processor.to_dict()
    assert processor.to_dict()["class_name"] == "FinerankPostprocessor"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_pickled(loader: FakeLoader) -> None:
    again = pickle.loads(pickle.dumps(FinerankPostprocessor(model="some/model", top_n=1)))
    assert len(again.postprocess_nodes(nodes_of(*TEXTS), query_str=QUERY)) == 1


def test_an_object_cannot_be_saved(reranker: Reranker) -> None:
    with pytest.raises(Exception, match="a Reranker cannot be saved"):
        FinerankPostprocessor(model=reranker).to_json()


def test_through_a_server(client: Client) -> None:
    kept = FinerankPostprocessor(model=client, min_score=0.5).postprocess_nodes(
        nodes_of("a 100", "b 900"), query_str="q"
    )
    assert [(each.node.get_content(), each.score) for each in kept] == [("b 900", pytest.approx(0.9))]


def test_bad_input(reranker: Reranker) -> None:
    processor = FinerankPostprocessor(model=reranker)
    assert processor.postprocess_nodes([], query_str=QUERY) == []
    with pytest.raises(ValueError, match="needs a query"):
        processor.postprocess_nodes(nodes_of("mars"))
    with pytest.raises(InputError, match="the query is empty"):
        processor.postprocess_nodes(nodes_of("mars"), query_str=" ")
    with pytest.raises(ValueError, match="min_score is 2"):
        FinerankPostprocessor(model=reranker, min_score=2.0)
