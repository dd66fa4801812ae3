"""Whose key is it, how much may it use, and how a browser is asked for it."""

import base64
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import httpx
import pytest

from finerank.errors import SettingsError
from finerank.reranker import Reranker
from finerank.server.app import create_app
from finerank.server.keys import KeyRing, Quota
from finerank.server.service import Origin, RerankCall
from finerank.settings import Settings
from finerank.types import AnswerFacts, ModelInfo, Ranking, Usage

from .calling import BODY, app_of, calling

KEYS = ("alice=secret-a", "secret-b", "secret-c==")


def basic(password: str, user: str = "") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def rewrite(file: Path, text: str) -> None:
    """With another time of change, however coarse the file system's clock is."""
    file.write_text(text)
    later = file.stat().st_mtime_ns + 10**9
    os.utime(file, ns=(later, later))


def ring(*lines: str, folder: Path) -> KeyRing:
    file = folder / "keys"
    file.write_text("\n".join(lines))
    return KeyRing((), file)


def test_a_key_is_known_by_its_name_or_number() -> None:
    keys = KeyRing(KEYS)
    names = [
        keys.name_of([key]) for key in (b"secret-a", b"secret-b", b"secret-c==", b"secret", b"alice=secret-a", b"")
    ]
    assert names == ["alice", "key-1", "key-2", None, None, None]
    assert keys.name_of([b"wrong", b"secret-a"]) == "alice"
    assert KeyRing().is_empty
    assert KeyRing().name_of([b""]) is None


def test_a_file_has_comments_blank_lines_and_two_keys_for_one_name(tmp_path: Path) -> None:
    keys = ring("\ufeff# ours", "", "  alice=old  ", "alice=new", "dGVzdA==", folder=tmp_path)
    assert [keys.name_of([key]) for key in (b"old", b"new", b"dGVzdA==")] == ["alice", "alice", "key-1"]


@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        (b"alice=s3cr3t\nbob=s3cr3t\n", "line 2 of .* repeats the key of line 1 of"),
        (b"alice=s3cr3t two\n", "line 1 of .* is no key; write key or name=key"),
        (b"# nothing\n\n", "has no key; write one a line"),
        (b"\xff\xfe\xff", "is not text in UTF-8"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_but_never_quoted(tmp_path: Path, text: bytes, trouble: str) -> None:
    file = tmp_path / "keys"
    file.write_bytes(text)
    with pytest.raises(SettingsError, match=trouble) as caught:
        KeyRing((), file)
    assert "s3cr3t" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"--api-keys-file: .*absent cannot be read: No such file"):
        KeyRing((), tmp_path / "absent")


def test_a_changed_file_counts_at_once(tmp_path: Path) -> None:
    keys = ring("alice=old", folder=tmp_path)
    rewrite(tmp_path / "keys", "alice=new")
    assert (keys.name_of([b"old"]), keys.name_of([b"new"])) == (None, "alice")


@pytest.mark.parametrize("text", ["", "a b c", None])
def test_a_file_that_breaks_while_serving_leaves_the_keys_as_they_were(
    tmp_path: Path, text: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    keys = ring("alice=old", folder=tmp_path)
    if text is None:
        (tmp_path / "keys").unlink()
    else:
        rewrite(tmp_path / "keys", text)
    with caplog.at_level(logging.ERROR):
        assert [keys.name_of([b"old"]) for _ in range(3)] == ["alice"] * 3
    assert len(caplog.records) == 1
    assert "the 1 keys that were known stay in force" in caplog.text
    (tmp_path / "keys").write_text("bob=new-and-longer")
    assert keys.name_of([b"new-and-longer"]) == "bob"


def test_every_key_is_compared_whichever_is_right() -> None:
    keys = KeyRing([f"name{number}=key{number}" for number in range(20)])
    with patch("finerank.server.keys.hmac.compare_digest", return_value=False) as compare:
        keys.name_of([b"key0"])
        assert compare.call_count == 20


def test_limits_without_keys_are_refused() -> None:
    with pytest.raises(SettingsError, match="limits for each key need keys"):
        create_app(Settings(key_requests_per_minute=5))


# Over HTTP


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer secret-a"},
        {"authorization": "bearer  secret-a"},
        {"X-API-Key": "secret-a"},
        {"api-key": "secret-a"},
        {"Authorization": basic("secret-a", "whoever")},
        {"Authorization": "Bearer somebody-else's", "X-API-Key": "secret-a"},
    ],
)
async def test_a_key_may_come_in_any_of_the_usual_ways(reranker: Reranker, headers: dict[str, str]) -> None:
    async with calling(reranker, api_keys=KEYS) as client:
        assert (await client.post("/v1/rerank", json=BODY, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "secret-a"}, {"X-API-Key": ""}, {"api-key": "alice"}]
    + [{"Authorization": value} for value in ("Basic !!!", "Basic", "Bearer", basic("wrong"), "Bearer \xff")],
)
async def test_no_key_or_a_wrong_one_is_401_and_nothing_is_read(reranker: Reranker, headers: dict[str, str]) -> None:
    async with calling(reranker, api_keys=KEYS) as client:
        encoded = {name: value.encode("latin-1") for name, value in headers.items()}
        for path in ("/v1/rerank", "/rerank", "/api/predict", "/v1/models", "/v1/none"):
            response = await client.post(path, content=b"not even JSON", headers=encoded)
            assert response.status_code == 401, path
            assert response.headers["WWW-Authenticate"] == "Bearer"
            error = response.json()["error"]
            assert error["type"] == "unauthorized"
            assert "Authorization: Bearer KEY" in error["message"]


async def test_a_browser_is_asked_for_the_key_of_the_page(reranker: Reranker) -> None:
    async with calling(reranker, api_keys=KEYS) as client:
        for path in ("/", "/gradio_api/info", "/openapi.json"):
            response = await client.get(path)
            assert response.status_code == 401, path
            assert response.headers["WWW-Authenticate"] == 'Basic realm="finerank", charset="UTF-8"'
        assert (await client.get("/", headers={"Authorization": basic("secret-b")})).status_code == 200


async def test_monitors_need_no_key(reranker: Reranker) -> None:
    async with calling(reranker, api_keys=KEYS) as client:
        for path in ("/health", "/ready", "/metrics"):
            assert (await client.get(path)).status_code == 200
        assert (await client.get("/gradio_api/info/health")).status_code == 401


async def test_without_keys_any_key_will_do(client: httpx.AsyncClient) -> None:
    headers = {"Authorization": "Bearer whatever"}
    assert (await client.post("/v1/rerank", json=BODY, headers=headers)).status_code == 200


async def test_keys_come_from_the_environment_and_a_file_together(
    reranker: Reranker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINERANK_API_KEYS", "alice=one,two")
    (tmp_path / "keys").write_text("three\n")
    async with calling(reranker, api_keys_file=tmp_path / "keys") as client:
        for key, caller in (("one", "alice"), ("two", "key-1"), ("three", "key-2")):
            await client.post("/v1/rerank", json=BODY, headers={"X-API-Key": key})
            metrics = (await client.get("/metrics")).text
            assert f'finerank_key_requests_total{{key="{caller}"}} 1.0' in metrics
            assert f'key="{key}"' not in metrics


# Limits


@pytest.fixture
def clock() -> Iterator[list[float]]:
    """Seconds that can be moved on, for the library too."""
    now = [6000.0]
    with patch.object(time, "time", lambda: now[0]):
        yield now


def ranking_of(tokens: int) -> Ranking:
    info = ModelInfo("m", "yes_no", "f", "float32", "cpu", 1000)
    return Ranking([], AnswerFacts(info, None, Usage(tokens, tokens)))


def charge(quota: Quota, caller: str | None, tokens: int) -> None:
    quota.answered(Origin(caller=caller), RerankCall(query="q", documents=[]), ranking_of(tokens))


def test_requests_are_counted_over_the_last_minute(clock: list[float]) -> None:
    quota = Quota(3, None)
    for _ in range(3):
        assert quota.why_not("alice") is None
        clock[0] += 10
    problem = quota.why_not("alice")
    assert problem is not None
    assert (problem.status, problem.kind, problem.headers) == (429, "rate_limited", {"Retry-After": "30"})
    assert problem.message == "the key alice has used its 3 requests of this minute; try again in 30 s"
    assert quota.why_not("bob") is None
    clock[0] += 31
    assert quota.why_not("alice") is None
    assert quota.why_not("alice") is not None


def test_tokens_are_charged_in_full_and_waited_for(clock: list[float]) -> None:
    """300 of 100 tokens: in the next minute they weigh 300 x the share of it that is left, so 40 s of it must go by."""
    clock[0] = 6000.0
    quota = Quota(None, 100)
    assert quota.why_not("alice") is None
    charge(quota, "alice", 300)
    charge(quota, None, 10**6)
    problem = quota.why_not("alice")
    assert problem is not None
    assert problem.headers == {"Retry-After": "100"}
    assert "100 tokens" in problem.message
    clock[0] += 95.5
    problem = quota.why_not("alice")
    assert problem is not None
    assert problem.headers == {"Retry-After": "5"}
    clock[0] += 4.6
    assert quota.why_not("alice") is None
    charge(quota, "alice", 60)
    problem = quota.why_not("alice")
    assert problem is not None
    clock[0] += 120
    assert quota.why_not("alice") is None


@pytest.mark.parametrize("limit", [1, 7, 100, 99_999])
def test_after_the_wait_that_was_named_there_is_room(clock: list[float], limit: int) -> None:
    for offset in (0.0, 17.3, 59.9):
        for used in (limit, limit + 1, 3 * limit, 1000 * limit):
            quota = Quota(None, limit)
            clock[0] = 6000 + offset
            charge(quota, "alice", used)
            problem = quota.why_not("alice")
            assert problem is not None
            wait = int(problem.headers["Retry-After"])
            clock[0] += wait
            assert quota.why_not("alice") is None, (offset, used, wait)


async def test_a_key_over_its_requests_is_refused_before_its_body_is_read(reranker: Reranker) -> None:
    async with calling(reranker, api_keys=KEYS, key_requests_per_minute=2) as client:
        alice = {"X-API-Key": "secret-a"}
        for _ in range(2):
            assert (await client.post("/v1/rerank", json=BODY, headers=alice)).status_code == 200
        response = await client.post("/v1/rerank", content=b"{", headers=alice)
        assert (response.status_code, response.json()["error"]["type"]) == (429, "rate_limited")
        assert 1 <= int(response.headers["Retry-After"]) <= 60
        assert (await client.get("/", headers=alice)).status_code == 200
        assert (await client.post("/gradio_api/queue/join", json={}, headers=alice)).status_code == 429
        assert (await client.post("/v1/rerank", json=BODY, headers={"X-API-Key": "secret-b"})).status_code == 200
        assert 'finerank_refusals_total{reason="rate_limited"} 1.0' in (await client.get("/metrics")).text


async def test_a_key_over_its_tokens_is_refused(reranker: Reranker) -> None:
    async with calling(reranker, api_keys=KEYS, key_tokens_per_minute=10, result_cache="off") as client:
        alice = {"X-API-Key": "secret-a"}
        statuses = [(await client.post("/v1/rerank", json=BODY, headers=alice)).status_code for _ in range(4)]
        assert statuses == [200, 200, 429, 429]
        assert app_of(client).state.service.admission.calls == 0
