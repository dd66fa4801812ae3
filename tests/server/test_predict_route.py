"""`POST /api/predict`, the call of the tutorials."""

from typing import Any

import httpx
import pytest

from tests.server.fake_model import DEFAULT_INSTRUCTION

LINES = "venus is hot\nmars is the red planet\n\n  \nthe red bus"


async def predict(client: httpx.AsyncClient, *data: Any) -> httpx.Response:
    return await client.post("/api/predict", json={"data": list(data)})


async def test_documents_and_scores_best_first(client: httpx.AsyncClient) -> None:
    answer = (await predict(client, "red planet mars", LINES, "", 8)).json()
    documents, scores = answer["data"]
    assert documents == ["mars is the red planet", "the red bus", "venus is hot"]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == pytest.approx(0.731059, abs=1e-6)
    assert (answer["model"], answer["fingerprint"]) == ("fake/overlap", "0123456789abcdef")


@pytest.mark.parametrize("rest", [[], [""], [None, None], ["", 8], ["", 8.0], ["", 0]])
async def test_instruction_and_batch_size_may_be_left_out(client: httpx.AsyncClient, rest: list[Any]) -> None:
    answer = (await predict(client, "mars", "mars\nvenus", *rest)).json()
    assert answer["data"][0] == ["mars", "venus"]
    assert answer["instruction"] == DEFAULT_INSTRUCTION


async def test_an_instruction_is_used(client: httpx.AsyncClient) -> None:
    assert (await predict(client, "mars", "mars", "find code")).json()["instruction"] == "find code"


async def test_only_a_line_feed_ends_a_line(client: httpx.AsyncClient) -> None:
    answer = (await predict(client, "mars", "mars\u2028red\r\nvenus\x0chot")).json()
    assert answer["data"][0] == ["mars\u2028red", "venus\x0chot"]


async def test_a_document_without_score_is_told(client: httpx.AsyncClient) -> None:
    response = await predict(client, "mars", "explode\nmars")
    assert response.json()["data"][0] == ["mars"]
    assert response.json()["errors"][0]["index"] == 0
    assert response.headers["X-Finerank-Errors"] == "no score for documents 0"


async def test_fields_that_gradio_clients_add_are_no_surprise(client: httpx.AsyncClient) -> None:
    body = {"data": ["mars", "mars"], "fn_index": 0, "session_hash": "x", "surprise": 1}
    response = await client.post("/api/predict", json=body)
    assert response.headers["X-Finerank-Warnings"] == "unknown fields were ignored: surprise"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "it is missing"),
        ("mars", "it is a string"),
        (["mars"], "it is a list of 1"),
        (["mars", "a", "", 8, 9], "it is a list of 5"),
        ([5, "a"], "data[0], the query must be a string, not a number"),
        (["mars", ["a"]], "data[1], the documents, one a line, must be a string, not a list"),
        (["mars", "\n \n"], "data[1] has no document"),
        (["mars", "a", 3], "data[2], the instruction must be a string, not a number"),
        (["mars", "a", "", "8"], "data[3], the batch size, must be a whole number of at least 0, not a string"),
        (["mars", "a", "", 2.5], "not 2.5"),
        (["mars", "a", "", -1], "not -1"),
        (["mars", "a", "", True], "not True"),
        (["", "a"], "the query is empty"),
    ],
)
async def test_wrong_data_is_said_in_a_sentence(client: httpx.AsyncClient, data: Any, message: str) -> None:
    response = await client.post("/api/predict", json={"data": data} if data is not None else {})
    assert response.status_code == 400
    assert message in response.json()["error"]["message"]
