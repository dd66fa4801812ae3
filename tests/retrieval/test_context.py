from collections.abc import Sequence

import pytest

from finerank.errors import InputError
from finerank.retrieval.context import context_block

from .hits import hit, result

FIRST = "Alarm E07 means a missing signal. Check the plug of the sensor. Then replace the cable."
SECOND = "Then replace the cable. If the alarm stays, replace the sensor itself."


def count(texts: Sequence[str]) -> list[int]:
    """A token is a word."""
    return [len(text.split()) for text in texts]


def test_numbered_with_title_source_and_page() -> None:
    found = [
        hit("One.", 1, source="manuals/pump.pdf", title="Pump P3", page=7),
        hit("Two.", 2, source="notes/shift.txt", title="shift.txt"),
        hit("Three.", 3, source="b.pdf", title="", page=2, last_page=3),
    ]
    assert context_block(result(found), 100, count) == (
        "[1] Pump P3, manuals/pump.pdf, page 7\nOne.\n\n[2] notes/shift.txt\nTwo.\n\n[3] b.pdf, pages 2-3\nThree."
    )


def test_neighbours_become_one_passage_in_reading_order_without_the_overlap() -> None:
    found = [
        hit(SECOND, 1, document_id="a", position=4, page=8),
        hit("Elsewhere.", 2),
        hit(FIRST, 3, document_id="a", position=3, page=7),
        hit("Far away.", 4, document_id="a", position=9, page=20),
    ]
    block = context_block(result(found), 200, count)
    assert block.startswith(f"[1] a.pdf, pages 7-8\n{FIRST} If the alarm stays, replace the sensor itself.\n\n[2] ")
    assert "[3] a.pdf, page 20\nFar away." in block


def test_a_passage_between_two_joins_them() -> None:
    found = [hit(text, place, document_id="a", position=place) for place, text in ((1, "A."), (3, "C."), (2, "B."))]
    assert context_block(result(found), 50, count) == "[1] a.pdf\nA.\nB.\nC."


@pytest.mark.parametrize("budget", range(9, 40))
def test_the_budget_holds_and_no_sentence_is_cut(budget: int) -> None:
    block = context_block(result([hit(FIRST, 1), hit("Other words here. And more words. The end.", 2)]), budget, count)
    assert count([block])[0] <= budget
    for passage in block.split("\n\n"):
        assert passage.endswith((".", ". …"))
    if budget < 17:
        assert block.endswith(" …")


def test_nothing_found() -> None:
    assert context_block(result([]), 10, count) == ""


def test_a_budget_for_less_than_a_sentence() -> None:
    with pytest.raises(InputError, match=r"context_tokens is 5 and the first sentence .* needs 9; give at least"):
        context_block(result([hit(FIRST)]), 5, count)


def test_each_passage_is_counted_once() -> None:
    counted: list[str] = []

    def counting(texts: Sequence[str]) -> list[int]:
        counted.extend(texts)
        return count(texts)

    context_block(result([hit("Some words.", place) for place in range(1, 101)]), 10_000, counting)
    assert len(counted) == 101
