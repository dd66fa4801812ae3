from finerank.retrieval.fusion import RRF_K, fuse
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


def test_nothing_found() -> None:
    assert fuse([], []) == []
