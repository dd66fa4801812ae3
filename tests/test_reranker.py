"""The one object that every front calls, on a tiny random Qwen3 and on the embedded model."""

import asyncio
import gc
import math
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finerank import PRESETS, FinerankWarning, InputError, Reranker, TooLongError
from finerank.engine.facts import BatchFacts
from finerank.errors import EngineError
from finerank.scores import FloatArray
from tests.conftest import SCRIPTS

DOCUMENTS = list(SCRIPTS.values())


@pytest.fixture(scope="module")
def reranker(tiny_qwen3: Path) -> Iterator[Reranker]:
    with Reranker(str(tiny_qwen3), dtype="float32", self_test="off") as reranker:
        yield reranker


def test_rank_orders_by_log_odds(reranker: Reranker) -> None:
    ranking = reranker.rank("a fox", DOCUMENTS)
    log_odds = reranker.log_odds([("a fox", document) for document in DOCUMENTS])
    assert [each.index for each in ranking] == np.argsort(-log_odds, kind="stable").tolist()
    for each in ranking:
        assert each.document == DOCUMENTS[each.index]
        assert each.score == pytest.approx(1 / (1 + math.exp(-each.log_odds)), abs=1e-6)
        assert each.error is None
        assert each.num_tokens > 0
    facts = ranking.facts
    assert facts.model == reranker.info
    assert facts.instruction == PRESETS["web"]
    assert facts.usage.cached_tokens > 0
    assert facts.seconds > 0


def test_ties_keep_input_order(reranker: Reranker) -> None:
    assert [each.index for each in reranker.rank("a fox", ["same text"] * 6)] == list(range(6))


def test_equal_documents_are_computed_once_and_tie_exactly(reranker: Reranker) -> None:
    ranking = reranker.rank("a fox", [*DOCUMENTS, *DOCUMENTS])
    by_index = {each.index: each.log_odds for each in ranking}
    for index in range(len(DOCUMENTS)):
        assert by_index[index] == by_index[index + len(DOCUMENTS)]
    once = reranker.rank("a fox", DOCUMENTS).facts.usage
    assert ranking.facts.usage.prompt_tokens == 2 * once.prompt_tokens
    assert ranking.facts.usage.computed_tokens <= once.computed_tokens + 1


def test_top_n_and_min_score(reranker: Reranker) -> None:
    ranking = reranker.rank("a fox", DOCUMENTS)
    assert [each.index for each in reranker.rank("a fox", DOCUMENTS, top_n=3)] == [each.index for each in ranking[:3]]
    limit = (ranking[4].score + ranking[5].score) / 2
    assert len(reranker.rank("a fox", DOCUMENTS, min_score=limit)) == 5
    assert len(reranker.rank("a fox", DOCUMENTS, top_n=100)) == len(DOCUMENTS)


def test_the_instruction_matters_and_is_told(reranker: Reranker) -> None:
    web = reranker.rank("a fox", DOCUMENTS[:3])
    code = reranker.rank("a fox", DOCUMENTS[:3], instruction=PRESETS["code"])
    assert code.facts.instruction == PRESETS["code"]
    assert {each.index: each.log_odds for each in web} != {each.index: each.log_odds for each in code}


def test_mappings_come_back_untouched(reranker: Reranker) -> None:
    documents = [{"text": "a fox", "id": 7, "tags": ["x"]}, "a dog"]
    by_index = {each.index: each for each in reranker.rank("a fox", documents)}
    assert by_index[0].document is documents[0]
    assert by_index[0].text == "a fox"
    assert documents == [{"text": "a fox", "id": 7, "tags": ["x"]}, "a dog"]


def test_bad_documents_fail_alone(reranker: Reranker) -> None:
    documents: list[Any] = ["good", 5, "lone \ud800", {"body": "x"}, None, "", " \n\t", "also good"]
    ranking = reranker.rank("a fox", documents)
    by_index = {each.index: each for each in ranking}
    assert len(by_index) == len(documents)
    failed = [each.index for each in ranking[-4:]]
    assert failed == [1, 2, 3, 4]
    for index in failed:
        assert math.isnan(by_index[index].score)
        assert by_index[index].error
    assert "U+D800" in (by_index[2].error or "")
    assert "needs the key 'text'; it has ['body']" in (by_index[3].error or "")
    alone = reranker.log_odds([("a fox", "good")])[0]
    assert by_index[0].log_odds == pytest.approx(float(alone), abs=1e-5)
    assert [by_index[index].is_blank for index in (0, 5, 6)] == [False, True, True]
    assert math.isfinite(by_index[5].score)


def test_pairs_that_fail_are_nan_and_warned_about(reranker: Reranker) -> None:
    pairs: Any = [("a fox", "good"), ("a fox", 3), ("a dog", "good")]
    with pytest.warns(FinerankWarning, match="pair 1 has no score: the document must be a string, not int"):
        scores = reranker.score(pairs)
    assert np.isnan(scores).tolist() == [False, True, False]
    assert scores.dtype == np.float32


@pytest.mark.parametrize(
    ("query", "documents", "message"),
    [
        ("", ["a"], "the query is empty"),
        (" \n", ["a"], "the query is empty"),
        ("q\udcff", ["a"], r"U\+DCFF"),
        (None, ["a"], "the query must be a string, not NoneType"),
        ("q", [], "documents is empty"),
        ("q", "one string", "documents must be a list, not str"),
        ("q", None, "documents must be a list, not NoneType"),
        ("q", {"text": "a"}, "documents must be a list, not dict"),
    ],
)
def test_bad_calls_are_input_errors(reranker: Reranker, query: Any, documents: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        reranker.rank(query, documents)


@pytest.mark.parametrize(("instruction", "message"), [(5, "not int"), ("x\ud800", r"the instruction has .*U\+D800")])
def test_bad_instructions_are_input_errors(reranker: Reranker, instruction: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        reranker.rank("q", ["a"], instruction=instruction)
    with pytest.raises(InputError, match=message):
        reranker.score([("q", "a")], instruction=instruction)


def test_bad_pairs_are_input_errors(reranker: Reranker) -> None:
    for pairs in (["ab"], [("q",)], [("", "d")], [], "ab", [5]):
        with pytest.raises(InputError):
            reranker.score(pairs)  # type: ignore[arg-type]


def test_unknown_options_are_refused(reranker: Reranker) -> None:
    with pytest.raises(TypeError, match="top_k"):
        reranker.rank("q", ["a"], top_k=3)  # type: ignore[call-arg]


def test_too_long_query_and_huge_document(reranker: Reranker) -> None:
    with pytest.raises(TooLongError, match="max_length is 8192"):
        reranker.rank("fox " * 9000, ["a"])
    (huge,) = reranker.rank("a fox", ["x " * 500_000])
    assert huge.is_truncated
    assert huge.num_tokens >= 500_000
    assert math.isfinite(huge.score)


def test_truncated_documents_are_flagged(tiny_qwen3: Path) -> None:
    with Reranker(str(tiny_qwen3), dtype="float32", max_length=256, self_test="off") as reranker:
        flags = {each.index: each.is_truncated for each in reranker.rank("a fox", ["short", "long " * 400])}
    assert flags == {0: False, 1: True}


@pytest.mark.parametrize("chunk_tokens", [None, 40])
def test_chunks_take_the_best_window(tiny_qwen3: Path, chunk_tokens: int | None) -> None:
    text = " ".join(DOCUMENTS)
    with Reranker(
        str(tiny_qwen3), dtype="float32", max_length=256, self_test="off", long_documents="chunk",
        chunk_tokens=chunk_tokens,
    ) as reranker:  # fmt: skip
        by_index = {each.index: each for each in reranker.rank("a fox", [text, "short", ""])}
        windows = reranker.model.windows("a fox", text, None, chunk_tokens, 0.125)
        scores = reranker.log_odds([("a fox", text[start:end]) for start, end in windows])
    assert by_index[0].log_odds == pytest.approx(float(scores.max()), abs=1e-5)
    assert by_index[0].window == windows[int(scores.argmax())]
    assert not by_index[0].is_truncated
    assert by_index[1].window is None


async def test_async_twins_give_the_same(reranker: Reranker) -> None:
    pairs = [("a fox", document) for document in DOCUMENTS]
    ranking, log_odds, scores = await asyncio.gather(
        reranker.arank("a fox", DOCUMENTS, top_n=4), reranker.alog_odds(pairs), reranker.ascore(pairs)
    )
    expected = reranker.log_odds(pairs)
    assert log_odds == pytest.approx(expected, abs=1e-5)
    assert scores == pytest.approx(1 / (1 + np.exp(-expected)), abs=1e-5)
    assert [each.index for each in ranking] == np.argsort(-expected, kind="stable")[:4].tolist()


async def test_a_cancelled_call_leaves_the_queue(reranker: Reranker) -> None:
    many = [f"{number} {document}" for number in range(200) for document in DOCUMENTS]
    call = asyncio.create_task(reranker.arank("a fox", many))
    await asyncio.sleep(0.2)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    ranking = await asyncio.wait_for(reranker.arank("a fox", DOCUMENTS[:2]), 5)
    assert len(ranking) == 2


def test_many_threads_share_one_reranker(reranker: Reranker) -> None:
    expected = {query: reranker.log_odds([(query, document) for document in DOCUMENTS]) for query in "abcdef"}
    wrong: list[str] = []

    def work(query: str) -> None:
        for each in reranker.rank(query, DOCUMENTS):
            if abs(each.log_odds - expected[query][each.index]) > 1e-5:
                wrong.append(query)

    threads = [threading.Thread(target=work, args=(query,)) for query in "abcdef" * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_progress_reaches_the_end(reranker: Reranker) -> None:
    seen: list[tuple[int, int]] = []
    reranker.rank("a fox", DOCUMENTS, on_progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(DOCUMENTS), len(DOCUMENTS))


def test_closing(tiny_qwen3: Path) -> None:
    reranker = Reranker(str(tiny_qwen3), dtype="float32", self_test="off")
    reranker.close()
    reranker.close()
    with pytest.raises(EngineError, match="is closed"):
        reranker.rank("q", ["a"])


def test_a_forgotten_reranker_leaves_no_thread(tiny_qwen3: Path) -> None:
    before = threading.active_count()
    reranker = Reranker(str(tiny_qwen3), dtype="float32", self_test="off")
    assert threading.active_count() == before + 1
    del reranker
    gc.collect()
    assert threading.active_count() == before


TUTORIALS = [
    (
        "Explain gradient descent",
        [
            "The stock market fell sharply on Monday after weak earnings.",
            "Gradient descent is an optimisation method that moves parameters step by step against the gradient.",
            "Mountain descents are hard on the knees; use poles.",
        ],
        1,
    ),
    (
        "How to write an asynchronous web crawler in Python?",
        [
            "Use requests in a for loop and parse every page with BeautifulSoup, one after the other.",
            "pandas.DataFrame.groupby splits a table into groups and applies a function to each.",
            "With asyncio and aiohttp a crawler fetches many web pages concurrently in asynchronous Python.",
        ],
        2,
    ),
    (
        "How do I read a large CSV file in Python without running out of memory?",
        [
            "Read a large CSV file in chunks: pandas.read_csv(path, chunksize=100_000) keeps memory use low.",
            "A CSV file separates values with commas.",
            "Python was first released in 1991 by Guido van Rossum.",
        ],
        0,
    ),
]


@pytest.mark.parametrize(("query", "documents", "best"), TUTORIALS)
def test_the_embedded_model_ranks_the_tutorials(query: str, documents: list[str], best: int) -> None:
    with Reranker(self_test="off") as reranker:
        assert reranker.rank(query, documents)[0].index == best


def test_a_small_call_let_through_between_layers_changes_no_score(tiny_qwen3: Path) -> None:
    large = [f"document {number} about the brown fox" for number in range(60)]
    small = ["a lazy dog", "the quick brown fox"]
    with Reranker(str(tiny_qwen3), dtype="float32", self_test="off") as reranker:
        alone = [reranker.log_odds([(query, text) for text in texts]) for query, texts in (("f", large), ("d", small))]
        let_through = reranker.model.on_pause
        assert let_through is not None
        passing: list[Future[FloatArray]] = []
        facts: list[BatchFacts] = []
        reranker.on_batch = facts.append

        def pause() -> None:
            if not passing:
                passing.append(pool.submit(reranker.log_odds, [("d", text) for text in small]))
                time.sleep(0.2)  # until it waits in the queue
            let_through()

        reranker.model.on_pause = pause
        with ThreadPoolExecutor(1) as pool:
            together = reranker.log_odds([("f", text) for text in large])
            assert np.abs(together - alone[0]).max() < 1e-5
            assert np.abs(passing[0].result(10) - alone[1]).max() < 1e-5
    assert [each.is_urgent for each in facts] == [True, False]


def test_assess_answers_in_input_order_with_facts(reranker: Reranker) -> None:
    pairs = [("a fox", DOCUMENTS[0]), ("a dog", {"text": DOCUMENTS[1], "id": 7}), ("a fox", DOCUMENTS[2])]
    judged = reranker.assess(pairs)
    assert [each.index for each in judged] == [0, 1, 2]
    assert judged[1].document == {"text": DOCUMENTS[1], "id": 7}
    expected = [reranker.rank(query, [document])[0].log_odds for query, document in pairs]
    assert [each.log_odds for each in judged] == pytest.approx(expected, abs=1e-5)
    assert judged.facts.usage.prompt_tokens > judged.facts.usage.computed_tokens > 0
    assert judged.facts.encode_seconds > 0


def test_documents_are_read_up_to_max_document_tokens(reranker: Reranker) -> None:
    long, short = "a quick brown fox jumps over the lazy dog " * 20, "a fox"
    ranking = {each.index: each for each in reranker.rank("a fox", [long, short], max_document_tokens=30)}
    whole = {each.index: each for each in reranker.rank("a fox", [long, short])}
    assert (ranking[0].is_truncated, ranking[1].is_truncated) == (True, False)
    assert ranking[0].num_tokens == whole[0].num_tokens > 30
    assert ranking[0].log_odds != whole[0].log_odds
    (beginning,) = reranker.rank("a fox", [long[: len(long) // 2]], max_document_tokens=30)
    assert ranking[0].log_odds == pytest.approx(beginning.log_odds, abs=1e-6)
    with pytest.raises(InputError, match="max_document_tokens is 0"):
        reranker.rank("a fox", [short], max_document_tokens=0)


def test_truncation_can_be_refused(tiny_qwen3: Path) -> None:
    with Reranker(str(tiny_qwen3), dtype="float32", self_test="off", max_length=200) as reranker:
        documents = ["a fox", "a quick brown fox " * 100]
        assert reranker.rank("f", documents[:1], truncate=False)[0].error is None
        with pytest.raises(TooLongError, match=r"document 1 has \d+ tokens, more than .* max_length 200"):
            reranker.rank("f", documents, truncate=False)
