"""A Milvus Lite collection, searched by pymilvus and reranked by our function."""

import math
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from pymilvus import MilvusClient

from finerank import Client, FinerankWarning, InputError, Reranker
from finerank.integrations.milvus import FinerankRerankFunction, RerankResult

from .conftest import LONG, QUERY, TEXTS, best_first


@pytest.fixture(scope="module")
def milvus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusClient]:
    client = MilvusClient(str(tmp_path_factory.mktemp("milvus") / "pages.db"))
    client.create_collection("pages", dimension=2, metric_type="L2")
    rows = [{"id": page, "vector": [float(page), 1.0], "text": text} for page, text in enumerate(TEXTS)]
    client.insert("pages", rows)
    yield client
    client.close()


def test_a_collection(milvus: MilvusClient, reranker: Reranker) -> None:
    (hits,) = milvus.search("pages", [[0.0, 1.0]], limit=len(TEXTS), output_fields=["text"])
    assert [hit["id"] for hit in hits] == [0, 1, 2, 3, 4]
    rerank = FinerankRerankFunction(reranker)
    results = rerank(QUERY, [hit["entity"]["text"] for hit in hits], top_k=3)
    assert [hits[each.index]["id"] for each in results] == best_first(reranker, top_n=3)
    assert [each.score for each in results] == [each.score for each in reranker.rank(QUERY, TEXTS, top_n=3)]
    text, score, index = results[0]
    assert (text, index) == (TEXTS[best_first(reranker)[0]], best_first(reranker)[0])
    assert score == results[0].score


def test_five_by_default(reranker: Reranker) -> None:
    rerank = FinerankRerankFunction(reranker)
    assert len(rerank(QUERY, TEXTS * 2)) == 5
    assert rerank(QUERY, []) == []


def test_failed_and_truncated_documents(reranker: Reranker) -> None:
    with pytest.warns(FinerankWarning, match="1 documents have no score"):
        results = FinerankRerankFunction(reranker)(QUERY, ["broken", LONG, "mars"], top_k=1)
    assert [(each.index, each.is_truncated, each.error is None) for each in results] == [
        (1, True, True),
        (0, False, False),
    ]
    assert math.isnan(results[1].score)


def test_the_type_of_pymilvus_model_where_it_is(reranker: Reranker, monkeypatch: pytest.MonkeyPatch) -> None:
    """That package is not installed here; this is its class's outside: three attributes, made by keyword."""

    class Theirs:
        def __init__(self, text: str, score: float, index: int) -> None:
            self.text, self.score, self.index = text, score, index

    base: Any = ModuleType("pymilvus.model.base")
    base.RerankResult = Theirs
    monkeypatch.setitem(sys.modules, "pymilvus.model", ModuleType("pymilvus.model"))
    monkeypatch.setitem(sys.modules, "pymilvus.model.base", base)
    results = FinerankRerankFunction(reranker)(QUERY, TEXTS)
    assert {type(each) for each in results} == {Theirs}
    assert [each.index for each in results] == best_first(reranker)
    assert not any(each.is_truncated for each in results)


def test_through_a_server(client: Client) -> None:
    results = FinerankRerankFunction(client, instruction="find it")("q", ["a 100", "b 900"])
    assert results == [RerankResult("b 900", pytest.approx(0.9), 1), RerankResult("a 100", pytest.approx(0.1), 0)]


def test_bad_input(reranker: Reranker) -> None:
    with pytest.raises(InputError, match="top_n is 0"):
        FinerankRerankFunction(reranker)(QUERY, TEXTS, top_k=0)
    with pytest.raises(InputError, match="the query is empty"):
        FinerankRerankFunction(reranker)(" ", TEXTS)
