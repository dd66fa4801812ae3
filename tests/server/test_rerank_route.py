"""`POST /v1/rerank`: order, shape, aliases, notices, and a sentence for whatever cannot be used."""

import json
import logging
from typing import Any

import httpx
import pytest

from finerank.instructions import PRESETS
from finerank.server.service import RerankCall
from tests.server.fake_model import DEFAULT_INSTRUCTION

QUERY = "red planet mars"
DOCUMENTS = ["venus is hot", "mars is the red planet", "the red bus"]


async def post(client: httpx.AsyncClient, **body: Any) -> httpx.Response:
    return await client.post("/v1/rerank", json={"query": QUERY, "documents": DOCUMENTS, **body})


async def post_raw(client: httpx.AsyncClient, body: str | bytes) -> httpx.Response:
    return await client.post("/v1/rerank", content=body)


def error_of(response: httpx.Response, status: int = 400) -> dict[str, Any]:
    assert response.status_code == status, response.text
    error: dict[str, Any] = response.json()["error"]
    assert error["code"] == status
    return error


def nulls(value: Any) -> bool:
    if isinstance(value, dict):
        return any(nulls(each) for each in value.values())
    return any(nulls(each) for each in value) if isinstance(value, list) else value is None


async def test_documents_come_back_best_first(client: httpx.AsyncClient) -> None:
    results = (await post(client)).json()["results"]
    assert [each["index"] for each in results] == [1, 2, 0]
    assert [each["log_odds"] for each in results] == [1.0, -1.0, -2.0]
    assert results[0]["relevance_score"] == pytest.approx(0.731059, abs=1e-6)
    assert results[0]["document"] == {"text": DOCUMENTS[1]}


async def test_the_answer_says_who_gave_it_and_at_what_cost(client: httpx.AsyncClient) -> None:
    answer = (await post(client)).json()
    assert (answer["model"], answer["fingerprint"]) == ("fake/overlap", "0123456789abcdef")
    assert answer["usage"] == {"prompt_tokens": 11, "total_tokens": 11}
    assert answer["tokens"] == answer["meta"]["tokens"] == {"input_tokens": 11, "output_tokens": 0}
    assert answer["id"].startswith("rerank-")
    assert answer["instruction"] == DEFAULT_INSTRUCTION
    assert answer["seconds"] >= 0
    assert not nulls(answer)
    assert not {"errors", "warnings"} & set(answer)


async def test_both_paths_answer_alike(client: httpx.AsyncClient) -> None:
    body = {"query": QUERY, "documents": DOCUMENTS}
    short, long = [(await client.post(path, json=body)).json() for path in ("/rerank", "/v1/rerank")]
    assert short["results"] == long["results"]


@pytest.mark.parametrize("body", [{"top_n": 1}, {"top_k": 1}, {"top_n": 1, "top_k": 1}, {"top_n": None, "top_k": 1}])
async def test_top_n_has_two_names(client: httpx.AsyncClient, body: dict[str, Any]) -> None:
    assert [each["index"] for each in (await post(client, **body)).json()["results"]] == [1]


async def test_min_score_and_batch_size(client: httpx.AsyncClient) -> None:
    answer = (await post(client, min_score=0.2, batch_size=1)).json()
    assert [each["index"] for each in answer["results"]] == [1, 2]


async def test_documents_are_left_out_on_request(client: httpx.AsyncClient) -> None:
    results = (await post(client, return_documents=False)).json()["results"]
    assert all("document" not in each for each in results)


async def test_keys_of_a_document_come_back_untouched(client: httpx.AsyncClient) -> None:
    document = {"text": "mars", "id": 7, "tags": ["a", None]}
    results = (await post(client, documents=[document])).json()["results"]
    assert results[0]["document"] == document


@pytest.mark.parametrize(
    ("body", "effective"),
    [
        ({"instruction": "find code"}, "find code"),
        ({"instruct": "find code"}, "find code"),
        ({"instruction": "  "}, DEFAULT_INSTRUCTION),
        ({"preset": "legal"}, PRESETS["legal"]),
    ],
)
async def test_the_effective_instruction_is_told(
    client: httpx.AsyncClient, body: dict[str, Any], effective: str
) -> None:
    assert (await post(client, **body)).json()["instruction"] == effective


async def test_unknown_fields_are_told_not_dropped(client: httpx.AsyncClient) -> None:
    response = await post(client, colour="red", shape="round")
    assert response.headers["X-Finerank-Warnings"] == "unknown fields were ignored: colour, shape"
    assert response.json()["warnings"] == [response.headers["X-Finerank-Warnings"]]
    assert response.json()["meta"]["warnings"] == response.json()["warnings"]


async def test_fields_of_all_four_providers_are_known(client: httpx.AsyncClient) -> None:
    """Those of Cohere, SiliconFlow, vLLM and Jina."""
    idle = {"max_chunks_per_doc": 1, "overlap_tokens": 5, "max_tokens_per_query": 9}
    response = await post(client, **idle, user="me", priority=0, max_tokens_per_doc=50, use_activation=True)
    told = "fields without effect here: max_chunks_per_doc, max_tokens_per_query, overlap_tokens"
    assert sorted(response.headers["X-Finerank-Warnings"]) == sorted(told)


async def test_fields_to_rank_by(client: httpx.AsyncClient) -> None:
    documents = [{"title": "red", "text": "planet mars"}, {"title": "red planet"}]
    results = (await post(client, documents=documents, rank_fields=["title"])).json()["results"]
    assert [each["document"] for each in results] == [documents[1], documents[0]]


async def test_what_only_vllm_offers(client: httpx.AsyncClient) -> None:
    parts = {"content": [{"type": "text", "text": "mars"}]}
    inner = {"instruction": "find planets"}
    answer = (await post(client, documents=[parts], use_activation=False, chat_template_kwargs=inner)).json()
    assert answer["results"][0]["relevance_score"] == answer["results"][0]["log_odds"] == -1.0
    assert answer["results"][0]["document"] == parts
    assert answer["instruction"] == "find planets"


async def test_a_field_name_cannot_break_the_header(client: httpx.AsyncClient) -> None:
    response = await post(client, **{"évil\r\nX-Injected: 1": 1})
    assert response.status_code == 200
    assert "X-Injected" not in response.headers
    assert "vil  X-Injected: 1" in response.headers["X-Finerank-Warnings"]


async def test_another_model_than_the_one_named_is_told(client: httpx.AsyncClient) -> None:
    response = await post(client, model="rerank-v3.5")
    assert "'rerank-v3.5' was asked for, 'fake/overlap' answered" in response.headers["X-Finerank-Warnings"]
    assert "X-Finerank-Warnings" not in (await post(client, model="fake/overlap")).headers


async def test_one_bad_document_fails_no_other(client: httpx.AsyncClient) -> None:
    documents = ["mars", 5, {"title": "x"}, "explode", "nan", None, "venus"]
    response = await post(client, documents=documents)
    answer = response.json()
    assert [each["index"] for each in answer["results"]] == [0, 6]
    assert [each["index"] for each in answer["errors"]] == [1, 2, 3, 4, 5]
    assert "must be a string, not int" in answer["errors"][0]["message"]
    assert response.headers["X-Finerank-Errors"] == "no score for documents 1, 2, 3, 4, 5"
    assert "NaN" not in response.text


async def test_a_lone_surrogate_fails_its_document_only(client: httpx.AsyncClient) -> None:
    response = await post_raw(client, rb'{"query": "mars", "documents": ["\ud800", "mars"]}')
    answer = response.json()
    assert [each["index"] for each in answer["results"]] == [1]
    assert "lone surrogate U+D800" in answer["errors"][0]["message"]


async def test_a_lone_surrogate_beside_the_text_comes_back(client: httpx.AsyncClient) -> None:
    response = await post_raw(client, rb'{"query": "mars", "documents": [{"text": "mars", "note": "\ud800"}]}')
    assert response.json()["results"][0]["document"]["note"] == "\ud800"


async def test_flags_of_a_document(client: httpx.AsyncClient) -> None:
    documents = ["  ", "mars " * 200_000]
    results = {each["index"]: each for each in (await post(client, documents=documents)).json()["results"]}
    assert results[0]["is_blank"]
    assert results[1]["is_truncated"]
    assert results[1]["num_tokens"] == 200_000


@pytest.mark.parametrize(
    ("body", "message", "param"),
    [
        ({"query": None}, "query must be a string, not null", "query"),
        ({"query": 5}, "query must be a string, not a number", "query"),
        ({"query": " "}, "the query is empty", None),
        ({"documents": "mars"}, "documents must be a list, not a string", "documents"),
        ({"documents": []}, "documents is empty", None),
        ({"documents": ["a"] * 1001}, "documents has 1,001 entries and this server takes 1,000", None),
        ({"top_n": "3"}, "top_n must be a whole number, not a string", "top_n"),
        ({"top_n": 0}, "top_n is 0; give a whole number of at least 1", None),
        ({"top_n": True}, "top_n must be a whole number, not a boolean", "top_n"),
        ({"top_n": 1, "top_k": 2}, "top_n (1) and top_k (2) are two names for one thing and differ", "top_n"),
        ({"instruction": "a", "instruct": "b"}, "instruction and instruct are two names", "instruction"),
        ({"instruction": "a", "preset": "web"}, "instruction and preset were both given", None),
        ({"preset": "webb"}, "unknown preset 'webb'; known presets: academic", None),
        ({"min_score": 2}, "min_score is 2", None),
        ({"batch_size": -1}, "batch_size is -1", None),
        ({"return_documents": "no"}, "return_documents must be true or false, not a string", "return_documents"),
        ({"instruction": "too long"}, "the instruction is too long", None),
    ],
)
async def test_a_field_that_cannot_be_used(
    client: httpx.AsyncClient, body: dict[str, Any], message: str, param: str | None
) -> None:
    error = error_of(await post(client, **body))
    assert message in error["message"]
    assert error.get("param") == param
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body is not JSON: Expecting value at line 1, column 1"),
        (b'{"query": "a",', "the body is not JSON: "),
        (b'{"query": "\xff"}', "the body is not UTF-8"),
        (b"[1]", "the body must be a JSON object, not a list"),
        (b"{}", "query is missing"),
        (b'{"query": "mars", "documents": ["a"], "min_score": NaN}', "the body has NaN, which is not JSON"),
        (b'{"query": "mars", "documents": [{"text": "a", "x": 1e999}]}', "the number 1e999, which is too large"),
        (b'{"query": "mars", "documents": [' + b"9" * 5000 + b"]}", "a number with too many digits"),
        (b'{"query": ' + b"[" * 200_000, "nested too deeply"),
        (rb'{"query": "\udfff", "documents": ["a"]}', "the query has the lone surrogate U+DFFF"),
        (rb'{"query": "a", "documents": ["a"], "instruct": "\ud800"}', "the instruction has the lone surrogate U+D800"),
    ],
)
async def test_a_body_that_cannot_be_read(client: httpx.AsyncClient, body: bytes, message: str) -> None:
    assert message in error_of(await post_raw(client, body))["message"]


async def test_a_failure_shows_and_logs_no_text_of_the_user(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(call: RerankCall) -> None:
        raise ValueError(f"about {call.query}")

    monkeypatch.setattr("finerank.server.service.RerankCall.effective_instruction", property(fail))
    with caplog.at_level(logging.ERROR):
        error = error_of(await post(client, query="my secret"), 500)
    assert "ValueError" in error["message"]
    assert "secret" not in error["message"] + caplog.text
    assert "unforeseen ValueError" in caplog.text


async def test_a_body_of_plain_json_type_is_not_required(client: httpx.AsyncClient) -> None:
    """curl -d sends a form's content type."""
    body = json.dumps({"query": QUERY, "documents": DOCUMENTS})
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert (await client.post("/v1/rerank", content=body, headers=headers)).status_code == 200
