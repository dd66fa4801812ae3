"""An embeddings API of OpenAI's shape behind `Embedder`."""

import base64
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from inspect import signature
from typing import Any

import numpy as np
import pytest

from finerank import (
    AsyncClient,
    AuthenticationError,
    Client,
    Embedder,
    InputError,
    ProviderError,
    RateLimitError,
    SettingsError,
)
from finerank.client import Retry
from finerank.client.embeddings import AsyncEmbeddingClient, EmbeddingClient
from finerank.client.limits import estimate_tokens
from finerank.models.remote_text import BATCH_TOKENS, RemoteTextModel
from tests.client.loopback import Heard, Loopback, Say

NAME = "openai:some-model"


def embedded(heard: Heard) -> Say:
    """(length, words, 1) of each text, last one first; texts with `refused` in them are too long."""
    texts = heard.body["input"]
    if any("refused" in text for text in texts):
        return Say({"error": {"message": "maximum context length is 8192 tokens"}}, status=400)
    data = [
        {"object": "embedding", "index": index, "embedding": [float(len(text)), float(len(text.split())), 1.0]}
        for index, text in enumerate(texts)
    ]
    return Say({"object": "list", "data": data[::-1], "model": "some-model", "usage": {"prompt_tokens": 7}})


def _expected(*texts: str) -> np.ndarray:
    rows = np.array([[len(text), len(text.split()), 1] for text in texts], dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback().running() as running:
        running.script = embedded
        yield running


def _embedder(server: Loopback, name: str = NAME, **options: Any) -> Embedder:
    options = {"retry": Retry(retries=0), "api_key": "a-real-key"} | options
    client = EmbeddingClient(name, base_url=f"{server.url}/v1", **options)
    try:
        return Embedder.from_model(RemoteTextModel(client), batch_tokens=BATCH_TOKENS)
    except BaseException:
        client.close()
        raise


def test_texts_become_vectors_of_length_1(server: Loopback) -> None:
    with Embedder(NAME, base_url=server.url, api_key="a-real-key") as embedder:
        np.testing.assert_allclose(embedder.embed_documents(["a b", "中文"]), _expected("a b", "中文"), atol=1e-6)
        np.testing.assert_allclose(embedder.embed_queries(["a b"]), _expected("a b"), atol=1e-6)
        assert embedder.embed(["a"], dimensions=2).vectors.shape == (1, 2)
        assert embedder.embed_documents([]).shape == (0, 3)
    probe, first = server.heard[:2]
    assert (probe.path, probe.headers["authorization"]) == ("/v1/embeddings", "Bearer a-real-key")
    assert (first.body["model"], first.body["encoding_format"]) == ("some-model", "float")
    assert sorted(first.body["input"]) == ["a b", "中文"]


def test_what_is_told_of_it(server: Loopback) -> None:
    with _embedder(server) as embedder:
        info = embedder.info
        assert (info.name, info.dimensions, info.device, info.counts_tokens) == (NAME, 3, "openai", False)
        assert info.default_instruction is None
        texts = ["a few words", "中文字", "", "x" * 1000]
        assert embedder.count_tokens(texts) == [estimate_tokens(text) for text in texts]
        for text in texts:
            offsets = embedder.token_offsets(text)
            assert len(offsets) <= estimate_tokens(text)
            assert "".join(text[start:end] for start, end in offsets) == text
    with _embedder(server) as again, _embedder(server, "openai:another") as another:
        assert again.info.fingerprint == info.fingerprint != another.info.fingerprint


def test_it_is_named_as_it_is_loaded(server: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index that keeps name and address can be opened with them, and nothing else."""
    with Embedder(NAME, base_url=f"{server.url}/v1/", api_key="a-real-key") as embedder:
        info = embedder.info
    assert (info.name, info.base_url) == (NAME, f"{server.url}/v1/")
    with Embedder(info.name, base_url=info.base_url, api_key="a-real-key", dimensions=2) as again:
        assert (again.info.name, again.info.base_url) == (info.name, info.base_url)
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    with Embedder(NAME) as told_by_the_environment:
        assert told_by_the_environment.info.base_url is None
        assert told_by_the_environment.info.fingerprint == info.fingerprint


def test_a_call_that_waits_is_ended_by_close(server: Loopback) -> None:
    server.answer(Say({"data": []}, late_s=30))
    client = EmbeddingClient(NAME, base_url=server.url, api_key="a-real-key")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.embed, ["a"])
        while not server.heard:
            time.sleep(0.005)
        client.close()
        with pytest.raises(ProviderError, match="closed before this call was answered"):
            waiting.result(5)
    with pytest.raises(ProviderError, match="this client is closed"):
        client.embed(["a"])


def test_what_fails_in_a_call_is_not_taken_for_a_closed_client(server: Loopback) -> None:
    class Broken(list[str]):
        def __iter__(self) -> Iterator[str]:
            raise RuntimeError("no texts today")

    with (
        EmbeddingClient(NAME, base_url=server.url, api_key="a-real-key") as client,
        pytest.raises(RuntimeError, match="no texts today"),
    ):
        client.embed(Broken(["a"]))


def test_the_options_of_both_clients_are_the_same() -> None:
    assert list(signature(EmbeddingClient).parameters) == list(signature(AsyncEmbeddingClient).parameters)
    assert list(signature(Client).parameters) == list(signature(AsyncClient).parameters)
    with pytest.raises(TypeError, match="colour"):
        EmbeddingClient(NAME, api_key="a-real-key", colour="red")  # type: ignore[call-arg]


def test_refusals_speak_of_texts(server: Loopback) -> None:
    client = EmbeddingClient(NAME, base_url=server.url, api_key="a-real-key", retry=Retry(retries=0))
    with client:
        server.answer(Say({"message": "no"}, status=405))
        with pytest.raises(ProviderError, match="it is the address of no embeddings API"):
            client.embed(["a"])
        server.answer(Say({"message": "no"}, status=413))
        assert "lower max_texts_per_call, or shorten the texts" in client.embed(["a"]).errors[0]
        server.answer(Say(b"<html>", headers={"content-type": "text/html"}))
        with pytest.raises(ProviderError, match="is base_url the address of the API") as caught:
            client.embed(["a"])
    assert "rerank" not in str(caught.value)


def test_many_texts_travel_in_several_calls(server: Loopback) -> None:
    texts = [f"text {'x' * number}" for number in range(70)]
    with _embedder(server) as embedder:
        found = embedder.embed(texts)
    np.testing.assert_allclose(found.vectors, _expected(*texts), atol=1e-6)
    assert sorted(len(body["input"]) for body in server.bodies) == [1, 6, 32, 32]
    assert found.facts.usage.computed_tokens == 21


def test_a_text_that_is_refused_fails_alone(server: Loopback) -> None:
    texts = [*(f"text {number}" for number in range(20)), "refused"]
    with _embedder(server) as embedder:
        found = embedder.embed(texts)
    assert list(found.errors) == [20]
    assert "openai answered 400 (maximum context length is 8192 tokens)" in found.errors[20]
    np.testing.assert_allclose(found.vectors[:20], _expected(*texts[:20]), atol=1e-6)


def test_qwen3_is_told_its_instruction(server: Loopback) -> None:
    with _embedder(server, "openai:Qwen/Qwen3-Embedding-8B") as embedder:
        assert str(embedder.info.default_instruction).startswith("Given a web search query")
        embedder.embed_queries(["q"], instruction="find it")
        embedder.embed_documents(["d"])
    assert [body["input"] for body in server.bodies[1:]] == [["Instruct: find it\nQuery:q"], ["d"]]


def test_base64_is_read_too(server: Loopback) -> None:
    vector = np.array([3, 4, 0], dtype="<f4")
    encoded = base64.b64encode(vector.tobytes()).decode()
    server.answer(Say({"data": [{"index": 0, "embedding": encoded}]}))
    with _embedder(server) as embedder:
        np.testing.assert_allclose(embedder.embed_documents(["a"]), [[0.6, 0.8, 0]], atol=1e-6)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "no list of vectors"),
        ({"error": "no such model"}, "but says: no such model"),
        ({"data": []}, "1 texts were sent and 0 vectors came back"),
        ({"data": [{"index": 0, "embedding": []}]}, "embedding is empty"),
        ({"data": [{"index": 0, "embedding": [1.0, "x"]}]}, "no list of numbers"),
        ({"data": [{"index": 0, "embedding": [[1.0]]}]}, "no list of numbers"),
        ({"data": [{"index": 0, "embedding": None}]}, "no list of numbers"),
        ({"data": [{"index": 0, "embedding": [True]}]}, "no list of numbers"),
        ({"data": [{"index": 0, "embedding": "?"}]}, "no base64"),
        ({"data": [{"index": 5, "embedding": [1.0]}]}, "no index from 0 to 0"),
        ({"data": [{"index": 0, "embedding": [1.0]}] * 2}, "which another one has already"),
        ({"data": [7]}, "no index"),
        ({"data": [{"index": 0, "embedding": [1e400]}]}, "no finite number"),
    ],
)
def test_an_answer_that_cannot_be_used_is_an_error(server: Loopback, body: Any, said: str) -> None:
    server.answer(Say(body))
    with pytest.raises(ProviderError, match="cannot be used") as caught:
        _embedder(server)
    assert said in str(caught.value)


def test_another_model_behind_the_name_is_noticed(server: Loopback) -> None:
    with _embedder(server) as embedder:
        server.answer(Say({"data": [{"index": 0, "embedding": [1.0, 2.0]}]}))
        with pytest.raises(ProviderError, match="now gives vectors of 2 numbers, before of 3"):
            embedder.embed_documents(["a"])


def test_failures_that_are_about_no_text_fail_the_call(server: Loopback) -> None:
    with _embedder(server) as embedder:
        server.answer(Say({"error": {"message": "slow down"}}, status=429))
        with pytest.raises(RateLimitError, match="slow down"):
            embedder.embed_documents(["a", "b"])
        server.script = embedded
        assert np.isfinite(embedder.embed_documents(["a", "b"])).all()
        embedder.close()
        embedder.model.close()
        with pytest.raises(ProviderError, match="is closed"):
            embedder.model.compute(embedder.model.encode(["a"], "document", None))


def test_passing_trouble_is_waited_out(server: Loopback) -> None:
    with _embedder(server, retry=Retry(first_wait_s=0.01)) as embedder:
        answers = [Say(None, status=503), Say(None, cut_at=-1)]
        server.script = lambda heard: answers.pop() if answers else embedded(heard)
        assert np.isfinite(embedder.embed_documents(["a"])).all()


def test_the_key_is_found_and_needed(server: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AuthenticationError, match="set OPENAI_API_KEY or give api_key"):
        Embedder(NAME)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1/")
    with Embedder(NAME):
        assert "authorization" not in server.heard[-1].headers
    monkeypatch.setenv("OPENAI_API_KEY", "from-the-environment")
    with Embedder(NAME):
        assert server.heard[-1].headers["authorization"] == "Bearer from-the-environment"
    server.answer(Say({"error": {"message": "Incorrect API key from-the-environment"}}, status=401))
    with pytest.raises(AuthenticationError) as caught:
        Embedder(NAME)
    assert "from-the-environment" not in str(caught.value)


def test_options_that_make_no_sense_are_refused(server: Loopback) -> None:
    with pytest.raises(SettingsError, match="computed by its provider, where dtype has no effect"):
        Embedder(NAME, dtype="bfloat16", api_key="a-real-key")
    with pytest.raises(SettingsError, match="base_url and api_key are for models behind an API"):
        Embedder(base_url=server.url)
    with pytest.raises(InputError, match="names no embedding model"):
        Embedder("openai:", api_key="a-real-key")
    with pytest.raises(InputError, match="max_texts_per_call is 0"):
        EmbeddingClient(NAME, api_key="a-real-key", max_texts_per_call=0)
    with pytest.raises(InputError, match="dimensions is 4"):
        Embedder(NAME, base_url=server.url, api_key="a-real-key", dimensions=4)
