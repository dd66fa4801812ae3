"""Two stages over an index in memory, with the real embedded model; the reranker counts letters."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finerank import Reranker
from finerank.embedder import Embedder
from finerank.errors import InputError, RetrievalError
from finerank.evaluation.calibration import Calibration, Line, Threshold
from finerank.models.base import BatchResult, EncodedPair, PairModel
from finerank.retrieval.chunking import Chunker, embedding_text
from finerank.retrieval.indexer import Indexer, new_info
from finerank.retrieval.memory_store import MemoryStore
from finerank.retrieval.notes import Note
from finerank.retrieval.options import Rule
from finerank.retrieval.searcher import Searcher, embedder_of, is_to_rerank
from finerank.retrieval.terms import TermAnalyzer
from finerank.texts import Window
from finerank.types import ModelInfo
from tests.client.loopback import Loopback, Say

TEXTS = {
    "press.txt": "Alarm E07 means that the hydraulic pressure sensor gives no signal.",
    "oven.txt": "The red lamp blinks while the oven is warming up.",
    "jobs.txt": "We are hiring: apply now as a service technician for presses.",
    "lamp.txt": "The red lamp blinks while the oven is warming up!",
    "pizza.txt": "The hydraulic unit of the pizza press is lubricated once a year.",
}


class CountsZ(PairModel):
    """log-odds = how often "z" stands in the document; "broken" in a document fails."""

    info = ModelInfo("counts-z", "cross_encoder", "0" * 16, "float32", "cpu", 512)

    def encode(self, query: str, documents: Sequence[str], instruction: str | None) -> list[EncodedPair]:
        return [EncodedPair(document, 1, 1, is_truncated=False) for document in documents]

    def windows(self, *_: Any) -> list[Window]:
        raise NotImplementedError

    def compute(self, pairs: Sequence[EncodedPair]) -> BatchResult:
        if any("broken" in pair.payload for pair in pairs):
            raise ValueError("broken document")
        return BatchResult(np.array([pair.payload.count("z") for pair in pairs], dtype=np.float32), len(pairs))


@pytest.fixture(scope="module")
def store(embedder: Embedder) -> MemoryStore:
    store = MemoryStore(new_info(embedder, Chunker(embedder), TermAnalyzer("en")))
    indexer = Indexer(store, embedder)
    for name, text in TEXTS.items():
        indexer.add_bytes(text.encode(), name)
    indexer._reading.close()
    return store


@pytest.fixture
def searcher(store: MemoryStore, embedder: Embedder) -> Searcher:
    return Searcher(store, embedder)


@pytest.fixture
def reranking(store: MemoryStore, embedder: Embedder) -> Iterator[Searcher]:
    with Reranker.from_model(CountsZ()) as reranker:
        yield Searcher(store, embedder, reranker)


def names(result: Any) -> list[str]:
    return [hit.chunk.source for hit in result.hits]


def test_the_recall_is_in_the_order_of_fusion(searcher: Searcher) -> None:
    result = searcher.search("What does alarm E07 mean?", duplicates=None)
    assert names(result)[0] == "press.txt"
    assert len(result.hits) == 5
    first = result.hits[0]
    assert (first.dense_rank, first.bm25_rank, first.recall_rank, first.score) == (1, 1, 1, None)
    assert first.fused == pytest.approx(3 / 61), "by meaning, by words, and by its code"
    assert first.code_rank == 1
    vectors = searcher._embedder.embed_documents([embedding_text(hit.chunk) for hit in result.hits])
    query = searcher._embedder.embed_queries([result.query])[0]
    assert [hit.dense for hit in result.hits] == pytest.approx(list(vectors @ query), abs=1e-5)


def test_one_recall_alone(searcher: Searcher) -> None:
    assert names(searcher.search("lamp", mode="bm25", duplicates=None)) == ["oven.txt", "lamp.txt"]
    dense = searcher.search("lamp", mode="dense", duplicates=None)
    assert len(dense.hits) == 5
    assert all(hit.bm25 is None for hit in dense.hits)
    assert "bm25" not in dense.facts.seconds


def test_the_reranker_decides(reranking: Searcher) -> None:
    result = reranking.search("red lamp", duplicates=None)
    assert names(result)[0] == "pizza.txt"
    assert [round(hit.log_odds) for hit in result.hits] == [4, 0, 0, 0, 0], "title and text"
    others = [hit.recall_rank for hit in result.hits[1:]]
    assert others == sorted(others), "ties stay in the order of the recall"
    assert result.hits[0].recall_rank > 1
    assert result.facts.reranker is not None
    assert result.facts.reranker.name == "counts-z"
    assert result.facts.num_reranked == len(result.recalled)


def test_only_the_best_candidates_are_read(reranking: Searcher) -> None:
    result = reranking.search("hydraulic alarm", depth=2, duplicates=None)
    assert result.facts.num_reranked == 2
    assert [hit.score is None for hit in result.hits] == [False, False, True, True, True]
    assert [hit.recall_rank for hit in result.hits[2:]] == [3, 4, 5]
    only_read = reranking.search("hydraulic alarm", depth=2, duplicates=None, min_score=0.1)
    assert len(only_read.hits) == 2


def test_min_score_leaves_out(reranking: Searcher) -> None:
    assert names(reranking.search("lamp", min_score=0.6)) == ["pizza.txt"]
    assert len(reranking.search("lamp", min_score=0.5).hits) == 4


def test_rules_and_duplicates_come_before_the_reranker(reranking: Searcher) -> None:
    rule = Rule("jobs", "text", "we are hiring")
    result = reranking.search("red lamp of the oven", rules=(rule,))
    assert "jobs.txt" not in names(result)
    assert result.facts.dropped == {"jobs": 1}
    assert result.facts.num_duplicates == 1
    assert result.facts.num_reranked == 3
    (oven,) = [hit for hit in result.hits if hit.duplicates]
    assert {oven.chunk.source, oven.duplicates[0].split("#")[0]} == {"oven.txt", "lamp.txt"}


def test_a_document_that_fails_is_last_and_told(embedder: Embedder, store: MemoryStore) -> None:
    own = MemoryStore(store.info)
    indexer = Indexer(own, embedder)
    for name, text in {"a.txt": "zz pump", "b.txt": "broken pump", "c.txt": "zzz pump"}.items():
        indexer.add_bytes(text.encode(), name)
    indexer._reading.close()
    with Reranker.from_model(CountsZ()) as reranker:
        result = Searcher(own, embedder, reranker).search("pump")
    assert names(result) == ["c.txt", "a.txt", "b.txt"]
    assert "broken document" in str(result.hits[-1].error)
    assert "could not read 1 of the candidates" in " ".join(result.facts.warnings)


async def test_async_gives_the_same(reranking: Searcher) -> None:
    queries = ["lamp", "E07", "pizza"]
    results = await asyncio.gather(*(reranking.asearch(query) for query in queries))
    assert [names(result) for result in results] == [names(reranking.search(query)) for query in queries]


def test_a_query_without_words_still_has_a_meaning(searcher: Searcher) -> None:
    result = searcher.search("?!")
    assert len(result.hits) > 0
    (said,) = result.facts.warnings
    assert "no word that BM25 could look for; only its meaning was compared" in said
    assert isinstance(said, Note)
    assert said.code == "no_words"


def test_a_query_without_words_has_nothing_for_bm25_alone(searcher: Searcher) -> None:
    result = searcher.search("what is it?", mode="bm25")
    assert result.hits == []
    (said,) = result.facts.warnings
    assert "nothing was searched" in said
    assert "meaning was compared" not in said


@pytest.mark.parametrize(
    ("query", "changes", "message"),
    [
        ("", {}, "the query is empty"),
        ("x", {"recall": 0}, "recall is 0"),
        ("x", {"depth": 1.5}, "depth is 1.5"),
        ("x", {"mode": "magic"}, "mode is 'magic'"),
        ("x", {"min_score": 0.5}, "no reranker gives a score"),
        ("x", {"min_score": 2}, "min_score is 2"),
        ("x", {"duplicates": 0}, "duplicates is 0"),
        ("x", {"min_score": "high"}, "min_score is 'high'"),
        ("x", {"min_score": "calibrated"}, "no reranker gives a score"),
        ("x", {"rules": (Rule("bad", "text", "("),)}, "is no regular expression"),
        ("x", {"rules": (Rule("bad", "text", "x" * 501),)}, "has 501 characters; give 500 at most"),
        ("x", {"topn": 3}, "topn is no option of a search"),
        ("x", {"filter": "page > 3"}, "needs an index in Milvus"),
        ("x" * 200_000, {}, "200,000 characters"),
    ],
)
def test_what_cannot_be_asked(searcher: Searcher, query: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        searcher.search(query, **changes)


def test_grouping_and_diversity_come_last(embedder: Embedder, store: MemoryStore) -> None:
    own = MemoryStore(store.info)
    indexer = Indexer(own, embedder)
    rows = "\n".join(f'{{"text": "the pump number {number} {"z" * number}"}}' for number in range(4))
    indexer.add_bytes(rows.encode(), "rows.jsonl")
    indexer.add_bytes(b"another pump", "other.txt")
    indexer._reading.close()
    with Reranker.from_model(CountsZ()) as reranker:
        searcher = Searcher(own, embedder, reranker)
        assert len(searcher.search("pump", group=True, duplicates=None).hits) == 5, "rows are documents of their own"
        spread = searcher.search("pump", diversity=1.0, top_n=2, duplicates=None)
    assert spread.hits[0].chunk.text.count("z") == 3
    assert names(spread)[1] == "other.txt"


def test_an_index_is_opened_with_its_own_model(db: str, tmp_path: Path, embedder: Embedder) -> None:
    (tmp_path / "a.txt").write_text("Grease the chain.")
    with Indexer.open(db, embedder, language="en") as indexer:
        indexer.index([tmp_path / "a.txt"])
    with Searcher.open(db) as searcher:
        assert names(searcher.search("chain")) == ["a.txt"]
        assert searcher.count_tokens(["one two"]) == [2]
    with pytest.raises(RetrievalError, match="no index"):
        Searcher.open(str(tmp_path / "none.db"))


def test_a_bi_encoder_that_nobody_named_does_not_undo_the_recall(store: MemoryStore, embedder: Embedder) -> None:
    with Reranker(self_test="off") as reranker:
        result = Searcher(store, embedder, reranker).search("alarm E07")
    assert result.facts.reranker is None
    assert "not reranked: all-MiniLM-L6-v2" in result.facts.warnings[0]
    assert [hit.recall_rank for hit in result.hits] == sorted(hit.recall_rank for hit in result.hits)


def test_a_bi_encoder_that_somebody_named_reranks(searcher: Searcher) -> None:
    info = replace(CountsZ.info, kind="bi_encoder", is_default=True)
    recall = searcher.recall("lamp")
    assert not is_to_rerank(info, recall)
    assert is_to_rerank(info, recall, is_named=True)
    assert is_to_rerank(replace(info, is_default=False), recall)
    assert not is_to_rerank(info, searcher.recall("what", mode="bm25"), is_named=True), "there is nothing"
    assert recall.facts.warnings == [], "asking changes nothing"


class Default(CountsZ):
    """As if it were the bi-encoder that comes with finerank."""

    info = replace(CountsZ.info, kind="bi_encoder", is_default=True, fingerprint="1" * 16)


def bound(model: PairModel, log_odds: float) -> Calibration:
    """Scores are sigmoid(log-odds / 2); the threshold is at `log_odds`."""
    info = model.info
    threshold = Threshold(0.9, 0.95, log_odds, 0.5, 10, 9, 0.9)
    return Calibration(info.name, info.fingerprint, None, None, Line(0.5, 0.0), threshold)


@pytest.mark.parametrize("model", [CountsZ(), Default()])
async def test_the_threshold_of_a_calibration(store: MemoryStore, embedder: Embedder, model: PairModel) -> None:
    """A calibration is of one model, so that is named by it, even the one that comes with finerank."""
    with Reranker.from_model(model, calibration=bound(model, 1.0)) as reranker:
        searcher = Searcher(store, embedder, reranker)
        result = searcher.search("lamp", min_score="calibrated")
        same = await searcher.asearch("lamp", min_score="calibrated")
    assert names(result) == names(same) == ["pizza.txt"]
    assert result.hits[0].score == pytest.approx(1 / (1 + np.exp(-2.0)))
    assert result.facts.num_reranked == len(result.recalled) == 4, "all were read"


def test_a_threshold_without_a_calibration(reranking: Searcher) -> None:
    with pytest.raises(InputError, match="the model has no calibration; make one with finerank calibrate"):
        reranking.search("lamp", min_score="calibrated")


def test_what_rules_and_duplicates_moved_the_reranker_did_not(reranking: Searcher) -> None:
    plain = reranking.search("red lamp of the oven", duplicates=None)
    first = plain.recalled[0].chunk
    rule = Rule("first", "source", f"^{first.source}$")
    result = reranking.search("red lamp of the oven", rules=(rule,), duplicates=0.5)
    assert first.id not in [hit.chunk.id for hit in result.recalled]
    assert [hit.recall_rank for hit in result.recalled] == list(range(1, len(result.recalled) + 1))
    assert sorted(hit.recall_rank for hit in result.hits) == list(range(1, len(result.hits) + 1))
    assert result.recalled[0].dense_rank != 1, "each recall's own places stay"


def test_a_search_by_words_loads_no_embedding_model(store: MemoryStore) -> None:
    def load() -> Embedder:
        raise RetrievalError("the embedding model is out of reach")

    searcher = Searcher(store, load)
    assert names(searcher.search("lamp", mode="bm25", duplicates=None)) == ["oven.txt", "lamp.txt"]
    with pytest.raises(RetrievalError, match="out of reach"):
        searcher.search("lamp")
    searcher.close()


def test_the_embedding_model_is_loaded_once_for_all_threads(store: MemoryStore) -> None:
    loaded: list[Embedder] = []

    def load() -> Embedder:
        loaded.append(Embedder())
        return loaded[-1]

    with Searcher(store, load) as searcher:
        found: list[Any] = []
        threads = [threading.Thread(target=lambda: found.append(searcher.search("lamp"))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 4
    assert len(loaded) == 1
    with pytest.raises(Exception, match="closed"):
        loaded[0].embed_queries(["it was loaded here, so it is closed here"])


def test_another_embedding_model_is_refused_when_it_is_loaded(store: MemoryStore) -> None:
    other = MemoryStore(replace(store.info, embedding_model="other", embedding_fingerprint="f" * 16))
    with (
        Searcher(other, Embedder) as searcher,
        pytest.raises(RetrievalError, match="was made with the embedding model"),
    ):
        searcher.search("lamp")


def test_options_of_loading_are_not_for_a_model_behind_an_api(store: MemoryStore) -> None:
    with Loopback().running() as server:
        server.script = lambda heard: Say({"data": [{"index": 0, "embedding": [1.0, 0.0]}]})
        info = replace(
            store.info,
            embedding_model="openai:my-embed",
            embedding_base_url=f"{server.url}/v1",
            is_default_embedding=False,
            dimensions=2,
        )
        here = {"device": "cpu", "dtype": "float32", "hub": "modelscope", "deterministic": True}
        with embedder_of(MemoryStore(info), {**here, "api_key": "a-real-key"}) as embedder:
            assert (embedder.info.name, embedder.info.dimensions) == ("openai:my-embed", 2)
        assert server.heard[0].headers["authorization"] == "Bearer a-real-key"
        moved = replace(info, embedding_base_url="http://127.0.0.1:1")
        with embedder_of(MemoryStore(moved), {"base_url": server.url}):
            pass


def test_an_index_cannot_collect_the_key_of_whoever_opens_it(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "http://192.0.2.1/v1"
    info = replace(
        store.info, embedding_model="openai:my-embed", embedding_base_url=url, is_default_embedding=False, dimensions=2
    )
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr("finerank.retrieval.searcher.Embedder", lambda model, **given: asked.append(given))
    monkeypatch.setenv("OPENAI_API_KEY", "a-real-key")
    with pytest.raises(RetrievalError, match=r"names http://192\.0\.2\.1/v1 .* --embedding-url"):
        embedder_of(MemoryStore(info), {})
    embedder_of(MemoryStore(info), {"base_url": url})
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    embedder_of(MemoryStore(info), {})
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.delenv("OPENAI_BASE_URL")
    embedder_of(MemoryStore(info), {})
    assert [each["base_url"] for each in asked] == [url] * 3
