import pytest

from finerank.retrieval.fusion import RRF_K, codes_of, fuse, reciprocal_rank_fusion
from finerank.retrieval.types import Chunk, Found


def found(*names: str) -> list[Found]:
    return [Found(Chunk(name, name, name, "", name), 1.0 / place) for place, name in enumerate(names, start=1)]


def test_the_sum_of_reciprocal_ranks_decides() -> None:
    hits = fuse(found("a", "b", "c"), found("b", "d"))
    assert [hit.chunk.id for hit in hits] == ["b", "a", "d", "c"]
    assert hits[0].fused == 1 / (RRF_K + 2) + 1 / (RRF_K + 1)
    assert [hit.recall_rank for hit in hits] == [1, 2, 3, 4]


def test_every_stage_keeps_its_score_and_rank() -> None:
    hit = fuse(found("a", "b"), found("b"))[0]
    assert (hit.dense, hit.dense_rank, hit.bm25, hit.bm25_rank) == (0.5, 2, 1.0, 1)
    only_dense = fuse(found("a"), [])[0]
    assert (only_dense.bm25, only_dense.bm25_rank) == (None, None)


def test_of_equal_sums_the_dense_one_comes_first() -> None:
    assert [hit.chunk.id for hit in fuse(found("x"), found("y"))] == ["x", "y"]


def test_over_ids_alone_the_earlier_ranking_breaks_ties() -> None:
    fused = reciprocal_rank_fusion([["a", "b"], ["c", "b"], ["d"]])
    assert list(fused) == ["b", "a", "c", "d"]
    assert fused["a"] == fused["c"] == fused["d"] == 1 / (RRF_K + 1)
    assert fused["b"] == pytest.approx(2 / (RRF_K + 2))


def test_nothing_found() -> None:
    assert fuse([], []) == []


def test_a_code_lifts_the_one_page_that_has_it() -> None:
    alarms = found("alarm1", "alarm2", "alarm3", "the one")
    hits = fuse(alarms[:3], [alarms[3], *alarms[:3]], [alarms[3]])
    assert hits[0].chunk.id == "the one"
    assert [hit.code_rank for hit in hits] == [1, None, None, None]
    assert fuse(alarms[:3], [alarms[3], *alarms[:3]])[0].chunk.id == "alarm1", "or else it would be lost among others"


@pytest.mark.parametrize(
    ("terms", "codes"),
    [
        (["alarm", "e07", "mean"], ["e07"]),
        (["iso", "9001", "2015"], ["9001", "2015"]),
        (["page", "12", "of", "7"], []),
        (["ab1234", "x"], ["ab1234"]),
        (["报警", "e07"], ["e07"]),
    ],
)
def test_what_a_code_is(terms: list[str], codes: list[str]) -> None:
    assert codes_of(terms) == codes
