"""LangChain's rerankers."""

from typing import Any

import cohere
import dashscope
import pytest
from dashscope.api_entities.http_request import close_shared_sync_session
from langchain_cohere import CohereRerank
from langchain_core.documents import Document

from tests.sdks.conftest import DOCUMENTS, KEY, ORDER, QUERY, SCORES

FOUND = [Document(text, metadata={"page": page}) for page, text in enumerate(DOCUMENTS)]


@pytest.fixture(scope="session")
def community() -> Any:
    with pytest.warns(DeprecationWarning, match="being sunset"):
        import langchain_community.document_compressors as made
    return made


def check(answer: Any) -> None:
    assert [each.metadata["page"] for each in answer] == ORDER[:2]
    assert [each.metadata["relevance_score"] for each in answer] == SCORES[:2]


@pytest.mark.parametrize("prefix", ["", "/cohere"])
def test_cohere(url: str, prefix: str) -> None:
    reranker = CohereRerank(model="rerank-v3.5", cohere_api_key=KEY, base_url=f"{url}{prefix}", top_n=2)
    with reranker.client:
        check(reranker.compress_documents(FOUND, QUERY))


def test_cohere_errors(url: str) -> None:
    reranker = CohereRerank(model="rerank-v3.5", cohere_api_key="wrong", base_url=url, top_n=2)
    with reranker.client, pytest.raises(cohere.UnauthorizedError):
        reranker.compress_documents(FOUND, QUERY)


@pytest.mark.parametrize("path", ["/v1/rerank", "/jina/v1/rerank"])
def test_jina(url: str, path: str, community: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address is a constant of its module."""
    monkeypatch.setattr("langchain_community.document_compressors.jina_rerank.JINA_API_URL", f"{url}{path}")
    reranker = community.JinaRerank(jina_api_key=KEY, top_n=2)
    check(reranker.compress_documents(FOUND, QUERY))
    reranker.session.close()


def test_jina_errors(url: str, community: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("langchain_community.document_compressors.jina_rerank.JINA_API_URL", f"{url}/jina/v1/rerank")
    reranker = community.JinaRerank(jina_api_key="wrong", top_n=2)
    with pytest.raises(RuntimeError, match="key"):
        reranker.compress_documents(FOUND, QUERY)
    reranker.session.close()


def test_dashscope(url: str, community: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashscope, "base_http_api_url", f"{url}/api/v1")
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)
    check(community.DashScopeRerank(top_n=2).compress_documents(FOUND, QUERY))
    close_shared_sync_session()
