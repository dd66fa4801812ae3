"""Each provider's wire format, both ways, field by field; and the providers' own packages as witnesses."""

from typing import Any

import httpx
import pytest

from finerank import Client, InputError
from finerank.client import PROVIDERS
from finerank.client.providers import split_name
from finerank.client.template import PromptTemplate

from .conftest import QUICK
from .loopback import Loopback, Say, results

QUERY, DOCUMENTS, INSTRUCTION = "the query", ["first", "second"], "find it"
LISTED = [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.2}]
TEMPLATE = PromptTemplate()

COHERE_ANSWER = {
    "id": "1",
    "results": LISTED,
    "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}, "tokens": {"input_tokens": 11}},
}
VLLM_ANSWER = {
    "id": "score-1",
    "model": "m",
    "usage": {"prompt_tokens": 11, "total_tokens": 11},
    "results": [{**each, "document": {"text": "whatever", "multi_modal": None}} for each in LISTED],
}
FORMATS: dict[str, tuple[str, dict[str, Any], Any]] = {
    "finerank": (
        "/v1/rerank",
        {
            "model": "m",
            "query": QUERY,
            "documents": DOCUMENTS,
            "top_n": 2,
            "return_documents": False,
            "instruction": INSTRUCTION,
        },
        {"object": "list", "model": "m", "results": LISTED, "usage": {"prompt_tokens": 11, "total_tokens": 11}},
    ),
    "siliconflow": (
        "/v1/rerank",
        {
            "model": "Qwen3",
            "query": QUERY,
            "documents": DOCUMENTS,
            "top_n": 2,
            "return_documents": False,
            "instruction": INSTRUCTION,
        },
        {"id": "1", "results": LISTED, "tokens": {"input_tokens": 11, "output_tokens": 0}},
    ),
    "dashscope": (
        "/api/v1/services/rerank/text-rerank/text-rerank",
        {
            "model": "qwen3-rerank",
            "input": {"query": QUERY, "documents": DOCUMENTS},
            "parameters": {"top_n": 2, "instruct": INSTRUCTION},
        },
        {
            "output": {"results": [{**each, "document": {"text": "x"}} for each in LISTED]},
            "usage": {"total_tokens": 11},
            "request_id": "1",
        },
    ),
    "cohere": ("/v2/rerank", {"model": "m", "query": QUERY, "documents": DOCUMENTS, "top_n": 2}, COHERE_ANSWER),
    "jina": (
        "/v1/rerank",
        {"model": "m", "query": QUERY, "documents": DOCUMENTS, "top_n": 2, "return_documents": False},
        {
            "model": "m",
            "usage": {"total_tokens": 11},
            "results": [{**each, "document": "a bare string"} for each in LISTED],
        },
    ),
    "voyage": (
        "/v1/rerank",
        {
            "model": "m",
            "query": QUERY,
            "documents": DOCUMENTS,
            "top_k": 2,
            "return_documents": False,
            "truncation": True,
        },
        {"object": "list", "data": LISTED, "model": "m", "usage": {"total_tokens": 11}},
    ),
    "mixedbread": (
        "/v1/reranking",
        {"model": "m", "query": QUERY, "input": DOCUMENTS, "top_k": 2, "return_input": False},
        {
            "object": "list",
            "model": "m",
            "data": [{"index": 1, "score": 0.9, "input": None, "object": "rank_result"}, {"index": 0, "score": 0.2}],
            "usage": {"prompt_tokens": 11, "total_tokens": 11},
            "top_k": 2,
            "return_input": False,
        },
    ),
    "vllm": (
        "/v1/rerank",
        {
            "model": "Qwen3",
            "query": TEMPLATE.query_side(QUERY, INSTRUCTION),
            "documents": [TEMPLATE.document_side(text) for text in DOCUMENTS],
            "top_n": 2,
        },
        VLLM_ANSWER,
    ),
    "tei": (
        "/rerank",
        {"query": QUERY, "texts": DOCUMENTS, "truncate": True, "raw_scores": False, "return_text": False},
        [{"index": 1, "score": 0.9}, {"index": 0, "score": 0.2}],
    ),
}


@pytest.mark.parametrize("name", PROVIDERS)
def test_each_provider_is_spoken_to_in_its_own_words(server: Loopback, name: str) -> None:
    path, body, answer = FORMATS[name]
    server.answer(Say(answer, headers={"X-Compute-Tokens": "11"} if name == "tei" else {}))
    model = body.get("model", "m")
    with Client(name, model=model, base_url=server.url, api_key="a-real-key", retry=QUICK) as client:
        ranking = client.rerank(QUERY, DOCUMENTS, instruction=INSTRUCTION)
    (heard,) = server.heard
    assert (heard.method, heard.path, heard.body) == ("POST", path, body)
    assert heard.headers["authorization"] == "Bearer a-real-key"
    assert heard.headers["content-type"] == "application/json"
    assert [(each.index, each.document, each.score) for each in ranking] == [(1, "second", 0.9), (0, "first", 0.2)]
    assert ranking.facts.usage.prompt_tokens == 11
    takes_none = name in ("cohere", "jina", "voyage", "mixedbread", "tei")
    warnings = (f"{name} takes no instruction; the one given was not sent",) if takes_none else ()
    assert ranking.facts.warnings == warnings
    assert ranking.facts.instruction == (None if takes_none else INSTRUCTION)


@pytest.mark.parametrize("name", PROVIDERS)
def test_nothing_is_said_of_an_instruction_that_is_not_given(server: Loopback, name: str) -> None:
    server.answer(Say(FORMATS[name][2]))
    with Client(name, model="m", base_url=server.url, api_key="a-real-key", template="never") as client:
        client.rerank(QUERY, DOCUMENTS, instruction=" ")
        ranking = client.rerank(QUERY, DOCUMENTS)
    assert server.bodies[0] == server.bodies[1]
    assert ranking.facts.warnings == ()
    said = {**server.bodies[0], **server.bodies[0].get("parameters", {})}
    assert not {"instruction", "instruct"} & set(said)


def test_siliconflow_takes_an_instruction_for_qwen3_alone(server: Loopback) -> None:
    server.answer(Say(FORMATS["siliconflow"][2]))
    with Client("siliconflow:BAAI/bge-reranker-v2-m3", base_url=server.url, api_key="a-real-key") as client:
        ranking = client.rerank(QUERY, DOCUMENTS, instruction=INSTRUCTION)
    assert "instruction" not in server.bodies[0]
    assert ranking.facts.warnings == (
        "siliconflow's BAAI/bge-reranker-v2-m3 takes no instruction; the one given was not sent",
    )


def test_dashscopes_compatible_path_has_its_own_shape(server: Loopback) -> None:
    server.answer(Say({"object": "list", "results": LISTED, "model": "qwen3-rerank", "usage": {"total_tokens": 11}}))
    for base in ("/compatible-api/v1", "/compatible-api/v1/reranks"):
        with Client("dashscope:qwen3-rerank", base_url=server.url + base, api_key="a-real-key") as client:
            client.rerank(QUERY, DOCUMENTS, instruction=INSTRUCTION)
        assert server.heard[-1].path == "/compatible-api/v1/reranks"
        assert server.heard[-1].body == {
            "model": "qwen3-rerank",
            "query": QUERY,
            "documents": DOCUMENTS,
            "top_n": 2,
            "instruct": INSTRUCTION,
        }


def test_without_a_model_none_is_named(server: Loopback) -> None:
    server.answer(Say(results(0.5)))
    for name in ("finerank", "vllm", "tei"):
        with Client(name, base_url=server.url) as client:
            client.rerank(QUERY, ["d"])
        assert "model" not in server.heard[-1].body


@pytest.mark.parametrize(
    ("name", "base_url", "url"),
    [
        ("jina", "https://api.jina.ai", "https://api.jina.ai/v1/rerank"),
        ("jina", "https://api.jina.ai/", "https://api.jina.ai/v1/rerank"),
        ("jina", "https://api.jina.ai/v1", "https://api.jina.ai/v1/rerank"),
        ("jina", "https://api.jina.ai/v1/", "https://api.jina.ai/v1/rerank"),
        ("jina", "https://api.jina.ai/v1/rerank", "https://api.jina.ai/v1/rerank"),
        ("jina", "https://proxy/jina/v1", "https://proxy/jina/v1/rerank"),
        ("jina", " http://h:1/rerank ", "http://h:1/rerank"),
        ("jina", None, "https://api.jina.ai/v1/rerank"),
        ("finerank", None, "http://localhost:7860/v1/rerank"),
        ("finerank", "http://[::1]:7860", "http://[::1]:7860/v1/rerank"),
        ("siliconflow", "https://api.siliconflow.com/v1", "https://api.siliconflow.com/v1/rerank"),
        ("dashscope", None, "https://dashscope.aliyuncs.com/api/v1/services/rerank/text-rerank/text-rerank"),
        ("dashscope", "https://d/api/v1", "https://d/api/v1/services/rerank/text-rerank/text-rerank"),
        ("cohere", None, "https://api.cohere.com/v2/rerank"),
        ("cohere", "https://api.cohere.com/v1", "https://api.cohere.com/v1/rerank"),
        ("cohere", "https://api.cohere.com/v2", "https://api.cohere.com/v2/rerank"),
        ("voyage", None, "https://api.voyageai.com/v1/rerank"),
        ("mixedbread", "https://api.mixedbread.com/v1", "https://api.mixedbread.com/v1/reranking"),
        ("vllm", None, "http://localhost:8000/v1/rerank"),
        ("vllm", "http://h/v2", "http://h/v2/rerank"),
        ("tei", None, "http://localhost:8080/rerank"),
        ("tei", "http://h:8080/rerank", "http://h:8080/rerank"),
    ],
)
def test_base_urls_come_with_or_without_the_path(name: str, base_url: str | None, url: str) -> None:
    assert PROVIDERS[name].endpoint(base_url)[0] == url


@pytest.mark.parametrize(
    "url",
    ["", "localhost:7860", "ftp://h", "http://", "/v1", "http://h?x=1", "http://h#x", "http://u:secret@h", "http://h:x",
     "http://[", "http://h h/"],
)  # fmt: skip
def test_what_is_no_base_url_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="base_url") as caught:
        Client(base_url=url)
    assert "secret" not in str(caught.value)


def test_names_with_a_provider() -> None:
    assert split_name("siliconflow:Qwen/Qwen3-Reranker-8B") == ("siliconflow", "Qwen/Qwen3-Reranker-8B")
    assert split_name("tei:") == ("tei", None)
    assert split_name("Qwen/Qwen3-Reranker-8B") is None
    assert split_name("C:/models/x") is None
    assert split_name("jina") is None


@pytest.mark.parametrize("name", ["cohere", "voyage", "mixedbread", "dashscope"])
def test_the_providers_own_package_sends_the_same_fields(
    server: Loopback, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What their package sends for the same question: same path, and each field of ours among theirs."""
    server.answer(Say(FORMATS[name][2]))
    WITNESSES[name](server.url)
    with Client(name, model="m", base_url=server.url, api_key="a-real-key") as client:
        client.rerank(QUERY, DOCUMENTS)
    theirs, ours = server.heard
    assert ours.path == theirs.path
    assert ours.headers["authorization"].lower() == theirs.headers["authorization"].lower()
    assert _fields(ours.body) == _fields(theirs.body)


def _fields(body: dict[str, Any]) -> dict[str, Any]:
    """Flat, and without what is left at its default by saying it or by not saying it."""
    flat: dict[str, Any] = {}
    for name, value in body.items():
        flat |= {f"{name}.{key}": inner for key, inner in value.items()} if isinstance(value, dict) else {name: value}
    return {name: value for name, value in flat.items() if value not in (None, False)}


def _ask_cohere(url: str) -> None:
    import cohere

    with httpx.Client() as http:
        client = cohere.ClientV2(api_key="a-real-key", base_url=url, httpx_client=http)
        client.rerank(model="m", query=QUERY, documents=DOCUMENTS, top_n=2)


def _ask_voyage(url: str) -> None:
    import voyageai

    voyageai.Client(  # type: ignore[attr-defined]
        api_key="a-real-key", base_url=f"{url}/v1"
    ).rerank(QUERY, DOCUMENTS, "m", top_k=2)


def _ask_mixedbread(url: str) -> None:
    from mixedbread import Mixedbread

    with Mixedbread(api_key="a-real-key", base_url=url) as client:
        client.rerank(model="m", query=QUERY, input=DOCUMENTS, top_k=2)


def _ask_dashscope(url: str) -> None:
    import dashscope

    before = dashscope.base_http_api_url
    dashscope.base_http_api_url = f"{url}/api/v1"
    try:
        dashscope.TextReRank.call(model="m", query=QUERY, documents=DOCUMENTS, top_n=2, api_key="a-real-key")
    finally:
        dashscope.base_http_api_url = before


WITNESSES = {
    "cohere": _ask_cohere,
    "voyage": _ask_voyage,
    "mixedbread": _ask_mixedbread,
    "dashscope": _ask_dashscope,
}
