"""LlamaIndex's rerankers."""

from typing import Any

import cohere
import pytest

from tests.sdks.conftest import DOCUMENTS, KEY, ORDER, QUERY, SCORES


@pytest.fixture
def nodes() -> list[Any]:
    from llama_index.core.schema import NodeWithScore, TextNode

    return [NodeWithScore(node=TextNode(text=text, id_=str(index))) for index, text in enumerate(DOCUMENTS)]


def check(reranker: Any, nodes: list[Any]) -> None:
    answer = reranker.postprocess_nodes(nodes, query_str=QUERY)
    assert [int(each.node.node_id) for each in answer] == ORDER[:2]
    assert [each.score for each in answer] == SCORES[:2]


@pytest.mark.parametrize("prefix", ["", "/cohere"])
def test_cohere(url: str, prefix: str, nodes: list[Any]) -> None:
    from llama_index.postprocessor.cohere_rerank import CohereRerank

    reranker = CohereRerank(top_n=2, model="rerank-v3.5", api_key=KEY, base_url=f"{url}{prefix}")
    with reranker._client:
        check(reranker, nodes)


def test_cohere_errors(url: str, nodes: list[Any]) -> None:
    from llama_index.postprocessor.cohere_rerank import CohereRerank

    reranker = CohereRerank(top_n=2, model="rerank-v3.5", api_key="wrong", base_url=f"{url}/cohere")
    with reranker._client, pytest.raises(cohere.UnauthorizedError):
        reranker.postprocess_nodes(nodes, query_str=QUERY)


@pytest.mark.parametrize("base", ["/v1", "/jina/v1"])
def test_jina(url: str, base: str, nodes: list[Any]) -> None:
    from llama_index.postprocessor.jinaai_rerank import JinaRerank

    reranker = JinaRerank(top_n=2, base_url=f"{url}{base}", api_key=KEY)
    check(reranker, nodes)
    reranker._session.close()


def test_jina_errors(url: str, nodes: list[Any]) -> None:
    from llama_index.postprocessor.jinaai_rerank import JinaRerank

    reranker = JinaRerank(top_n=2, base_url=f"{url}/jina/v1", api_key="wrong")
    with pytest.raises(RuntimeError, match="key"):
        reranker.postprocess_nodes(nodes, query_str=QUERY)
    reranker._session.close()


@pytest.mark.parametrize("prefix", ["", "/tei"])
def test_tei(url: str, prefix: str, nodes: list[Any]) -> None:
    from llama_index.postprocessor.tei_rerank import TextEmbeddingInference

    check(TextEmbeddingInference(top_n=2, base_url=f"{url}{prefix}", auth_token=f"Bearer {KEY}"), nodes)
