from dataclasses import replace

from finerank.retrieval.explain import moves_of
from finerank.types import ModelInfo

from .hits import hit, hits, result

MODEL = ModelInfo("fake", "yes_no", "0123456789abcdef", "float32", "cpu", 100)


def test_places_before_and_after_and_who_fell_out() -> None:
    recalled = hits(["a", "b", "c", "d", "e"])
    found = result([recalled[2], recalled[0], recalled[4]], recalled)
    found.facts.num_reranked, found.facts.reranker = 5, MODEL
    moves = moves_of(found)
    assert [(each.before, each.after, each.gain) for each in moves] == [
        (3, 1, 2),
        (1, 2, -1),
        (5, 3, 2),
        (2, None, None),
    ]
    assert [each.fate for each in moves] == [None, None, None, "lower"]


def test_why_one_fell_out() -> None:
    recalled = [hit("a", 1, document_id="x"), hit("b", 2), hit("c", 3), hit("d", 4, document_id="x"), hit("e", 5)]
    best = replace(recalled[3], score=0.9, num_more=1)
    found = result([best, recalled[4], replace(recalled[2], score=0.1)], recalled)
    found.facts.num_reranked, found.facts.reranker = 1, MODEL
    assert {each.hit.chunk.id: each.fate for each in moves_of(found) if each.after is None} == {
        "chunk-1": "grouped",
        "chunk-2": "not_read",
    }


def test_nothing_found_shows_what_was_first() -> None:
    found = result([], hits(["a", "b"]))
    found.facts.num_reranked, found.facts.reranker = 2, MODEL
    assert [(each.before, each.fate) for each in moves_of(found)] == [(1, "lower")]
