"""vLLM's `/score` and `/rerank`, and its calls for adapters."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from finerank.errors import HubError
from finerank.reranker import Reranker
from finerank.settings import Settings
from tests.server.fake_model import FakeModel
from tests.server.spoken import DOCUMENTS, LOG_ODDS, ORDER, QUERY, SCORES

SPELLINGS = [("queries", "documents"), ("queries", "items"), ("data_1", "data_2"), ("text_1", "text_2")]
IN_ORDER = [SCORES[ORDER.index(index)] for index in range(3)]
PATHS = ["/score", "/v1/score", "/vllm/score", "/vllm/v1/score"]


async def scores(client: httpx.AsyncClient, path: str = "/score", **body: Any) -> Any:
    response = await client.post(path, json=body)
    assert response.status_code == 200, response.text
    return [each["score"] for each in response.json()["data"]]


def error_of(response: httpx.Response, status: int = 400) -> Any:
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert error["code"] == status
    return error


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("first", "second"), SPELLINGS)
async def test_spellings_and_shapes(client: httpx.AsyncClient, path: str, first: str, second: str) -> None:
    near = pytest.approx(IN_ORDER, abs=1e-6)
    assert await scores(client, path, **{first: QUERY, second: DOCUMENTS[1]}) == pytest.approx(SCORES[:1], abs=1e-6)
    assert await scores(client, path, **{first: QUERY, second: DOCUMENTS}) == near
    assert await scores(client, path, **{first: [QUERY], second: DOCUMENTS}) == near
    assert await scores(client, path, **{first: [QUERY] * 3, second: DOCUMENTS}) == near


async def test_pairs_have_their_own_queries(client: httpx.AsyncClient) -> None:
    body = {"queries": ["mars", "venus"], "documents": ["venus", "venus"], "use_activation": False}
    assert await scores(client, **body) == [-2.0, -1.0]


async def test_the_whole_answer(client: httpx.AsyncClient) -> None:
    answer = (await client.post("/score", json={"queries": QUERY, "documents": [DOCUMENTS[1]]})).json()
    assert answer.pop("id").startswith("score-")
    assert answer.pop("created") > 1_700_000_000
    assert answer == {
        "object": "list",
        "model": "fake/overlap",
        "data": [{"index": 0, "object": "score", "score": pytest.approx(SCORES[0], abs=1e-6)}],
        "usage": {"prompt_tokens": 5, "total_tokens": 5},
    }


async def test_a_failed_pair_is_left_out(client: httpx.AsyncClient) -> None:
    response = await client.post("/score", json={"queries": "mars", "documents": ["explode", "mars", 5]})
    answer = response.json()
    assert [each["index"] for each in answer["data"]] == [1]
    assert [each["index"] for each in answer["errors"]] == [0, 2]
    assert response.headers["X-Finerank-Errors"] == "no score for documents 0, 2"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"queries": ["a", "b"], "documents": ["a", "b", "c"]}, "Input lengths must be either 1:1, 1:N or N:N"),
        ({"queries": ["a", "b"], "documents": ["a"]}, "Input lengths must be either 1:1, 1:N or N:N"),
        ({"queries": [], "documents": ["a"]}, "At least one text element must be given"),
        ({"queries": "a", "documents": []}, "At least one text_pair element must be given"),
        ({"queries": "a"}, "the texts to score are missing; give one of queries and documents"),
        ({"queries": "a", "data_2": "b"}, "the texts to score are missing"),
        ({"queries": None, "documents": "a"}, "queries must be a string or a list of strings"),
        ({"queries": [5], "documents": ["a"]}, "queries must be strings, not a number"),
        ({"queries": "a", "documents": 5}, "documents must be a string or a list of strings"),
        ({"queries": "a", "documents": ["a"] * 1001}, "1,001 entries"),
        ({"queries": "a", "documents": "a", "max_tokens_per_doc": -1}, "max_tokens_per_doc is -1"),
        ({"queries": "a", "documents": "a", "truncate_prompt_tokens": -2}, "truncate_prompt_tokens is -2"),
        ({"queries": "a", "documents": "a", "chat_template_kwargs": {"instruction": 5}}, "must be a string"),
        ({}, "the texts to score are missing"),
    ],
)
async def test_questions_that_cannot_be_used(client: httpx.AsyncClient, body: dict[str, Any], message: str) -> None:
    error = error_of(await client.post("/v1/score", json=body))
    assert message in error["message"]
    assert error["type"] == "BadRequestError"
    assert "param" in error


@pytest.mark.parametrize("path", ["/vllm/rerank", "/vllm/v1/rerank", "/vllm/v2/rerank"])
async def test_rerank(client: httpx.AsyncClient, path: str) -> None:
    answer = (await client.post(path, json={"query": QUERY, "documents": DOCUMENTS, "top_n": 1})).json()
    assert answer.pop("id").startswith("rerank-")
    assert answer == {
        "model": "fake/overlap",
        "usage": {"prompt_tokens": 11, "total_tokens": 11},
        "results": [
            {
                "index": 1,
                "document": {"text": DOCUMENTS[1], "multi_modal": None},
                "relevance_score": pytest.approx(SCORES[0], abs=1e-6),
            }
        ],
    }


async def test_rerank_without_activation_and_without_limits(client: httpx.AsyncClient) -> None:
    body = {"query": QUERY, "documents": DOCUMENTS, "use_activation": False, "max_tokens_per_doc": 0}
    for top_n in (0, -1):
        results = (await client.post("/vllm/rerank", json={**body, "top_n": top_n})).json()["results"]
        assert [each["relevance_score"] for each in results] == LOG_ODDS


async def test_texts_in_parts(client: httpx.AsyncClient) -> None:
    part = {"content": [{"type": "text", "text": "mars"}, {"type": "text", "text": "planet"}]}
    image = {"content": [{"type": "image_url", "image_url": {"url": "data:"}}]}
    body = {"query": {"content": [{"type": "text", "text": QUERY}]}, "documents": [image, part, "mars"]}
    response = await client.post("/vllm/rerank", json=body)
    assert [each["index"] for each in response.json()["results"]] == [1, 2]
    assert response.json()["results"][0]["document"] == {"text": "mars\nplanet", "multi_modal": None}
    assert [each["index"] for each in response.json()["errors"]] == [0]
    alone = await client.post("/vllm/rerank", json={"query": QUERY, "documents": part})
    assert len(alone.json()["results"]) == 1


async def test_the_instruction_of_the_template_wins(client: httpx.AsyncClient) -> None:
    body = {"query": QUERY, "documents": DOCUMENTS, "instruction": "find suns"}
    response = await client.post("/vllm/rerank", json=body)
    assert response.headers["X-Finerank-Instruction"] == "find suns"
    inner = {"chat_template_kwargs": {"instruction": "find planets"}}
    response = await client.post("/vllm/rerank", json={**body, **inner})
    assert response.headers["X-Finerank-Instruction"] == "find planets"


async def test_fields_without_effect_are_told(client: httpx.AsyncClient) -> None:
    quiet = {"user": "me", "priority": 0, "request_id": "x", "cache_salt": "y", "truncate_prompt_tokens": -1}
    response = await client.post("/vllm/rerank", json={"query": QUERY, "documents": DOCUMENTS, **quiet})
    assert "X-Finerank-Warnings" not in response.headers
    told = {"truncate_prompt_tokens": 100, "max_tokens_per_query": 5, "truncation_side": None}
    response = await client.post("/vllm/rerank", json={"query": QUERY, "documents": DOCUMENTS, **told})
    expected = "fields without effect here: max_tokens_per_query, truncate_prompt_tokens"
    assert response.headers["X-Finerank-Warnings"] == expected


@pytest.fixture
def loader(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any folder holds a fake model, but for `/broken`."""

    def load(settings: Settings) -> Reranker:
        name = settings.model[0] if settings.model else "embedded"
        if name == "/broken":
            raise HubError("there is nothing in /broken")
        return Reranker.from_model(FakeModel(name))

    monkeypatch.setattr("finerank.server.model_slot.load_reranker", load)


@pytest.mark.usefixtures("loader")
async def test_adapters_come_and_go(app: FastAPI, client: httpx.AsyncClient) -> None:
    asked = {"lora_name": "medicine", "lora_path": "/adapters/medicine"}
    loaded = await client.post("/v1/load_lora_adapter", json=asked)
    assert (loaded.status_code, loaded.text) == (200, "Success: LoRA adapter 'medicine' added successfully.")
    listed = (await client.get("/v1/models")).json()["data"]
    assert [each["id"] for each in listed] == ["fake/overlap", "medicine"]
    body = {"query": QUERY, "documents": DOCUMENTS, "model": "medicine"}
    answer = (await client.post("/v1/rerank", json=body)).json()
    assert answer["model"] == "/adapters/medicine"
    unknown = await client.post("/v1/rerank", json={**body, "model": "law"})
    assert (unknown.status_code, unknown.json()["error"]["type"]) == (404, "model_not_found")
    removed = await client.post("/v1/unload_lora_adapter", json={"lora_name": "medicine"})
    assert removed.text == "Success: LoRA adapter 'medicine' removed successfully."
    assert list(app.state.service.pool.slots) == ["embedded"]


@pytest.mark.usefixtures("loader")
async def test_adapters_that_cannot_come_or_go(client: httpx.AsyncClient) -> None:
    for body in ({}, {"lora_name": "x"}, {"lora_name": "", "lora_path": "y"}, {"lora_name": 5, "lora_path": "y"}):
        error_of(await client.post("/v1/load_lora_adapter", json=body))
    broken = await client.post("/v1/load_lora_adapter", json={"lora_name": "x", "lora_path": "/broken"})
    assert "nothing in /broken" in error_of(broken, 422)["message"]
    unknown = await client.post("/v1/unload_lora_adapter", json={"lora_name": "x"})
    assert error_of(unknown, 404)["type"] == "NotFoundError"
    error_of(await client.post("/v1/unload_lora_adapter", json={"lora_name": "embedded"}))


async def test_adapters_may_be_forbidden(
    app: FastAPI, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.state.service, "settings", Settings(allow_model_changes=False))
    body = {"lora_name": "x", "lora_path": "/y"}
    for path in ("/v1/load_lora_adapter", "/v1/unload_lora_adapter"):
        assert "--allow-model-changes" in error_of(await client.post(path, json=body), 403)["message"]


async def test_one_model(client: httpx.AsyncClient) -> None:
    one = (await client.get("/v1/models/fake/overlap")).json()
    assert one == (await client.get("/v1/models")).json()["data"][0]
    assert (one["id"], one["object"], one["is_loaded"], one["max_model_len"]) == ("fake/overlap", "model", True, 1000)
    missing = await client.get("/v1/models/none")
    assert (missing.status_code, missing.json()["error"]["type"]) == (404, "model_not_found")
    for prefix in ("vllm", "sglang", "llamacpp", "nim"):
        assert (await client.get(f"/{prefix}/v1/models")).json()["data"][0]["id"] == "fake/overlap"
