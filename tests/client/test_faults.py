"""What goes wrong on the way: which failures are tried again, which are not, and what the caller is told."""

import asyncio
import logging
import re
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from finerank import AsyncClient, AuthenticationError, Client, ProviderError, RateLimitError, UnreachableError
from finerank.client import Retry
from finerank.client.failures import retry_after_s

from .conftest import QUICK
from .loopback import Loopback, Say, results, scored

KEY = "sk-3f9a8b7c6d5e4f3a2b1c"
GOOD = Say(results(0.5))


def ask(server: Loopback, **options: Any) -> Any:
    given: dict[str, Any] = {"base_url": server.url, "retry": QUICK, **options}
    with Client(**given) as client:
        return client.rerank("the query", ["the document"])


@pytest.mark.parametrize(
    "fault",
    [
        Say({"error": {"message": "busy"}}, status=429),
        Say({"detail": "oops"}, status=500),
        Say(b"<html>bad gateway</html>", status=502),
        Say({}, status=503),
        Say(results(0.9), cut_at=-1),
        Say(results(0.9), cut_at=20),
    ],
    ids=["429", "500", "502", "503", "cut before", "cut mid-body"],
)
def test_what_may_pass_is_tried_again(server: Loopback, fault: Say) -> None:
    server.answer(fault, fault, GOOD)
    assert ask(server)[0].score == 0.5
    assert len(server.heard) == 3
    assert server.bodies[0] == server.bodies[2]


def test_a_late_answer_is_tried_again(server: Loopback) -> None:
    server.answer(Say(results(0.9), late_s=5), GOOD)
    assert ask(server, timeout_s=0.1)[0].score == 0.5


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 409, 413, 418, 422, 424])
def test_what_will_not_pass_is_not_tried_again(server: Loopback, status: int) -> None:
    server.answer(Say({"message": "no"}, status=status))
    with pytest.raises(ProviderError, match=f"finerank answered {status} .no.; ") as caught:
        ask(server)
    assert caught.value.status == status
    assert isinstance(caught.value, AuthenticationError) == (status in (401, 403))
    assert len(server.heard) == 1


def test_the_last_failure_is_told_after_the_last_try(server: Loopback) -> None:
    server.answer(Say({"message": "slow down"}, status=429))
    with pytest.raises(RateLimitError, match=r"429 \(slow down\); .*requests_per_minute.*\(after 4 tries\)") as caught:
        ask(server)
    assert caught.value.status == 429
    assert len(server.heard) == 4
    server.heard.clear()
    with pytest.raises(RateLimitError):
        ask(server, retry=Retry(retries=0))
    assert len(server.heard) == 1


def test_nobody_at_home(server: Loopback) -> None:
    with pytest.raises(
        UnreachableError, match=r"finerank at http://127\.0\.0\.1:1/v1/rerank could not be reached"
    ) as caught:
        ask(server, base_url="http://127.0.0.1:1")
    assert caught.value.status is None


def test_too_late_each_time(server: Loopback) -> None:
    server.answer(Say(results(0.9), late_s=9))
    with pytest.raises(UnreachableError, match=r"did not answer within 0\.05 s; raise timeout_s"):
        ask(server, timeout_s=0.05)


async def test_a_server_that_drips_is_late_too() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await asyncio.sleep(0.01)
        writer.transport.abort()

    listening = await asyncio.start_server(drip, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    async with AsyncClient(base_url=url, timeout_s=0.2, retry=Retry(retries=0)) as client:
        with pytest.raises(UnreachableError):
            await client.rerank("q", ["d"])
    await asyncio.sleep(0.1)
    listening.close()


def test_waits_double_from_the_first_and_vary_by_a_tenth() -> None:
    for tries, expected in ((1, 1.0), (2, 2.0), (3, 4.0), (20, 60.0)):
        waits = [Retry().wait_s(tries) for _ in range(200)]
        assert 0.9 * expected <= min(waits) < max(waits) <= 1.1 * expected
    assert [Retry(first_wait_s=0.5, factor=3, jitter=0).wait_s(tries) for tries in (1, 2, 3)] == [0.5, 1.5, 4.5]
    assert Retry(factor=10, longest_wait_s=7, jitter=0).wait_s(10**6) == 7


def test_retry_after_is_waited_for(server: Loopback) -> None:
    server.answer(Say({}, status=429, headers={"retry-after": "0.3"}), GOOD)
    started = time.monotonic()
    ask(server)
    assert 0.3 <= time.monotonic() - started < 2


def test_retry_after_may_be_a_date(server: Loopback) -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    server.answer(Say({}, status=503, headers={"retry-after": until}), GOOD)
    started = time.monotonic()
    ask(server)
    assert 0.5 <= time.monotonic() - started < 4


def test_a_retry_after_that_is_too_far_off_fails_at_once(server: Loopback) -> None:
    server.answer(Say({}, status=429, headers={"retry-after": "3600"}))
    with pytest.raises(RateLimitError, match=r"it asks for a wait of 3,600 s, longest_wait_s is 60"):
        ask(server)
    assert len(server.heard) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 0 "}, 0.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "٣"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:30 GMT", "date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:30 -0000", "date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 30.0),
    ],
)
def test_retry_after_is_read(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds


BROKEN = [
    (b"<html>login</html>", "it is not JSON"),
    (b"", "it is not JSON"),
    (b"[" * 100_000, "it is not JSON"),
    ({"answer": 42}, "it has no list of results, but is an object with answer"),
    ({"code": "InvalidApiKey", "message": "who are you"}, "it has no list of results, but says: who are you"),
    ("results", "it has no list of results"),
    ({"results": {"0": 1}}, "it has no list of results"),
    ({"results": []}, "2 documents were sent and 0 came back; the first without a score is 0"),
    ({"results": [5, 6]}, r"results\[0\] is 5, not an object"),
    ({"results": [{"relevance_score": 0.5}]}, r"results\[0\] has no index; it has relevance_score"),
    ({"results": [{"index": 0}]}, r"results\[0\] has no score"),
    ({"results": [{"index": "0", "score": 0.5}]}, r"results\[0\].index is a string, not a whole number"),
    ({"results": [{"index": 0.0, "score": 0.5}]}, r"results\[0\].index is 0.0, not a whole number"),
    ({"results": [{"index": True, "score": 0.5}]}, r"results\[0\].index is true, not a whole number"),
    ({"results": [{"index": 2, "score": 0.5}]}, r"results\[0\].index is 2, but 2 documents were sent"),
    ({"results": [{"index": -1, "score": 0.5}]}, r"results\[0\].index is -1, but"),
    ({"results": [{"index": 1, "score": 0.5}] * 2}, r"results\[1\] has index 1, which another one has already"),
    ({"results": [{"index": 1, "score": 0.5}]}, "the first without a score is 0"),
    ({"results": [{"index": 0, "score": "0.5"}]}, r"results\[0\].score is a string, not a number"),
    ({"results": [{"index": 0, "score": None}]}, r"results\[0\].score is null, not a number"),
    ({"results": [{"index": 0, "score": False}]}, r"results\[0\].score is false, not a number"),
    ({"results": [{"index": 0, "score": [0.5]}]}, r"results\[0\].score is a list, not a number"),
    (b'{"results": [{"index": 0, "score": NaN}]}', "not a finite number"),
    (b'{"results": [{"index": 0, "score": 1e999}]}', "not a finite number"),
    (b'{"results": [{"index": 0, "score": 1' + b"0" * 400 + b"}]}", "not a finite number"),
    ({"results": [{"index": 0, "score": 0.5, "log_odds": "x"}]}, "log_odds is a string"),
    ({"results": [{"index": 0, "score": 0.5}], "errors": [{"index": 0}]}, r"errors\[0\] has index 0, which another"),
    ({"results": [{"index": 0, "score": 0.5}], "errors": ["x"]}, r"errors\[0\] is a string, not an object"),
    (
        {"results": [{"index": 0, "score": 0.5, "document": {"text": "two"}}, {"index": 1, "score": 0.1}]},
        r"results\[0\] has index 0 and the text of document 1",
    ),
]


@pytest.mark.parametrize(("body", "sentence"), BROKEN, ids=range(len(BROKEN)))
def test_an_answer_in_doubt_is_refused(server: Loopback, body: Any, sentence: str) -> None:
    server.answer(Say(body))
    with Client(base_url=server.url, retry=QUICK) as client, pytest.raises(ProviderError, match=sentence) as caught:
        client.rerank("q", ["one", "two"])
    assert str(caught.value).startswith("finerank gave an answer (200) that cannot be used: ")
    assert caught.value.status == 200
    assert len(server.heard) == 1


def test_shuffled_results_are_put_in_order(server: Loopback) -> None:
    listed = [{"index": index, "relevance_score": index / 10} for index in (3, 0, 4, 1, 2)]
    server.answer(Say({"results": listed}))
    with Client(base_url=server.url) as client:
        ranking = client.rerank("q", list("abcde"))
    assert [each.document for each in ranking] == list("edcba")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"error": {"message": "too long", "type": "x", "code": 400}}, "too long"),
        ({"object": "error", "message": "too long", "code": 400}, "too long"),
        ({"error": "too long", "error_type": "Validation"}, "too long"),
        ({"detail": "too long"}, "too long"),
        ({"detail": [{"loc": ["body"], "msg": "too long"}, {"msg": "no query"}]}, "too long; no query"),
        ({"id": "1", "message": "too long"}, "too long"),
        ({"code": "InvalidParameter", "message": "too long"}, "too long"),
        ("too long", "too long"),
        (b"too\x1b[2J\r\n long", "too [2J long"),
        ({"message": "x" * 1000}, "x" * 297 + "..."),
    ],
)
def test_the_providers_own_sentence_is_told(server: Loopback, body: Any, sentence: str) -> None:
    server.answer(Say(body, status=400))
    with pytest.raises(ProviderError, match=re.escape(f"finerank answered 400 ({sentence}); ")):
        ask(server)


@pytest.mark.parametrize("body", [b"<!doctype html><p>oops", {}, None, b"", {"error": {}}])
def test_an_error_without_a_sentence(server: Loopback, body: Any) -> None:
    server.answer(Say(body, status=400))
    with pytest.raises(ProviderError, match="finerank answered 400; "):
        ask(server)


def test_a_redirect_is_not_followed(server: Loopback) -> None:
    with Loopback().running() as elsewhere:
        elsewhere.answer(GOOD)
        for status in (301, 302, 307, 308):
            server.answer(Say({}, status=status, headers={"location": f"{elsewhere.url}/v1/rerank"}))
            with pytest.raises(ProviderError, match=f"answered {status}; redirects are not followed"):
                ask(server, api_key=KEY)
        assert elsewhere.heard == []


def test_the_key_is_sent_and_never_shown(server: Loopback, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.answer(
        Say({"message": f"wrong key {KEY}"}, status=503),
        Say({"message": "x" * 285 + f" wrong key {KEY}"}, status=401),
    )
    with Client(base_url=server.url, api_key=f" {KEY}\n", retry=QUICK) as client:
        assert KEY not in repr(client) + repr(vars(client)) + repr(vars(client._client))
        with pytest.raises(AuthenticationError) as caught:
            client.rerank("q", ["d"])
    assert server.heard[0].headers["authorization"] == f"Bearer {KEY}"
    error: BaseException | None = caught.value
    while error is not None:
        assert KEY[:8] not in f"{error!s} {error!r}"
        error = error.__cause__ or error.__context__
    assert KEY[:8] not in caplog.text
    assert "trying again" in caplog.text
    assert "wrong key" not in caplog.text


def test_without_a_key_none_is_sent(server: Loopback) -> None:
    server.answer(GOOD)
    ask(server)
    assert "authorization" not in server.heard[0].headers


def test_queries_and_documents_are_not_logged(server: Loopback, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "finerank")
    server.answer(Say({"message": "the query is odd"}, status=500), GOOD)
    ask(server)
    assert "the query" not in caplog.text
    assert "the document" not in caplog.text


async def test_requests_keep_to_the_rate(server: Loopback) -> None:
    server.script = scored
    async with AsyncClient(base_url=server.url, max_documents_per_call=1, requests_per_minute=600) as client:
        started = time.monotonic()
        await client.rerank("q", [f"d {index}" for index in range(64)])
        # 60 may go at once; the other 4 follow at 541 a minute.
        assert 0.4 <= time.monotonic() - started < 3


async def test_retries_count_for_the_rate(server: Loopback) -> None:
    server.answer(Say({}, status=500), Say({}, status=500), GOOD)
    async with AsyncClient(base_url=server.url, retry=QUICK, requests_per_minute=7) as client:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.rerank("q", ["d"]), 0.3)
    assert len(server.heard) == 1


async def test_tokens_keep_to_the_rate(server: Loopback) -> None:
    server.script = scored
    async with AsyncClient(base_url=server.url, max_documents_per_call=1, tokens_per_minute=60_000) as client:
        started = time.monotonic()
        await client.rerank("q", [f"{'x' * 9_000} {index}" for index in range(2)])
        # 6,000 tokens may go at once, and some 900 follow in a second.
        assert time.monotonic() - started < 0.3
        await client.rerank("q", [f"{'x' * 1_800} 3"])
        assert 0.3 <= time.monotonic() - started < 3
