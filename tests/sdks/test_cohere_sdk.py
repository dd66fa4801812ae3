"""Cohere's own client, both versions, with and without the prefix."""

from collections.abc import Iterator

import cohere
import pytest
from cohere.core.request_options import RequestOptions

from tests.sdks.conftest import DOCUMENTS, KEY, ORDER, QUERY, SCORES, Ear

ONCE: RequestOptions = {"max_retries": 0}


@pytest.fixture(params=["", "/cohere"])
def base_url(url: str, request: pytest.FixtureRequest) -> str:
    return f"{url}{request.param}"


@pytest.fixture
def v1(base_url: str) -> Iterator[cohere.Client]:
    with cohere.Client(KEY, base_url=base_url) as client:
        yield client


@pytest.fixture
def v2(base_url: str) -> Iterator[cohere.ClientV2]:
    with cohere.ClientV2(KEY, base_url=base_url) as client:
        yield client


def test_v2(v2: cohere.ClientV2) -> None:
    answer = v2.rerank(model="rerank-v3.5", query=QUERY, documents=DOCUMENTS)
    assert [each.index for each in answer.results] == ORDER
    assert [each.relevance_score for each in answer.results] == SCORES
    assert answer.id
    assert answer.meta is not None
    assert answer.meta.api_version is not None
    assert answer.meta.api_version.version == "2"
    assert answer.meta.tokens is not None
    assert answer.meta.tokens.input_tokens == 11


def test_v2_top_n_and_its_own_limit_of_tokens(v2: cohere.ClientV2) -> None:
    answer = v2.rerank(model="rerank-v3.5", query=QUERY, documents=DOCUMENTS, top_n=1, max_tokens_per_doc=4096)
    assert [each.index for each in answer.results] == [1]


def test_v2_instruction(v2: cohere.ClientV2, heard: Ear) -> None:
    """The client has no such parameter, but lets callers add to the body."""
    more: RequestOptions = {"additional_body_parameters": {"instruction": "find planets"}}
    v2.rerank(model="rerank-v3.5", query=QUERY, documents=DOCUMENTS, request_options=more)
    assert heard.instruction == "find planets"


def test_v1_with_documents(v1: cohere.Client) -> None:
    documents = [{"text": text} for text in DOCUMENTS]
    answer = v1.rerank(model="rerank-english-v3.0", query=QUERY, documents=documents, top_n=2, return_documents=True)
    assert [each.index for each in answer.results] == ORDER[:2]
    assert [each.relevance_score for each in answer.results] == SCORES[:2]
    assert answer.results[0].document is not None
    assert answer.results[0].document.text == DOCUMENTS[1]


def test_v1_without_documents(v1: cohere.Client) -> None:
    answer = v1.rerank(model="rerank-english-v3.0", query=QUERY, documents=DOCUMENTS, return_documents=False)
    assert [each.document for each in answer.results] == [None, None, None]


def test_v1_fields_to_rank_by(url: str) -> None:
    documents = [{"title": "red", "body": "x"}, {"title": "red planet", "body": "mars"}]
    with cohere.Client(KEY, base_url=f"{url}/cohere") as client:
        answer = client.rerank(
            query=QUERY, documents=documents, model="m", rank_fields=["title", "body"], return_documents=True
        )
    assert [each.index for each in answer.results] == [1, 0]
    assert answer.results[0].document is not None
    assert answer.results[0].document.model_dump()["title"] == "red planet"


async def test_the_asynchronous_client(url: str) -> None:
    async with cohere.AsyncClientV2(KEY, base_url=url) as client:
        answer = await client.rerank(model="rerank-v3.5", query=QUERY, documents=DOCUMENTS)
    assert [each.index for each in answer.results] == ORDER


def test_an_empty_list_is_its_bad_request(v2: cohere.ClientV2) -> None:
    with pytest.raises(cohere.BadRequestError) as failure:
        v2.rerank(model="rerank-v3.5", query=QUERY, documents=[])
    assert failure.value.body["message"] == "documents is empty; give at least one"


def test_a_wrong_key_is_its_unauthorized(base_url: str) -> None:
    with cohere.ClientV2("wrong", base_url=base_url) as client, pytest.raises(cohere.UnauthorizedError):
        client.rerank(model="rerank-v3.5", query=QUERY, documents=DOCUMENTS)


def test_too_many_requests_are_its_own_too(base_url: str, spent_key: str) -> None:
    with cohere.ClientV2(spent_key, base_url=base_url) as client, pytest.raises(cohere.TooManyRequestsError):
        client.rerank(model="rerank-v3.5", query=QUERY, documents=DOCUMENTS, request_options=ONCE)
