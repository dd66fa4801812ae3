"""DashScope's own client. It raises nothing: a refusal is an answer with a status and a code."""

from collections.abc import Iterator

import dashscope
import pytest
from dashscope.api_entities.http_request import close_shared_sync_session

from tests.sdks.conftest import DOCUMENTS, KEY, ORDER, QUERY, SCORES, Ear


@pytest.fixture(params=["", "/dashscope"], autouse=True)
def base_url(url: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(dashscope, "base_http_api_url", f"{url}{request.param}/api/v1")
    yield
    close_shared_sync_session()


def test_order_scores_and_documents() -> None:
    answer = dashscope.TextReRank.call("qwen3-rerank", QUERY, DOCUMENTS, return_documents=True, api_key=KEY)
    assert answer.status_code == 200
    assert [each.index for each in answer.output.results] == ORDER
    assert [each.relevance_score for each in answer.output.results] == SCORES
    # Its attribute of that name is always None.
    assert answer.output.results[0]["document"] == {"text": DOCUMENTS[1]}
    assert answer.usage.total_tokens == 11
    assert answer.request_id


def test_top_n_and_instruct(heard: Ear) -> None:
    answer = dashscope.TextReRank.call("qwen3-rerank", QUERY, DOCUMENTS, top_n=1, instruct="find planets", api_key=KEY)
    assert [each.index for each in answer.output.results] == [1]
    assert answer.output.results[0]["document"] is None
    assert heard.instruction == "find planets"


def test_a_query_that_cannot_be_used() -> None:
    answer = dashscope.TextReRank.call("qwen3-rerank", " ", DOCUMENTS, api_key=KEY)
    assert (answer.status_code, answer.code) == (400, "InvalidParameter")
    assert "the query is empty" in answer.message
    assert answer.request_id


def test_a_wrong_key() -> None:
    answer = dashscope.TextReRank.call("qwen3-rerank", QUERY, DOCUMENTS, api_key="wrong")
    assert (answer.status_code, answer.code) == (401, "InvalidApiKey")


def test_too_many_requests(spent_key: str) -> None:
    answer = dashscope.TextReRank.call("qwen3-rerank", QUERY, DOCUMENTS, api_key=spent_key)
    assert (answer.status_code, answer.code) == (429, "Throttling.RateQuota")
