"""A provider's API behind `Reranker`."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from finerank import AuthenticationError, Client, InputError, ProviderError, Reranker, SettingsError
from finerank.client import Retry
from finerank.client.providers import PROVIDERS
from finerank.models.loading import is_remote
from finerank.models.remote import BATCH_TOKENS, RemoteModel
from tests.client.loopback import Loopback, Say, results, scored

NAME = "siliconflow:Qwen/Qwen3-Reranker-8B"


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback().running() as running:
        yield running


@pytest.fixture
def client(server: Loopback) -> Iterator[Client]:
    with Client(NAME, base_url=server.url, api_key="a-real-key", retry=Retry(retries=0)) as made:
        yield made


@pytest.fixture
def reranker(client: Client) -> Iterator[Reranker]:
    with Reranker.from_model(RemoteModel(client), batch_tokens=BATCH_TOKENS) as made:
        yield made


def test_rank_asks_once_and_orders(server: Loopback, reranker: Reranker) -> None:
    server.script = scored
    given: list[Any] = [f"d {index}" for index in range(50)] + [{"text": "d 999", "id": 7}, None]
    ranking = reranker.rank("q", given, instruction="find it", top_n=2)
    (body,) = server.bodies
    assert (body["model"], body["instruction"], len(body["documents"])) == ("Qwen/Qwen3-Reranker-8B", "find it", 51)
    assert [each.index for each in ranking] == [50, 49, 51]
    assert ranking[0].document is given[50]
    assert ranking[0].score == pytest.approx(0.999)
    assert ranking.facts.model.kind == "remote"
    assert (ranking.facts.instruction, ranking.facts.warnings) == ("find it", ())


def test_documents_of_a_query_have_its_key(client: Client) -> None:
    first, second = RemoteModel(client).encode("q", ["d 1", "d 2"], "find it")
    (other,) = RemoteModel(client).encode("q", ["d 1"], None)
    assert first.shared_key is second.shared_key
    assert first.shared_key != other.shared_key
    assert first.shared_tokens == second.shared_tokens > 0


def test_pairs_of_several_queries_are_asked_for_at_the_same_time(server: Loopback, reranker: Reranker) -> None:
    server.script = lambda heard: Say(scored(heard).body, late_s=0.05)
    log_odds = reranker.log_odds([("q", "d 1"), ("p", "d 2"), ("q", "d 3")])
    assert log_odds == pytest.approx([math.log(score / (1 - score)) for score in (0.001, 0.002, 0.003)])
    assert sorted((body["query"], len(body["documents"])) for body in server.bodies) == [("p", 1), ("q", 2)]
    assert server.most_at_once == 2


def test_a_failure_of_the_provider_reaches_the_caller(server: Loopback, reranker: Reranker) -> None:
    server.answer(Say({"message": "no balance"}, status=403))
    with pytest.raises(AuthenticationError, match=r"siliconflow answered 403 \(no balance\)") as caught:
        reranker.rank("q", ["a", "b", "c"])
    assert isinstance(caught.value, ProviderError)
    assert len(server.heard) == 1
    server.script = scored
    assert len(reranker.rank("q", ["d 1"])) == 1  # and the engine goes on


def test_a_document_without_a_score_fails_alone(server: Loopback, reranker: Reranker) -> None:
    server.answer(Say({"results": [{"index": 1, "relevance_score": 0.5}], "errors": [{"index": 0, "message": "odd"}]}))
    good, bad = reranker.rank("q", ["odd one out", "fine"])
    assert (good.index, good.error) == (1, None)
    assert bad.error


def test_warnings_of_the_provider_go_to_the_log_once(
    server: Loopback, reranker: Reranker, caplog: pytest.LogCaptureFixture
) -> None:
    server.answer(Say(results(0.5, warnings=["mind the gap"])))
    for _ in range(2):
        reranker.rank("q", ["d"])
    assert caplog.messages == ["siliconflow: mind the gap"]


def test_windows_by_estimated_tokens(server: Loopback, client: Client) -> None:
    server.script = scored
    with Reranker.from_model(RemoteModel(client), long_documents="chunk") as reranker:
        assert reranker.rank("q", [f"{'word ' * 5_000} 7"])[0].window is None
    model = RemoteModel(client)
    text = "word " * 300
    windows = model.windows("q", text, None, 100, 0.1)
    assert windows[0][0] == 0
    assert windows[-1][1] == len(text)
    assert all(start < before for (start, _), (_, before) in zip(windows[1:], windows, strict=False))
    assert model.windows("q", text, None, None, 0.1) == [(0, len(text))]
    assert model.windows("q", "中" * 300, None, 100, 0.0)[0] == (0, 100)


def test_a_reranker_is_made_by_name_and_asks_nothing_at_load(monkeypatch: pytest.MonkeyPatch, server: Loopback) -> None:
    monkeypatch.setenv("SILICONFLOW_API_KEY", "a-real-key")
    moved = dict(PROVIDERS) | {"siliconflow": replace(PROVIDERS["siliconflow"], base_url=server.url)}
    monkeypatch.setattr("finerank.client.providers.PROVIDERS", moved)
    server.script = scored
    with Reranker(NAME) as reranker:
        assert server.heard == []
        assert (reranker.info.name, reranker.info.kind) == ("Qwen/Qwen3-Reranker-8B", "remote")
        assert reranker.rank("q", ["d 1", "d 2"])[0].index == 1
    assert server.heard[0].headers["authorization"] == "Bearer a-real-key"


def test_a_key_is_needed_at_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SILICONFLOW_API_KEY", raising=False)
    with pytest.raises(AuthenticationError, match="siliconflow needs an API key"):
        Reranker(NAME)


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"dtype": "bf16"}, "dtype"),
        ({"device": "cpu", "revision": "x"}, "revision, device"),
        ({"deterministic": True}, "is_deterministic"),
    ],
)
def test_options_of_a_model_here_are_refused(options: dict[str, Any], names: str) -> None:
    with pytest.raises(SettingsError, match=f"computed by its provider, where {names} has no effect"):
        Reranker(NAME, **options)


def test_a_hosted_provider_must_be_told_a_model() -> None:
    with pytest.raises(InputError, match="jina must be told a model"):
        Reranker("jina:")


def test_a_folder_of_that_name_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_remote("tei:x")
    (tmp_path / "tei:x").mkdir()
    assert not is_remote("tei:x")
    assert not is_remote("Qwen/Qwen3-Reranker-0.6B")
