"""From a caller's documents to a ranking: checks, splitting, merging, what is kept and what is said."""

import math
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from finerank import AsyncClient, Client, InputError, ProviderError, Ranking
from finerank.client import Retry
from finerank.instructions import DEFAULT_INSTRUCTION

from .conftest import QUICK
from .loopback import Heard, Loopback, Say, results, scored


@pytest.fixture
def client(server: Loopback) -> Iterator[Client]:
    with Client(base_url=server.url, retry=QUICK) as made:
        yield made


def test_the_best_comes_first_with_the_callers_own_document(server: Loopback, client: Client) -> None:
    server.script = scored
    given: list[Any] = ["a 100", {"text": "b 900", "id": 7}, "c 500"]
    ranking = client.rerank("q", given)
    assert isinstance(ranking, Ranking)
    assert [(each.index, each.score) for each in ranking] == [(1, 0.9), (2, 0.5), (0, 0.1)]
    assert ranking[0].document is given[1]
    assert ranking[0].log_odds == pytest.approx(math.log(0.9 / 0.1))
    assert ranking.facts.model.kind == "remote"
    assert ranking.facts.seconds > 0


def test_a_long_list_is_asked_for_in_parts_and_merged_by_index(server: Loopback) -> None:
    server.script = scored
    given = [f"d {(index * 37) % 101}" for index in range(101)]
    with Client(base_url=server.url, max_documents_per_call=7) as client:
        ranking = client.rerank("q", given, top_n=10)
    assert [len(body["documents"]) for body in server.bodies].count(7) == 14
    assert len(server.bodies) == 15
    assert [each.document for each in ranking] == [f"d {number}" for number in range(100, 90, -1)]
    assert all(given[each.index] == each.document for each in ranking)


def test_parts_are_bounded_in_tokens_too(server: Loopback) -> None:
    server.script = scored
    given = [f"{'word ' * 60_000} {index}" for index in range(3)]
    with Client("dashscope:qwen3-rerank", base_url=f"{server.url}/compatible-api/v1", api_key="k" * 9) as client:
        client.rerank("q", given)
    assert len(server.bodies) == 3


def test_requests_under_way_are_bounded(server: Loopback) -> None:
    server.script = lambda heard: Say(scored(heard).body, late_s=0.03)
    with Client(base_url=server.url, max_documents_per_call=1, max_concurrency=3) as client:
        client.rerank("q", [f"d {index}" for index in range(12)])
    assert server.most_at_once == 3


def test_equal_texts_are_sent_once_and_tie_in_input_order(server: Loopback, client: Client) -> None:
    server.script = scored
    ranking = client.rerank("q", ["d 1", "d 2", {"text": "d 1"}, "d 2"])
    assert server.bodies[0]["documents"] == ["d 1", "d 2"]
    assert [each.index for each in ranking] == [1, 3, 0, 2]


def test_top_n_and_return_documents(server: Loopback, client: Client) -> None:
    server.script = scored
    ranking = client.rerank("q", ["d 1", "d 2", "d 3"], top_n=2, return_documents=False)
    assert [(each.index, each.document) for each in ranking] == [(2, ""), (1, "")]
    assert server.bodies[0]["top_n"] == 3  # chosen after all were scored


def test_a_document_that_is_none_fails_alone_and_is_not_sent(server: Loopback, client: Client) -> None:
    server.script = scored
    given: list[Any] = ["d 1", 5, {"title": "x"}, "lone \ud800", {"text": None}, "d 2"]
    ranking = client.rerank("q", given, top_n=1)
    assert server.bodies[0]["documents"] == ["d 1", "d 2"]
    assert [each.index for each in ranking] == [5, 1, 2, 3, 4]
    assert [bool(each.error) for each in ranking] == [False, True, True, True, True]
    assert all(math.isnan(each.score) for each in ranking[1:])


def test_if_no_document_can_be_sent_nothing_is(server: Loopback, client: Client) -> None:
    given: list[Any] = [None]
    assert client.rerank("q", given)[0].error
    assert server.heard == []


def test_blank_documents_are_kept_from_services_that_would_fail_the_whole_call(server: Loopback) -> None:
    server.script = scored
    with Client("jina:m", base_url=server.url, api_key="k" * 9) as client:
        ranking = client.rerank("q", [" ", "d 1"])
    assert server.bodies[0]["documents"] == ["d 1"]
    assert ranking[1].is_blank
    assert "was not sent" in (ranking[1].error or "")
    server.answer(Say(results(0.2)))
    with Client(base_url=server.url) as client:
        assert client.rerank("q", [" "])[0].is_blank
    assert server.bodies[1]["documents"] == [" "]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        ({"query": ""}, "the query is empty"),
        ({"query": " \n"}, "the query is empty"),
        ({"query": 5}, "the query must be a string"),
        ({"query": "\udfff"}, "lone surrogate"),
        ({"documents": "one text"}, "documents must be a list"),
        ({"documents": {"text": "a"}}, "documents must be a list"),
        ({"documents": []}, "documents is empty"),
        ({"top_n": 0}, "top_n is 0"),
        ({"top_n": True}, "top_n is True"),
        ({"instruction": 5}, "the instruction must be a string"),
        ({"instruction": "\ud83d"}, "lone surrogate"),
    ],
)
def test_calls_that_cannot_be_used_are_not_sent(
    server: Loopback, client: Client, call: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        client.rerank(**({"query": "q", "documents": ["d"]} | call))
    assert server.heard == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"provider": "nobody"}, "unknown provider 'nobody'; known: finerank, siliconflow"),
        ({"provider": "siliconflow"}, "must be told a model, such as siliconflow:Qwen/Qwen3-Reranker-8B"),
        ({"provider": "jina:a", "model": "b"}, "named twice"),
        ({"template": "maybe"}, "template is 'maybe'"),
        ({"timeout_s": 0}, "timeout_s is 0"),
        ({"timeout_s": True}, "timeout_s is True"),
        ({"max_concurrency": 0}, "max_concurrency is 0"),
        ({"max_documents_per_call": 0}, "max_documents_per_call is 0"),
        ({"requests_per_minute": 0}, "requests_per_minute is 0"),
        ({"tokens_per_minute": float("nan")}, "tokens_per_minute is nan"),
    ],
)
def test_options_that_cannot_be_used(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Client(**options)


@pytest.mark.parametrize(
    "options", [{"retries": -1}, {"retries": 1.5}, {"factor": 0.5}, {"jitter": 2}, {"first_wait_s": float("inf")}]
)
def test_retries_that_cannot_be_used(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        Retry(**options)


def test_a_score_of_0_or_1_has_finite_log_odds_at_the_ends_of_fp32(server: Loopback, client: Client) -> None:
    server.answer(Say(results(1, 0, 1e-30, 0.9999999, 1.0000002)))
    found: dict[int, Any] = {each.index: (each.score, each.log_odds) for each in client.rerank("q", list("abcde"))}
    assert found[0] == (1.0, pytest.approx(16.635532))
    assert found[1] == (0.0, pytest.approx(-87.33654))
    assert found[1][1] < found[2][1] < -69
    assert found[3][1] < found[0][1]
    assert found[4][0] == 1.0  # rounding, not a raw score


def test_scores_that_are_no_probabilities_are_taken_for_log_odds(server: Loopback, client: Client) -> None:
    server.answer(Say(results(-3.5, 0.5, 900.0)))
    ranking = client.rerank("q", list("abc"))
    assert [(each.index, each.log_odds) for each in ranking] == [(2, 900.0), (1, 0.5), (0, -3.5)]
    assert [each.score for each in ranking] == [1.0, pytest.approx(0.6224593), pytest.approx(0.02931223)]
    assert "outside 0 to 1" in ranking.facts.warnings[0]


def test_one_raw_score_in_any_part_makes_all_parts_raw(server: Loopback) -> None:
    server.answer(Say(results(0.5)), Say(results(7.0)))
    with Client(base_url=server.url, max_documents_per_call=1, max_concurrency=1) as client:
        assert sorted(each.log_odds for each in client.rerank("q", ["a", "b"])) == [0.5, 7.0]


def test_what_a_finerank_server_says_beside_the_score_arrives(server: Loopback, client: Client) -> None:
    result = {
        "index": 1,
        "relevance_score": 1.0,
        "log_odds": 31.5,
        "num_tokens": 9,
        "is_truncated": True,
        "window": [3, 8],
    }
    server.answer(
        Say(
            {
                "results": [result],
                "errors": [{"index": 0, "message": "cannot be read"}],
                "model": "Qwen/Qwen3-Reranker-4B",
                "fingerprint": "ab" * 8,
                "instruction": "find it",
                "usage": {"prompt_tokens": 50, "total_tokens": 50},
                "computed_tokens": 30,
                "warnings": ["mind the gap"],
            }
        )
    )
    ranking = client.rerank("q", ["a", "b"])
    best, failed = ranking
    assert (best.log_odds, best.num_tokens, best.is_truncated, best.window) == (31.5, 9, True, (3, 8))
    assert (failed.index, failed.error) == (0, "cannot be read")
    assert math.isnan(failed.log_odds)
    facts = ranking.facts
    assert (facts.model.name, facts.model.fingerprint, facts.instruction) == (
        "Qwen/Qwen3-Reranker-4B",
        "ab" * 8,
        "find it",
    )
    assert (facts.usage.prompt_tokens, facts.usage.computed_tokens) == (50, 30)
    assert facts.warnings == ("mind the gap",)


def test_parts_answered_by_different_models_are_warned_of(server: Loopback) -> None:
    server.answer(Say(results(0.5, fingerprint="a" * 16)), Say(results(0.5, fingerprint="b" * 16)))
    with Client(base_url=server.url, max_documents_per_call=1) as client:
        assert "do not compare" in client.rerank("q", ["a", "b"]).facts.warnings[0]


def test_an_unknown_fingerprint_is_that_of_the_question(server: Loopback) -> None:
    server.answer(Say(results(0.5)))
    options: list[dict[str, Any]] = [{}, {"model": "a"}, {"model": "a", "template": "always"}, {"provider": "jina:m"}]
    prints = set()
    for each in options:
        with Client(base_url=server.url, api_key="k" * 9, **each) as client:
            prints.add(client.rerank("q", ["d"]).facts.model.fingerprint)
    assert len(prints) == 4
    assert all(len(each) == 16 and int(each, 16) >= 0 for each in prints)


def test_several_threads_share_a_client(server: Loopback, client: Client) -> None:
    server.script = scored
    with ThreadPoolExecutor(8) as pool:
        rankings = list(pool.map(lambda number: client.rerank("q", [f"d {number}", "d 0"]), range(1, 40)))
    assert [ranking[0].document for ranking in rankings] == [f"d {number}" for number in range(1, 40)]


def test_a_closed_client_says_so_and_leaves_no_thread(server: Loopback) -> None:
    client = Client(base_url=server.url)
    client.close()
    client.close()
    with pytest.raises(ProviderError, match="closed"):
        client.rerank("q", ["d 1"])
    assert not [thread for thread in threading.enumerate() if thread.name == "finerank-client"]


def test_closing_ends_calls_that_wait(server: Loopback) -> None:
    server.answer(Say(results(0.5), late_s=30))
    client = Client(base_url=server.url)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.rerank, "q", ["d"])
        while not server.heard:
            time.sleep(0.005)
        client.close()
        with pytest.raises(ProviderError, match="closed before"):
            waiting.result(5)


def test_a_forgotten_client_ends_its_thread(server: Loopback) -> None:
    server.script = scored
    Client(base_url=server.url).rerank("q", ["d 1"])
    assert not [thread for thread in threading.enumerate() if thread.name == "finerank-client"]


async def test_the_async_client_is_the_same(server: Loopback) -> None:
    server.script = scored
    async with AsyncClient(base_url=server.url) as client:
        ranking = await client.rerank("q", ["d 1", "d 2"])
    assert [each.index for each in ranking] == [1, 0]


async def test_the_first_failure_ends_the_other_requests_of_the_call(server: Loopback) -> None:
    def script(heard: Heard) -> Say:
        return (
            Say({"message": "no"}, status=400) if heard.body["documents"] == ["bad"] else Say(results(0.5), late_s=30)
        )

    server.script = script
    started = time.monotonic()
    async with AsyncClient(base_url=server.url, max_documents_per_call=1) as client:
        with pytest.raises(ProviderError, match="finerank answered 400") as caught:
            await client.rerank("q", ["slow", "bad", "slow too"])
    assert caught.value.status == 400
    assert time.monotonic() - started < 5


def test_the_info_is_known_without_asking() -> None:
    with Client("siliconflow:Qwen/Qwen3-Reranker-8B", api_key="k" * 9) as client:
        info = client.info
    assert (info.name, info.kind, info.device) == ("Qwen/Qwen3-Reranker-8B", "remote", "siliconflow")
    assert info.default_instruction == DEFAULT_INSTRUCTION
