"""`rerankers`, which calls five providers' APIs by their names."""

from typing import Any

import pytest

from tests.sdks.conftest import DOCUMENTS, KEY, ORDER, QUERY, SCORES


@pytest.fixture(scope="session")
def api_ranker() -> Any:
    from rerankers.models.api_rankers import APIRanker

    return APIRanker


@pytest.mark.parametrize(
    ("provider", "path"),
    [
        ("cohere", "/v1/rerank"),
        ("jina", "/v1/rerank"),
        ("cohere", "/cohere/v1/rerank"),
        ("jina", "/jina/v1/rerank"),
        ("voyage", "/voyage/v1/rerank"),
        ("mixedbread.ai", "/v1/reranking"),
        ("mixedbread.ai", "/mixedbread/v1/reranking"),
        ("text-embeddings-inference", "/rerank"),
        ("text-embeddings-inference", "/tei/rerank"),
    ],
)
def test_order_and_scores(url: str, api_ranker: Any, provider: str, path: str) -> None:
    ranker = api_ranker("some-model", KEY, provider, verbose=0, url=f"{url}{path}")
    answer = ranker.rank(QUERY, DOCUMENTS)
    assert [each.document.doc_id for each in answer.results] == ORDER
    assert [each.score for each in answer.results] == SCORES
