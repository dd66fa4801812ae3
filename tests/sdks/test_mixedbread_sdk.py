"""Mixedbread's own client, with and without the prefix."""

from collections.abc import Iterator

import mixedbread
import pytest

from tests.sdks.conftest import DOCUMENTS, KEY, ORDER, QUERY, SCORES, Ear


@pytest.fixture(params=["", "/mixedbread"])
def base_url(url: str, request: pytest.FixtureRequest) -> str:
    return f"{url}{request.param}"


@pytest.fixture
def client(base_url: str) -> Iterator[mixedbread.Mixedbread]:
    with mixedbread.Mixedbread(api_key=KEY, base_url=base_url, max_retries=0) as made:
        yield made


def test_order_scores_and_input(client: mixedbread.Mixedbread) -> None:
    answer = client.rerank(query=QUERY, input=DOCUMENTS, return_input=True)
    assert [each.index for each in answer.data] == ORDER
    assert [each.score for each in answer.data] == SCORES
    assert answer.data[0].input == DOCUMENTS[1]
    assert answer.data[0].object == "rank_result"
    assert (answer.top_k, answer.return_input, answer.object) == (3, True, "list")
    assert answer.usage.prompt_tokens == 11
    assert answer.model == "fake/overlap"


def test_top_k(client: mixedbread.Mixedbread) -> None:
    answer = client.rerank(query=QUERY, input=DOCUMENTS, top_k=1)
    assert [each.index for each in answer.data] == [1]
    assert answer.data[0].input is None
    assert answer.top_k == 1


def test_fields_to_rank_by(client: mixedbread.Mixedbread) -> None:
    documents: list[object] = [{"title": "red"}, {"title": "red planet"}]
    answer = client.rerank(query=QUERY, input=documents, rank_fields=["title"], return_input=True)
    assert [each.input for each in answer.data] == documents[::-1]


def test_instruction(client: mixedbread.Mixedbread, heard: Ear) -> None:
    client.rerank(query=QUERY, input=DOCUMENTS, extra_body={"instruction": "find planets"})
    assert heard.instruction == "find planets"


def test_an_empty_list_is_its_bad_request(client: mixedbread.Mixedbread) -> None:
    with pytest.raises(mixedbread.BadRequestError, match="input is empty"):
        client.rerank(query=QUERY, input=[])


def test_a_wrong_key_is_its_authentication_error(base_url: str) -> None:
    with (
        mixedbread.Mixedbread(api_key="wrong", base_url=base_url) as client,
        pytest.raises(mixedbread.AuthenticationError),
    ):
        client.rerank(query=QUERY, input=DOCUMENTS)


def test_too_many_requests_are_its_rate_limit(base_url: str, spent_key: str) -> None:
    with (
        mixedbread.Mixedbread(api_key=spent_key, base_url=base_url, max_retries=0) as client,
        pytest.raises(mixedbread.RateLimitError),
    ):
        client.rerank(query=QUERY, input=DOCUMENTS)
