from finerank.retrieval.grouping import group

from .hits import hit, ids


def test_the_best_chunk_of_each_document_stays() -> None:
    documents = ["a", "b", "a", "c", "a", "b"]
    found = [hit(place=place, document_id=name) for place, name in enumerate(documents, 1)]
    kept = group(found)
    assert ids(kept) == ["chunk-1", "chunk-2", "chunk-4"]
    assert [each.num_more for each in kept] == [2, 1, 0]
    assert [each.num_more for each in found] == [0] * 6


def test_nothing() -> None:
    assert group([]) == []
