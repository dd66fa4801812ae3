"""LiteLLM, which speaks seven of our dialects."""

from typing import Any

import pytest

from tests.sdks.conftest import DOCUMENTS, KEY, ORDER, QUERY, SCORES, Ear


@pytest.fixture(scope="session")
def litellm() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        import litellm

        patch.setattr(litellm, "telemetry", False)
        patch.setattr(litellm, "suppress_debug_info", True)
        yield litellm
        litellm.module_level_client.close()


ROUTES = [
    ("cohere/rerank-v3.5", ""),
    ("cohere/rerank-v3.5", "/cohere"),
    ("jina_ai/jina-reranker-v2", ""),
    ("infinity/any", "/infinity"),
    ("hosted_vllm/any", ""),
    ("hosted_vllm/any", "/vllm"),
    ("voyage/rerank-2.5", "/voyage"),
    ("huggingface/any", ""),
    ("huggingface/any", "/tei"),
    ("nvidia_nim/ranking/any", ""),
    ("nvidia_nim/ranking/any", "/nim"),
    ("dashscope/qwen3-rerank", "/compatible-api/v1"),
    ("dashscope/qwen3-rerank", "/dashscope/compatible-api/v1"),
]


@pytest.mark.parametrize(("model", "prefix"), ROUTES)
def test_order_and_scores(url: str, litellm: Any, model: str, prefix: str) -> None:
    answer = litellm.rerank(model, QUERY, DOCUMENTS, api_base=f"{url}{prefix}", api_key=KEY)
    assert [each["index"] for each in answer.results] == ORDER
    scores = [1.0, -1.0, -2.0] if model.startswith("nvidia_nim") else SCORES
    assert [each["relevance_score"] for each in answer.results] == scores


@pytest.mark.parametrize(("model", "prefix"), ROUTES)
def test_top_n(url: str, litellm: Any, model: str, prefix: str) -> None:
    answer = litellm.rerank(model, QUERY, DOCUMENTS, top_n=1, api_base=f"{url}{prefix}", api_key=KEY)
    assert [each["index"] for each in answer.results] == [1]


@pytest.mark.parametrize("prefix", ["", "/vllm"])
def test_instruction(url: str, litellm: Any, heard: Ear, prefix: str) -> None:
    litellm.rerank(
        "hosted_vllm/any", QUERY, DOCUMENTS, instruction="find planets", api_base=f"{url}{prefix}", api_key=KEY
    )
    assert heard.instruction == "find planets"


@pytest.mark.parametrize(("model", "prefix"), [("cohere/rerank-v3.5", "/cohere"), ("cohere/rerank-v3.5", "")])
def test_errors_are_its_own(url: str, litellm: Any, spent_key: str, model: str, prefix: str) -> None:
    base = f"{url}{prefix}"
    with pytest.raises(litellm.BadRequestError):
        litellm.rerank(model, " ", DOCUMENTS, api_base=base, api_key=KEY, max_retries=0)
    with pytest.raises(litellm.AuthenticationError):
        litellm.rerank(model, QUERY, DOCUMENTS, api_base=base, api_key="wrong", max_retries=0)
    with pytest.raises(litellm.RateLimitError):
        litellm.rerank(model, QUERY, DOCUMENTS, api_base=base, api_key=spent_key, max_retries=0)
