"""`/v1/embeddings` and TEI's `/embed`: shapes, sides, failures, limits, figures."""

import asyncio
import base64
import json
import logging
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from finerank.embedder import Embedder
from finerank.models.text_prompts import QWEN3_QUERY
from finerank.reranker import Reranker
from finerank.server.embedder_slot import EmbedderSlot
from finerank.settings import Settings
from tests.server.calling import app_of, calling
from tests.server.fake_text_model import DIMENSIONS, FakeTextModel

TEXTS = ["venus is hot", "mars is the red planet", "the red bus"]
OPENAI = ["/v1/embeddings", "/embeddings", "/vllm/v1/embeddings", "/tei/v1/embeddings"]
TEI = ["/embed", "/tei/embed", "/tei"]


def _expected(embedder: Embedder, texts: list[str], **options: Any) -> Any:
    return embedder.embed(texts, options.pop("kind", "document"), **options).vectors


@pytest.mark.parametrize("path", OPENAI)
async def test_openai_shape(client: httpx.AsyncClient, embedder: Embedder, path: str) -> None:
    response = await client.post(path, json={"input": TEXTS, "model": "fake/letters", "user": "me"})
    body = response.json()
    assert (response.status_code, body["object"], body["model"]) == (200, "list", "fake/letters")
    assert [(each["object"], each["index"]) for each in body["data"]] == [("embedding", index) for index in range(3)]
    np.testing.assert_allclose([each["embedding"] for each in body["data"]], _expected(embedder, TEXTS), atol=1e-7)
    assert body["usage"] == {"prompt_tokens": 11, "total_tokens": 11}
    assert body["fingerprint"] == response.headers["x-finerank-fingerprint"] == embedder.info.fingerprint
    assert "warnings" not in body


async def test_base64_is_fp32(client: httpx.AsyncClient, embedder: Embedder) -> None:
    body = (await client.post("/v1/embeddings", json={"input": TEXTS[0], "encoding_format": "base64"})).json()
    (each,) = body["data"]
    vector = np.frombuffer(base64.b64decode(each["embedding"]), dtype="<f4")
    assert (vector == _expected(embedder, TEXTS[:1])[0]).all()


async def test_dimensions(client: httpx.AsyncClient, embedder: Embedder) -> None:
    body = (await client.post("/v1/embeddings", json={"input": TEXTS, "dimensions": 3})).json()
    vectors = np.array([each["embedding"] for each in body["data"]])
    assert vectors.shape == (3, 3)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    for wrong in (0, DIMENSIONS + 1):
        refused = await client.post("/v1/embeddings", json={"input": TEXTS, "dimensions": wrong})
        assert (refused.status_code, f"dimensions is {wrong}" in refused.json()["error"]["message"]) == (400, True)


@pytest.mark.parametrize(
    ("fields", "prompt"),
    [
        ({}, "passage: "),
        ({"input_type": "document"}, "passage: "),
        ({"input_type": "passage"}, "passage: "),
        ({"input_type": "query"}, QWEN3_QUERY),
        ({"input_type": "search_query"}, QWEN3_QUERY),
        ({"instruction": "find planets"}, "Instruct: find planets\nQuery:"),
        ({"instruct": "find planets", "input_type": "query"}, "Instruct: find planets\nQuery:"),
        ({"preset": "web"}, QWEN3_QUERY),
        ({"instruction": " "}, "passage: "),
    ],
)
async def test_which_side_a_text_is_on(
    client: httpx.AsyncClient, text_model: FakeTextModel, fields: dict[str, str], prompt: str
) -> None:
    response = await client.post("/v1/embeddings", json={"input": "mars", **fields})
    assert response.status_code == 200
    assert text_model.prompts_seen[-1] == prompt


async def test_an_instruction_for_documents_is_told(client: httpx.AsyncClient) -> None:
    asked = {"input": "mars", "input_type": "document", "instruction": "find it"}
    response = await client.post("/v1/embeddings", json=asked)
    assert response.json()["warnings"] == ["the instruction was ignored: only queries take one"]
    assert "only queries" in response.headers["x-finerank-warnings"]


@pytest.mark.parametrize("path", TEI)
async def test_tei_shape(client: httpx.AsyncClient, embedder: Embedder, text_model: FakeTextModel, path: str) -> None:
    response = await client.post(path, json={"inputs": TEXTS, "truncate": True, "normalize": None})
    np.testing.assert_allclose(response.json(), _expected(embedder, TEXTS, kind="plain"), atol=1e-7)
    assert text_model.prompts_seen[-1] == ""
    assert response.headers["x-compute-tokens"] == "11"
    assert response.headers["x-compute-characters"] == str(sum(map(len, TEXTS)))
    one = (await client.post(path, json={"inputs": TEXTS[0], "prompt_name": "query", "normalize": False})).json()
    raw = _expected(embedder, TEXTS[:1], kind="query", normalize=False)
    assert one == raw.tolist()
    assert abs(np.linalg.norm(raw) - 1) > 0.1


async def test_tei_s_fields_without_effect_are_told(client: httpx.AsyncClient) -> None:
    asked = {"inputs": "mars", "encoding_format": "float", "truncation_direction": "Left"}
    response = await client.post("/embed", json=asked)
    told = "fields without effect here: encoding_format, truncation_direction"
    assert response.headers["x-finerank-warnings"] == told


async def test_tei_s_words_for_what_is_wrong(client: httpx.AsyncClient) -> None:
    for body, status, kind in (
        ({"inputs": []}, 400, "Empty"),
        ({"inputs": "a", "prompt_name": "sts"}, 422, "Validation"),
        ({"inputs": "a", "truncation_direction": "up"}, 422, "Validation"),
        ({"inputs": "word " * 1001, "truncate": False}, 422, "Validation"),
        ({"inputs": [1, 2]}, 422, "Validation"),
        ({}, 422, "Validation"),
    ):
        response = await client.post("/embed", json=body)
        assert (response.status_code, response.json()["error_type"]) == (status, kind), body


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "input is missing"),
        ({"input": []}, "input is empty"),
        ({"input": 7}, "must be a string or a list of strings, not a number"),
        ({"input": ["a", None]}, r"input[1] must be a string, not null"),
        ({"input": [[1, 2, 3]]}, "token ids"),
        ({"input": [1, 2, 3]}, "check_embedding_ctx_length=False"),
        ({"input": "a", "encoding_format": "int8"}, "float or base64"),
        ({"input": "a", "input_type": "image"}, "query or document"),
        ({"input": "a", "instruction": "x", "instruct": "y"}, "two names for one thing"),
        ({"input": "a", "preset": "nothing"}, "unknown preset"),
        ({"input": "word " * 1001, "truncate": False}, "text 0 has 1,001 tokens"),
        ({"input": ["a"] * 1001}, "input has 1,001 entries and this server takes 1,000"),
    ],
)
async def test_what_cannot_be_used_is_named(client: httpx.AsyncClient, body: dict[str, Any], said: str) -> None:
    response = await client.post("/v1/embeddings", json=body)
    assert response.status_code == 400
    assert said in response.json()["error"]["message"]


async def test_one_bad_text_leaves_the_others_in_place(client: httpx.AsyncClient, embedder: Embedder) -> None:
    texts = ["mars", "explode", "nan", "\ud800", "venus"]
    response = await client.post("/v1/embeddings", content=json.dumps({"input": texts}))
    body = response.json()
    good = _expected(embedder, ["mars", "venus"])
    np.testing.assert_allclose([body["data"][index]["embedding"] for index in (0, 4)], good, atol=1e-7)
    assert [body["data"][index]["embedding"] for index in (1, 2, 3)] == [[], [], []]
    assert [each["index"] for each in body["errors"]] == [1, 2, 3]
    assert "exploded" in body["errors"][0]["message"]
    assert "gave nan instead of a number" in body["errors"][1]["message"]
    assert "lone surrogate" in body["errors"][2]["message"]
    assert response.headers["x-finerank-errors"] == "no vector for texts 1, 2, 3"
    rows = (await client.post("/embed", content=json.dumps({"inputs": texts}))).json()
    assert [len(row) for row in rows] == [DIMENSIONS, 0, 0, 0, DIMENSIONS]
    encoded = await client.post("/v1/embeddings", content=json.dumps({"input": texts, "encoding_format": "base64"}))
    assert [each["embedding"] == "" for each in encoded.json()["data"]] == [False, True, True, True, False]


async def test_an_answer_without_any_vector_is_an_error(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/embeddings", json={"input": ["nan"]})
    assert response.status_code == 422
    assert "no text has a vector; text 0: the model gave nan" in response.json()["error"]["message"]


async def test_cut_and_blank_texts_are_named(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/embeddings", json={"input": ["word " * 1001, " ", "mars"]})
    assert response.headers["x-finerank-truncated"] == "texts 0"
    assert response.headers["x-finerank-blank"] == "texts 1"


async def test_a_long_answer_is_whole(
    client: httpx.AsyncClient, embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("finerank.server.routes.embeddings._MANY_NUMBERS", 100)
    texts = [f"planet {number}" for number in range(1000)]
    rows = (await client.post("/embed", json={"inputs": texts})).json()
    np.testing.assert_allclose(rows, _expected(embedder, texts, kind="plain"), atol=1e-7)


async def test_the_model_s_name(reranker: Reranker, embedder: Embedder) -> None:
    async with calling(reranker, embedder) as client:
        other = (await client.post("/v1/embeddings", json={"input": "a", "model": "text-embedding-3-small"})).json()
        assert other["warnings"] == ["model 'text-embedding-3-small' was asked for, 'fake/letters' answered"]
    async with calling(reranker, embedder, strict_model=True, embedding_model="fake/letters") as client:
        assert (await client.post("/v1/embeddings", json={"input": "a", "model": "letters"})).status_code == 200
        assert (await client.post("/v1/embeddings", json={"input": "a"})).status_code == 200
        refused = await client.post("/v1/embeddings", json={"input": "a", "model": "other"})
        assert (refused.status_code, refused.json()["error"]["type"]) == (404, "model_not_found")


async def test_a_model_behind_an_api_is_called_with_and_without_its_provider(reranker: Reranker) -> None:
    name = "openai:org/letters"
    with Embedder.from_model(FakeTextModel(name)) as embedder:
        async with calling(reranker, embedder, strict_model=True, embedding_model=name) as client:
            for asked in ("openai:org/letters", "org/letters"):
                body = (await client.post("/v1/embeddings", json={"input": "a", "model": asked})).json()
                assert (body["model"], body.get("warnings", [])) == (name, [])
            assert (await client.post("/v1/embeddings", json={"input": "a", "model": "letters"})).status_code == 200
            assert (await client.post("/v1/embeddings", json={"input": "a", "model": "other"})).status_code == 404


async def test_a_named_model_is_listed_and_in_info(reranker: Reranker, embedder: Embedder) -> None:
    async with calling(reranker, embedder, embedding_model="fake/letters") as client:
        listed = (await client.get("/v1/models")).json()["data"]
        assert [(each["id"], each["kind"]) for each in listed][-1] == ("fake/letters", "embedder")
        assert (await client.get("/v1/models/fake/letters")).json()["max_model_len"] == 1000
        info = (await client.get("/info")).json()
        assert info["model_type"]["embedding"] == {"pooling": "last_token"}
        assert info["embedding"]["dimensions"] == DIMENSIONS
    async with calling(reranker, embedder) as client:
        assert len((await client.get("/v1/models")).json()["data"]) == 1
        assert "embedding" not in (await client.get("/info")).json()


async def test_limits_and_deadlines(reranker: Reranker, embedder: Embedder, text_model: FakeTextModel) -> None:
    async with calling(reranker, embedder, max_documents=2, max_request_tokens=100, max_queue_tokens=150) as client:
        many = await client.post("/v1/embeddings", json={"input": TEXTS})
        assert "input has 3 entries" in many.json()["error"]["message"]
        long = await client.post("/v1/embeddings", json={"input": "word " * 100})
        assert "the texts have some" in long.json()["error"]["message"]
        text_model.gate.clear()
        try:
            late = await client.post("/v1/embeddings", json={"input": "a"}, headers={"X-Request-Timeout": "50ms"})
            assert (late.status_code, late.json()["error"]["type"]) == (504, "deadline_exceeded")
            waiting = asyncio.create_task(client.post("/v1/embeddings", json={"input": "word " * 50}))
            while not app_of(client).state.service.embedding.admission.calls:
                await asyncio.sleep(0.01)
            full = await client.post("/embed", json={"inputs": "word " * 50})
            assert (full.status_code, full.json()["error_type"]) == (429, "Overloaded")
            assert "retry-after" in full.headers
        finally:
            text_model.gate.set()
        assert (await waiting).status_code == 200


async def test_figures_and_log(reranker: Reranker, embedder: Embedder, caplog: pytest.LogCaptureFixture) -> None:
    async with calling(reranker, embedder) as client:
        with caplog.at_level(logging.INFO, "finerank.requests"):
            await client.post("/v1/embeddings", json={"input": ["mars is red", "nan", "b"]})
        lines = (await client.get("/metrics")).text.splitlines()
    figures = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    model = '{model="fake/letters"}'
    assert figures[f"finerank_documents_total{model}"] == "3.0"
    assert figures[f"finerank_failed_documents_total{model}"] == "1.0"
    assert figures[f"finerank_prompt_tokens_total{model}"] == "4.0"
    assert float(figures[f"finerank_batches_total{model}"]) >= 1
    assert figures['finerank_requests_total{dialect="openai",status="200"}'] == "1.0"
    assert any(line.startswith("finerank_model_info{") and "fake/letters" in line for line in lines)
    assert not any(line.startswith("finerank_score") and "fake/letters" in line for line in lines)
    (record,) = [record for record in caplog.records if record.name == "finerank.requests"]
    logged = vars(record)
    assert [logged[name] for name in ("documents", "tokens", "errors", "model")] == [3, 4, 1, "fake/letters"]
    assert "mars" not in record.getMessage()


async def test_keys_are_charged(reranker: Reranker, embedder: Embedder) -> None:
    asked = {"input": "a b c d e f"}
    headers = {"Authorization": "Bearer secret"}
    async with calling(reranker, embedder, api_keys=("me=secret",), key_tokens_per_minute=5) as client:
        assert (await client.post("/v1/embeddings", json=asked)).status_code == 401
        assert (await client.post("/v1/embeddings", json=asked, headers=headers)).status_code == 200
        spent = await client.post("/v1/embeddings", json=asked, headers=headers)
        assert (spent.status_code, spent.json()["error"]["type"]) == (429, "rate_limited")


async def test_the_embedded_model_is_loaded_when_first_asked_for(reranker: Reranker) -> None:
    async with calling(reranker, threads=1) as client:
        slot = app_of(client).state.service.embedding
        assert slot.loaded is None
        await client.post("/v1/rerank", json={"query": "mars", "documents": ["mars"]})
        assert slot.loaded is None
        asked = [client.post("/v1/embeddings", json={"input": TEXTS}) for _ in range(3)]
        bodies = [response.json() for response in await asyncio.gather(*asked)]
        assert {body["model"] for body in bodies} == {"all-MiniLM-L6-v2"}
        assert len(bodies[0]["data"][0]["embedding"]) == 384
        await slot.close()


async def test_a_model_that_cannot_be_loaded_is_said_each_time(
    reranker: Reranker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with calling(reranker, embedding_model=str(tmp_path)) as client:
        for _ in range(2):
            response = await client.post("/v1/embeddings", json={"input": "a"})
            assert (response.status_code, response.json()["error"]["type"]) == (503, "not_ready")
            assert "could not be loaded" in response.json()["error"]["message"]
        assert (await client.post("/v1/rerank", json={"query": "a", "documents": ["a"]})).status_code == 200
        await app_of(client).state.service.embedding.warm_up()
        assert "is no model" in caplog.text


async def test_one_who_stops_waiting_does_not_end_the_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Embedder] = []

    def load(settings: Settings) -> Embedder:
        time.sleep(0.2)
        made.append(Embedder.from_model(FakeTextModel()))
        return made[-1]

    monkeypatch.setattr("finerank.server.embedder_slot.load_embedder", load)
    slot = EmbedderSlot(Settings())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await slot.ready()
    assert (await slot.ready()).info.name == "fake/letters"
    assert len(made) == 1
    await slot.close()
