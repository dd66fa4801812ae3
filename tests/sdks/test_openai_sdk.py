"""OpenAI's own SDK, LiteLLM and huggingface_hub's client for TEI against `/v1/embeddings` and `/embed`."""

import asyncio
import base64
from collections.abc import Iterator
from typing import Any

import numpy as np
import openai
import pytest
from huggingface_hub import InferenceClient

from finerank.embedder import Embedder
from finerank.models.embedded import embedded_path
from tests.sdks.conftest import DOCUMENTS, KEY, Ear


@pytest.fixture(scope="module")
def expected() -> Any:
    """Of the embedded model, which the server loads when it is first asked."""
    from sentence_transformers import SentenceTransformer

    reference = SentenceTransformer(str(embedded_path()), device="cpu", local_files_only=True)
    return reference.encode(DOCUMENTS, normalize_embeddings=True)


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as made:
        yield made


@pytest.mark.parametrize("encoding", [openai.omit, "float", "base64"])
def test_openai(client: openai.OpenAI, heard: Ear, expected: Any, encoding: Any) -> None:
    """Its default is base64."""
    answer = client.embeddings.create(model="all-MiniLM-L6-v2", input=DOCUMENTS, encoding_format=encoding, user="me")
    rows = [each.embedding for each in answer.data]
    if encoding == "base64":
        rows = [np.frombuffer(base64.b64decode(row), dtype="<f4") if isinstance(row, str) else row for row in rows]
    np.testing.assert_allclose(rows, expected, atol=1e-5)
    assert [each.index for each in answer.data] == [0, 1, 2]
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 10
    assert heard.dialect == "openai"


def test_openai_cut_and_queries(client: openai.OpenAI, expected: Any) -> None:
    answer = client.embeddings.create(
        model="any", input=DOCUMENTS[0], dimensions=64, extra_body={"input_type": "query"}
    )
    (each,) = answer.data
    cut = expected[0, :64] / np.linalg.norm(expected[0, :64])
    np.testing.assert_allclose(each.embedding, cut, atol=1e-5)


def test_openai_awaited(url: str, expected: Any) -> None:
    async def ask() -> Any:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=KEY) as client:
            asked = [client.embeddings.create(model="any", input=text) for text in DOCUMENTS]
            return [each.data[0].embedding for each in await asyncio.gather(*asked)]

    np.testing.assert_allclose(asyncio.run(ask()), expected, atol=1e-5)


def test_openai_s_exceptions(client: openai.OpenAI, url: str, spent_key: str) -> None:
    with pytest.raises(openai.BadRequestError, match="token ids"):
        client.embeddings.create(model="any", input=[[1, 2, 3]])
    with pytest.raises(openai.BadRequestError, match="input is empty"):
        client.embeddings.create(model="any", input=[])
    with pytest.raises(openai.BadRequestError, match="dimensions is 1000"):
        client.embeddings.create(model="any", input="a", dimensions=1000)
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="wrong").embeddings.create(model="any", input="a")
    with pytest.raises(openai.RateLimitError):
        client.with_options(api_key=spent_key).embeddings.create(model="any", input="a")


def test_litellm(client: openai.OpenAI, expected: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm

    monkeypatch.setattr(litellm, "telemetry", False)
    answer = litellm.embedding("openai/any", input=DOCUMENTS, client=client)
    np.testing.assert_allclose([each["embedding"] for each in answer.data], expected, atol=1e-5)


@pytest.mark.parametrize("path", ["/embed", "/tei/embed", "/tei"])
def test_huggingface_hub(url: str, heard: Ear, expected: Any, path: str) -> None:
    client = InferenceClient(f"{url}{path}", token=KEY)
    np.testing.assert_allclose(client.feature_extraction(DOCUMENTS), expected, atol=1e-5)
    one = client.feature_extraction(DOCUMENTS[0], normalize=True, truncate=True, truncation_direction="right")
    np.testing.assert_allclose(np.ravel(one), expected[0], atol=1e-5)
    client.feature_extraction(DOCUMENTS[0], prompt_name="query")
    assert heard.dialect == "tei"


def test_finerank_itself(url: str, expected: Any) -> None:
    with Embedder("openai:all-MiniLM-L6-v2", base_url=url, api_key=KEY) as embedder:
        np.testing.assert_allclose(embedder.embed_documents(DOCUMENTS), expected, atol=1e-5)
        assert embedder.info.dimensions == 384
