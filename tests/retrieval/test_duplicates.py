import random
import time

import pytest

from finerank.retrieval.duplicates import collapse

from .hits import hit, hits, ids

WORDS = [f"word{chr(97 + a)}{chr(97 + b)}" for a in range(20) for b in range(20)]


def text(seed: int, length: int = 300) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=length))


def with_change(original: str, place: int, word: str) -> str:
    words = original.split()
    words[place] = word
    return " ".join(words)


def test_the_best_placed_stays_and_names_the_others() -> None:
    first = text(1)
    found = hits([text(0), first, with_change(first, 7, "other"), first.replace(" ", "\n"), text(2)])
    kept = collapse(found, 0.95)
    assert ids(kept) == ["chunk-1", "chunk-2", "chunk-5"]
    assert sorted(kept[1].duplicates) == ["chunk-3", "chunk-4"]
    assert found[1].duplicates == ()


def test_a_stricter_threshold_keeps_more() -> None:
    first = text(1, 40)
    found = hits([first, with_change(first, 20, "other")])
    assert len(collapse(found, 0.8)) == 1
    assert len(collapse(found, 0.95)) == 2
    assert len(collapse(found, 1.0)) == 2


def test_one_code_is_a_difference() -> None:
    """Two pages of a manual that differ in the alarm's number alone."""
    first = with_change(text(1), 150, "E07")
    assert len(collapse(hits([first, with_change(first, 150, "E08")]), 0.9)) == 2


def test_a_thousand_pages_of_one_form_take_no_time() -> None:
    """All alike, each with a code of its own: once the square of their number was computed, in minutes."""
    first = text(1)
    found = hits([with_change(first, 150, f"E{number}") for number in range(1000)])
    started = time.perf_counter()
    assert len(collapse(found, 0.9)) == 1000
    assert len(collapse(hits([with_change(first, number % 300, "x") for number in range(1000)]), 0.9)) == 1
    assert time.perf_counter() - started < 2.5


def test_chinese() -> None:
    clause = "劳动者在竞业限制期限内不得到与本单位生产或者经营同类产品的其他用人单位工作" * 4
    found = hits([clause, clause.replace("单位工作", "单位就职", 1), "".join(reversed(clause))])
    assert ids(collapse(found, 0.8)) == ["chunk-1", "chunk-3"]


def test_equal_texts_without_words_collapse_and_different_ones_do_not() -> None:
    assert ids(collapse(hits(["---", "***", " --- ", "", ""]), 0.95)) == ["chunk-1", "chunk-2", "chunk-4"]


def test_what_was_collapsed_before_is_kept_in_mind() -> None:
    found = [hit("a b c d", 1), hit("a b c d", 2, duplicates=("earlier",))]
    assert collapse(found, 1.0)[0].duplicates == ("chunk-2", "earlier")


@pytest.mark.parametrize("found", [[], hits(["a"])])
def test_nothing_to_compare(found: list[object]) -> None:
    assert collapse(found, 0.95) == found  # type: ignore[arg-type]
