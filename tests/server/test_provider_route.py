"""Each provider's answer and refusals field by field, and the fields of a question that only it has."""

import json
from typing import Any

import httpx
import pytest

from finerank.server.dialect import Dialect
from finerank.server.problems import Problem
from finerank.server.routes import prefixes
from tests.server.spoken import DOCUMENTS, LOG_ODDS, ORDER, QUERY, SCORES

LONG = "mars " * 2000
"""Does not fit into the fake model."""


async def post(client: httpx.AsyncClient, path: str, **body: Any) -> Any:
    response = await client.post(path, json=body)
    assert response.status_code == 200, response.text
    return response.json()


def near(*scores: float) -> Any:
    return [pytest.approx(score, abs=1e-6) for score in scores]


async def test_cohere_v2(client: httpx.AsyncClient) -> None:
    answer = await post(client, "/v2/rerank", query=QUERY, documents=DOCUMENTS, model="fake/overlap", top_n=2)
    assert answer.pop("id")
    assert answer == {
        "results": [
            {"index": 1, "relevance_score": near(*SCORES)[0]},
            {"index": 2, "relevance_score": near(*SCORES)[1]},
        ],
        "meta": {
            "api_version": {"version": "2"},
            "billed_units": {"search_units": 1},
            "tokens": {"input_tokens": 11, "output_tokens": 0},
        },
    }


async def test_cohere_v2_cuts_documents_at_the_limit_given(client: httpx.AsyncClient) -> None:
    body = {"query": QUERY, "documents": ["a red planet", "a b c mars"], "max_tokens_per_doc": 3}
    response = await client.post("/v2/rerank", json=body)
    assert [each["index"] for each in response.json()["results"]] == [0, 1]
    assert response.headers["X-Finerank-Truncated"] == "documents 1"
    refused = await client.post("/v2/rerank", json={**body, "max_tokens_per_doc": -1})
    assert (refused.status_code, "max_tokens_per_doc is -1" in refused.json()["message"]) == (400, True)


async def test_cohere_v2_says_in_its_body_what_it_ignored(client: httpx.AsyncClient) -> None:
    answer = await post(client, "/v2/rerank", query=QUERY, documents=DOCUMENTS, return_documents=True, priority=3)
    assert answer["meta"]["warnings"] == ["unknown fields were ignored: return_documents"]
    assert all(set(each) == {"index", "relevance_score"} for each in answer["results"])


async def test_cohere_v1_repeats_documents_on_request(client: httpx.AsyncClient) -> None:
    documents = [{"text": "venus", "page": 3}, "mars"]
    body = {"query": QUERY, "documents": documents}
    answer = await post(client, "/cohere/v1/rerank", **body, return_documents=True)
    assert [each["document"] for each in answer["results"]] == [{"text": "mars"}, {"text": "venus", "page": 3}]
    assert answer["meta"]["api_version"] == {"version": "1"}
    assert all("document" not in each for each in (await post(client, "/cohere/v1/rerank", **body))["results"])


async def test_cohere_v1_ranks_by_the_fields_named(client: httpx.AsyncClient) -> None:
    documents = [{"title": "red", "text": "planet mars"}, {"title": "red planet", "year": 2026}, {"year": 1}]
    body = {"query": QUERY, "documents": documents, "rank_fields": ["title", "year"], "return_documents": True}
    response = await client.post("/cohere/v1/rerank", json={**body, "documents": documents})
    assert [each["document"] for each in response.json()["results"]] == [documents[1], documents[0], documents[2]]
    idle = await client.post("/cohere/v1/rerank", json={**body, "max_chunks_per_doc": 1})
    assert idle.headers["X-Finerank-Warnings"] == "fields without effect here: max_chunks_per_doc"


async def test_jina(client: httpx.AsyncClient) -> None:
    answer = await post(client, "/jina/v1/rerank", query=QUERY, documents=DOCUMENTS, top_n=1)
    assert answer == {
        "model": "fake/overlap",
        "object": "list",
        "usage": {"prompt_tokens": 11, "total_tokens": 11},
        "results": [{"index": 1, "relevance_score": near(*SCORES)[0], "document": {"text": DOCUMENTS[1]}}],
    }
    bare = await post(client, "/jina/v1/rerank", query=QUERY, documents=DOCUMENTS, top_n=1, return_documents=False)
    assert set(bare["results"][0]) == {"index", "relevance_score"}


async def test_voyage(client: httpx.AsyncClient) -> None:
    body = {"query": QUERY, "documents": DOCUMENTS, "top_k": 1}
    answer = await post(client, "/voyage/v1/rerank", **body, return_documents=True)
    assert answer == {
        "object": "list",
        "data": [{"index": 1, "relevance_score": near(*SCORES)[0], "document": DOCUMENTS[1]}],
        "model": "fake/overlap",
        "usage": {"total_tokens": 11},
    }
    assert set((await post(client, "/voyage/v1/rerank", **body))["data"][0]) == {"index", "relevance_score"}


@pytest.mark.parametrize(
    ("path", "name", "switch", "status"),
    [
        ("/voyage/v1/rerank", "documents", {"truncation": False}, 400),
        ("/tei/rerank", "texts", {"truncate": False}, 422),
        ("/rerank", "texts", {"truncate": False}, 422),
        ("/v1/ranking", "passages", {"truncate": "NONE"}, 400),
    ],
)
async def test_what_does_not_fit_is_refused_on_request(
    client: httpx.AsyncClient, path: str, name: str, switch: dict[str, Any], status: int
) -> None:
    body = {"query": "mars", name: ["mars", LONG]}
    assert (await client.post(path, json=body)).status_code == 200
    assert (await client.post(path, json={**body, **switch})).status_code == status
    assert (await client.post(path, json={**body, name: ["mars"], **switch})).status_code == 200


async def test_siliconflow(client: httpx.AsyncClient) -> None:
    body = {"query": QUERY, "documents": DOCUMENTS, "top_n": 1, "max_chunks_per_doc": 1024, "overlap_tokens": 80}
    response = await client.post("/siliconflow/v1/rerank", json={**body, "return_documents": True})
    answer = response.json()
    assert answer.pop("id")
    assert answer == {
        "results": [{"index": 1, "relevance_score": near(*SCORES)[0], "document": {"text": DOCUMENTS[1]}}],
        "tokens": {"input_tokens": 11, "output_tokens": 0},
    }
    told = "fields without effect here: max_chunks_per_doc, overlap_tokens"
    assert response.headers["X-Finerank-Warnings"] == told
    alone = await post(client, "/siliconflow/v1/rerank", query=QUERY, documents="mars")
    assert [set(each) for each in alone["results"]] == [{"index", "relevance_score"}]


async def test_infinity(client: httpx.AsyncClient) -> None:
    body = {"query": QUERY, "documents": DOCUMENTS, "top_n": 1, "model": "default/not-specified"}
    response = await client.post("/infinity/rerank", json={**body, "return_documents": True, "raw_scores": True})
    answer = response.json()
    assert answer.pop("id").startswith("infinity-")
    assert answer.pop("created") > 1_700_000_000
    assert answer == {
        "object": "rerank",
        "results": [{"relevance_score": 1.0, "index": 1, "document": DOCUMENTS[1]}],
        "model": "fake/overlap",
        "usage": {"prompt_tokens": 11, "total_tokens": 11},
    }
    assert "X-Finerank-Warnings" not in response.headers
    # Its own schema has the null.
    assert (await post(client, "/infinity/rerank", **body))["results"][0]["document"] is None


async def test_sglang(client: httpx.AsyncClient) -> None:
    body = {"query": QUERY, "documents": DOCUMENTS, "top_n": 1, "instruct": "find planets"}
    answer = await post(client, "/sglang/v1/rerank", **body)
    assert answer == [{"score": near(*SCORES)[0], "document": DOCUMENTS[1], "index": 1, "meta_info": None}]
    assert (await post(client, "/sglang/v1/rerank", **body, return_documents=False))[0]["document"] is None


@pytest.mark.parametrize("path", ["/rerank", "/reranking", "/v1/rerank", "/v1/reranking"])
async def test_llamacpp(client: httpx.AsyncClient, path: str) -> None:
    answer = await post(client, f"/llamacpp{path}", query=QUERY, documents=DOCUMENTS, top_n=1)
    assert answer == {
        "model": "fake/overlap",
        "object": "list",
        "usage": {"prompt_tokens": 11, "total_tokens": 11},
        "results": [{"index": 1, "relevance_score": near(*SCORES)[0]}],
    }
    ranks = await post(client, f"/llamacpp{path}", query=QUERY, texts=DOCUMENTS, top_n=1, return_text=True)
    assert ranks == [{"index": 1, "score": near(*SCORES)[0], "text": DOCUMENTS[1]}]
    assert set((await post(client, f"/llamacpp{path}", query=QUERY, texts=DOCUMENTS))[0]) == {"index", "score"}


@pytest.mark.parametrize("path", ["/reranking", "/v1/reranking"])
async def test_llamacpp_paths_without_the_prefix(client: httpx.AsyncClient, path: str) -> None:
    answer = await post(client, path, query=QUERY, documents=DOCUMENTS)
    assert [each["index"] for each in answer["results"]] == ORDER
    ranks = await post(client, path, query=QUERY, texts=DOCUMENTS)
    assert [each["index"] for each in ranks] == ORDER


async def test_xinference(client: httpx.AsyncClient) -> None:
    body = {"query": QUERY, "documents": DOCUMENTS, "top_n": 1, "max_chunks_per_doc": None}
    answer = await post(client, "/xinference/v1/rerank", **body, return_documents=True, return_len=True)
    assert answer.pop("id")
    assert answer == {
        "results": [{"index": 1, "relevance_score": near(*SCORES)[0], "document": {"text": DOCUMENTS[1]}}],
        "meta": {
            "api_version": None,
            "billed_units": None,
            "tokens": {"input_tokens": 11, "output_tokens": 0},
            "warnings": None,
        },
    }
    bare = await post(client, "/xinference/v1/rerank", **body)
    assert (bare["results"][0]["document"], bare["meta"]["tokens"]) == (None, None)


async def test_xinference_takes_the_instruction_out_of_a_string(client: httpx.AsyncClient) -> None:
    body = {"query": QUERY, "documents": DOCUMENTS}
    inner = json.dumps({"instruction": "find planets", "other": 1})
    response = await client.post("/xinference/v1/rerank", json={**body, "kwargs": inner})
    assert response.headers["X-Finerank-Instruction"] == "find planets"
    assert response.headers["X-Finerank-Warnings"] == "unknown fields were ignored: kwargs.other"
    for wrong in ("{", "[]", "5", '{"instruction": 5}', "[" * 100_000):
        refused = await client.post("/xinference/v1/rerank", json={**body, "kwargs": wrong})
        assert refused.status_code == 400
        assert "kwargs" in refused.json()["detail"]
    both = await client.post("/xinference/v1/rerank", json={**body, "kwargs": inner, "instruction": "find suns"})
    assert "two names for one thing" in both.json()["detail"]


async def test_localai(client: httpx.AsyncClient) -> None:
    body = {"query": QUERY, "documents": DOCUMENTS, "backend": "rerankers"}
    answer = await post(client, "/localai/v1/rerank", **body, top_n=1)
    assert answer == {
        "model": "fake/overlap",
        "usage": {"prompt_tokens": 11, "total_tokens": 11},
        "results": [{"index": 1, "document": {"text": DOCUMENTS[1]}, "relevance_score": near(*SCORES)[0]}],
    }
    refused = await client.post("/localai/v1/rerank", json={**body, "top_n": 0})
    assert (refused.status_code, refused.json()) == (422, "top_n - should be greater than or equal to 1")


async def test_dashscope(client: httpx.AsyncClient) -> None:
    body = {
        "model": "qwen3-rerank",
        "input": {"query": QUERY, "documents": DOCUMENTS},
        "parameters": {"top_n": 1, "return_documents": True, "instruct": "find planets"},
    }
    response = await client.post("/api/v1/services/rerank/text-rerank/text-rerank", json=body)
    answer = response.json()
    assert answer.pop("request_id")
    assert answer == {
        "output": {"results": [{"index": 1, "relevance_score": near(*SCORES)[0], "document": {"text": DOCUMENTS[1]}}]},
        "usage": {"total_tokens": 11},
    }
    assert response.headers["X-Finerank-Instruction"] == "find planets"


async def test_dashscope_without_parameters(client: httpx.AsyncClient) -> None:
    path = "/dashscope/api/v1/services/rerank/text-rerank/text-rerank"
    answer = await post(client, path, input={"query": QUERY, "documents": DOCUMENTS})
    assert [set(each) for each in answer["output"]["results"]] == [{"index", "relevance_score"}] * 3
    missing = await client.post(path, json={"input": {"query": QUERY}})
    assert missing.json()["message"] == "input.documents is missing"
    assert missing.json()["code"] == "InvalidParameter"


async def test_dashscope_compatible(client: httpx.AsyncClient) -> None:
    body = {"model": "qwen3-rerank", "query": QUERY, "documents": DOCUMENTS, "top_n": 1}
    answer = await post(client, "/compatible-api/v1/reranks", **body)
    assert answer.pop("id")
    assert answer == {
        "object": "list",
        "results": [{"index": 1, "relevance_score": near(*SCORES)[0]}],
        "model": "fake/overlap",
        "usage": {"total_tokens": 11},
    }


async def test_mixedbread(client: httpx.AsyncClient) -> None:
    body = {"query": QUERY, "input": DOCUMENTS, "rewrite_query": False}
    answer = await post(client, "/v1/reranking", **body, top_k=1, return_input=True)
    assert answer == {
        "usage": {"prompt_tokens": 11, "total_tokens": 11},
        "model": "fake/overlap",
        "data": [{"index": 1, "score": near(*SCORES)[0], "object": "rank_result", "input": DOCUMENTS[1]}],
        "object": "list",
        "top_k": 1,
        "return_input": True,
    }
    bare = await post(client, "/v1/reranking", **body)
    assert (bare["top_k"], bare["return_input"], "input" in bare["data"][0]) == (3, False, False)
    rewriting = await client.post("/v1/reranking", json={**body, "rewrite_query": True})
    assert rewriting.headers["X-Finerank-Warnings"] == "fields without effect here: rewrite_query"


async def test_nim(client: httpx.AsyncClient) -> None:
    passages = [{"text": text} for text in DOCUMENTS]
    answer = await post(client, "/v1/ranking", query={"text": QUERY}, passages=passages, truncate="END")
    assert answer == {
        "rankings": [{"index": index, "logit": logit} for index, logit in zip(ORDER, LOG_ODDS, strict=True)]
    }
    refused = await client.post("/v1/ranking", json={"query": {"no": 1}, "passages": passages})
    assert (refused.status_code, refused.json()["message"]) == (400, "query must be a string, or an object with text")
    refused = await client.post("/v1/ranking", json={"query": QUERY, "passages": passages, "truncate": "START"})
    assert refused.json()["message"] == "truncate must be END or NONE"
    for name in ("live", "ready"):
        assert (await client.get(f"/nim/v1/health/{name}")).json()["status"] == name


REFUSALS: dict[str, dict[str, tuple[int, Any]]] = {
    "/cohere": {
        "invalid_request_error": (400, {"id", "message"}),
        "unauthorized": (401, {"id", "message"}),
        "model_not_found": (404, {"id", "message"}),
        "rate_limited": (429, {"id", "message"}),
        "internal_error": (500, {"id", "message"}),
        "overloaded": (503, {"id", "message"}),
    },
    "/jina": {
        "invalid_request_error": (422, {"detail"}),
        "unauthorized": (401, {"detail": "m", "code": "AUTH_INVALID_API_KEY"}),
        "model_not_found": (400, {"detail": "m", "code": "INPUT_MODEL_NOT_FOUND"}),
        "rate_limited": (429, {"detail"}),
    },
    "/voyage": {
        "invalid_request_error": (400, {"detail": "m"}),
        "unauthorized": (401, {"detail": "m"}),
        "model_not_found": (400, {"detail": "m"}),
        "rate_limited": (429, {"detail": "m"}),
        "overloaded": (503, {"detail": "m"}),
    },
    "/siliconflow": {
        "invalid_request_error": (400, {"code": 20015, "message": "m", "data": None}),
        "unauthorized": (401, "m"),
        "model_not_found": (400, {"code": 20012, "message": "m", "data": None}),
        "not_found": (404, "m"),
        "overloaded": (503, {"code": 50505, "message": "m", "data": None}),
        "deadline_exceeded": (504, "m"),
    },
    "/tei": {
        "invalid_request_error": (422, {"error": "m", "error_type": "Validation"}),
        "empty_input": (400, {"error": "m", "error_type": "Empty"}),
        "unauthorized": (401, None),
        "payload_too_large": (413, {"error": "m", "error_type": "Validation"}),
        "rate_limited": (429, {"error": "m", "error_type": "Overloaded"}),
        "overloaded": (429, {"error": "m", "error_type": "Overloaded"}),
        "not_ready": (503, {"error": "m", "error_type": "Unhealthy"}),
        "engine_error": (424, {"error": "m", "error_type": "Backend"}),
        "internal_error": (500, {"error": "m", "error_type": "Backend"}),
    },
    "/vllm": {
        "invalid_request_error": (
            400,
            {"error": {"message": "m", "type": "BadRequestError", "param": None, "code": 400}},
        ),
        "unauthorized": (401, {"error": "Unauthorized"}),
        "model_not_found": (404, {"error": {"message": "m", "type": "NotFoundError", "param": None, "code": 404}}),
        "internal_error": (500, {"error": {"message": "m", "type": "InternalServerError", "param": None, "code": 500}}),
    },
    "/infinity": {
        "invalid_request_error": (422, {"detail": [{"type": "value_error", "loc": ["body"], "msg": "m"}]}),
        "unauthorized": (401, {"detail": "Unauthorized"}),
        "model_not_found": (400, {"error": {"message": "m", "type": None, "param": None, "code": 400}}),
        "overloaded": (429, {"error": {"message": "m", "type": None, "param": None, "code": 429}}),
        "internal_error": (500, {"error": {"message": "m", "type": None, "param": None, "code": 500}}),
        "not_found": (404, {"detail": "m"}),
    },
    "/sglang": {
        "invalid_request_error": (
            400,
            {"object": "error", "message": "m", "type": "BadRequestError", "param": None, "code": 400},
        ),
    },
    "/llamacpp": {
        "invalid_request_error": (400, {"error": {"code": 400, "message": "m", "type": "invalid_request_error"}}),
        "unauthorized": (401, {"error": {"code": 401, "message": "m", "type": "authentication_error"}}),
        "internal_error": (500, {"error": {"code": 500, "message": "m", "type": "server_error"}}),
        "not_ready": (503, {"error": {"code": 503, "message": "m", "type": "unavailable_error"}}),
    },
    "/xinference": {
        "invalid_request_error": (400, {"detail": "m"}),
        "model_not_found": (400, {"detail": "m"}),
        "overloaded": (429, {"detail": "Rate limit reached: m"}),
        "internal_error": (500, {"detail": "m"}),
    },
    "/localai": {
        "invalid_request_error": (400, {"error": {"code": 400, "message": "m", "type": ""}}),
        "top_n": (422, "m"),
    },
    "/dashscope": {
        "invalid_request_error": (400, {"code", "message", "request_id"}),
        "unauthorized": (401, {"code", "message", "request_id"}),
    },
    "/dashscope/compatible-api": {"invalid_request_error": (400, {"error", "request_id"})},
    "/mixedbread": {"invalid_request_error": (400, {"detail": "m"}), "unauthorized": (401, {"detail": "m"})},
    "/nim": {
        "invalid_request_error": (
            400,
            {"object": "error", "message": "m", "detail": {}, "type": "invalid_request_error"},
        ),
    },
    "/weaviate": {
        "invalid_request_error": (500, {"error": "m"}),
        "engine_error": (503, {"error": "m"}),
        "unauthorized": (401, {"error": "m"}),
    },
}
STATUSES = {
    "invalid_request_error": 400,
    "empty_input": 400,
    "unauthorized": 401,
    "model_not_found": 404,
    "not_found": 404,
    "payload_too_large": 413,
    "top_n": 422,
    "rate_limited": 429,
    "internal_error": 500,
    "overloaded": 503,
    "not_ready": 503,
    "engine_error": 503,
    "deadline_exceeded": 504,
}


@pytest.mark.parametrize("prefix", sorted(prefixes()))
def test_refusals(prefix: str) -> None:
    """Status and body for each kind of problem; where ids are drawn, the keys."""
    dialect: Dialect = prefixes()[prefix]
    for kind, (status, expected) in REFUSALS[prefix].items():
        answer = dialect.answer(Problem(STATUSES[kind], kind, "m", headers={"Retry-After": "3"}))
        assert answer.status_code == status, kind
        body = json.loads(bytes(answer.body)) if answer.body else None
        assert (set(body) if isinstance(expected, set) else body) == expected, kind
        if status in (401, 429, 503):
            assert answer.headers["Retry-After"] == "3"
    assert "www-authenticate" not in dialect.answer(Problem(429, "rate_limited", "m")).headers


def test_infinity_names_the_field_and_the_way_to_log_in() -> None:
    infinity = prefixes()["/infinity"]
    body = json.loads(bytes(infinity.answer(Problem(400, "invalid_request_error", "m", "query")).body))
    assert body["detail"][0]["loc"] == ["body", "query"]
    assert infinity.answer(Problem(401, "unauthorized", "m")).headers["WWW-Authenticate"] == "Bearer"


async def test_a_wrong_path_under_a_prefix_is_answered_in_its_dialect(client: httpx.AsyncClient) -> None:
    for prefix, right in (("/cohere", "/cohere/v2/rerank"), ("/tei", "/tei/rerank"), ("/nim", "/nim/v1/ranking")):
        response = await client.post(f"{right}s", json={})
        assert response.status_code == 404
        assert f"did you mean {right}?" in response.text
        assert set(response.json()) == set(json.loads(bytes(prefixes()[prefix].answer(Problem(404, "x", "m")).body)))
