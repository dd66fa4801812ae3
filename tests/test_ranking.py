import math

import pytest

from finerank.errors import InputError
from finerank.ranking import check_options, order, select
from finerank.types import RankedDocument


def _document(index: int, log_odds: float, error: str | None = None) -> RankedDocument:
    score = math.nan if error else 1 / (1 + math.exp(-log_odds))
    return RankedDocument(index, f"text {index}", score, log_odds, error=error)


def test_order_breaks_ties_by_index_and_puts_failures_last() -> None:
    documents = [_document(0, math.nan, "x"), _document(1, 2.0), _document(2, 5.0), _document(3, 2.0)]
    assert [each.index for each in order(documents)] == [2, 1, 3, 0]


def test_saturated_scores_are_ordered_by_log_odds() -> None:
    documents = [_document(0, 40.0), _document(1, 50.0)]
    assert documents[0].score == documents[1].score == 1.0
    assert [each.index for each in order(documents)] == [1, 0]


def test_select_keeps_failures_beside_the_best() -> None:
    documents = order([_document(0, -1.0), _document(1, 1.0), _document(2, 0.1), _document(3, math.nan, "x")])
    assert [each.index for each in select(documents, top_n=1)] == [1, 3]
    assert [each.index for each in select(documents, min_score=0.5)] == [1, 2, 3]
    assert [each.index for each in select(documents, top_n=9)] == [1, 2, 0, 3]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_n": 0}, "top_n is 0"),
        ({"top_n": True}, "top_n is True"),
        ({"top_n": 1.5}, "top_n is 1.5"),
        ({"min_score": 1.5}, "min_score is 1.5"),
        ({"min_score": math.nan}, "min_score is nan"),
        ({"batch_size": -1}, "batch_size is -1"),
        ({"batch_size": "8"}, "batch_size is '8'"),
    ],
)
def test_bad_options_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_options(**({"top_n": None, "min_score": None, "batch_size": 0} | options))  # type: ignore[arg-type]
