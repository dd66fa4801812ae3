"""Voyage's own client."""

from collections.abc import Iterator

import pytest
import requests
import voyageai
from voyageai import error
from voyageai.api_resources import api_requestor

from tests.sdks.conftest import DOCUMENTS, KEY, ORDER, QUERY, SCORES


@pytest.fixture(autouse=True)
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Its own is never closed."""
    with requests.Session() as made:
        monkeypatch.setattr(voyageai, "requestssession", made)
        yield
    vars(api_requestor._thread_context).clear()


@pytest.fixture
def client(url: str) -> voyageai.Client:
    return voyageai.Client(api_key=KEY, base_url=f"{url}/voyage/v1")


def test_order_scores_and_cost(client: voyageai.Client) -> None:
    answer = client.rerank(QUERY, DOCUMENTS, model="rerank-2.5")
    assert [each.index for each in answer.results] == ORDER
    assert [each.relevance_score for each in answer.results] == SCORES
    assert [each.document for each in answer.results] == [DOCUMENTS[index] for index in ORDER]
    assert answer.total_tokens == 11


def test_top_k(client: voyageai.Client) -> None:
    assert [each.index for each in client.rerank(QUERY, DOCUMENTS, model="rerank-2.5", top_k=1).results] == [1]


async def test_the_asynchronous_client(url: str) -> None:
    client = voyageai.AsyncClient(api_key=KEY, base_url=f"{url}/voyage/v1")
    answer = await client.rerank(QUERY, DOCUMENTS, model="rerank-2.5")
    assert [each.index for each in answer.results] == ORDER


def test_no_truncation_refuses_what_does_not_fit(client: voyageai.Client) -> None:
    long = "mars " * 2000
    assert len(client.rerank(QUERY, ["mars", long], model="rerank-2.5").results) == 2
    with pytest.raises(error.InvalidRequestError):
        client.rerank(QUERY, ["mars", long], model="rerank-2.5", truncation=False)


def test_an_empty_list_is_its_invalid_request(client: voyageai.Client) -> None:
    with pytest.raises(error.InvalidRequestError, match="documents is empty"):
        client.rerank(QUERY, [], model="rerank-2.5")


def test_a_wrong_key_is_its_authentication_error(url: str) -> None:
    client = voyageai.Client(api_key="wrong", base_url=f"{url}/voyage/v1")
    with pytest.raises(error.AuthenticationError):
        client.rerank(QUERY, DOCUMENTS, model="rerank-2.5")


def test_too_many_requests_are_its_rate_limit(url: str, spent_key: str) -> None:
    client = voyageai.Client(api_key=spent_key, base_url=f"{url}/voyage/v1")
    with pytest.raises(error.RateLimitError):
        client.rerank(QUERY, DOCUMENTS, model="rerank-2.5")
