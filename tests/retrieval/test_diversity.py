import numpy as np
import pytest

from finerank.errors import InputError
from finerank.retrieval.diversity import diversify
from finerank.retrieval.types import Hit

from .hits import hit, hits, ids

TEXTS = ["red round apple", "red round apple pie", "blue sharp knife", "red round apple tart"]
SCORES = [0.9, 0.8, 0.5, 0.7]


def scored() -> list[Hit]:
    return [hit(text, place, score=score) for text, place, score in zip(TEXTS, range(1, 5), SCORES, strict=True)]


def test_weight_0_is_the_order_given() -> None:
    assert ids(diversify(scored(), 0.0, 3)) == ["chunk-1", "chunk-2", "chunk-3"]


def test_what_says_something_else_comes_earlier() -> None:
    assert ids(diversify(scored(), 0.5, 4)) == ["chunk-1", "chunk-3", "chunk-2", "chunk-4"]
    assert ids(diversify(scored(), 1.0, 2)) == ["chunk-1", "chunk-3"]
    assert ids(diversify(scored(), 0.05, 4))[1] == "chunk-2"


def test_against_the_formula() -> None:
    """Greedy, written out, over given vectors."""
    made = np.random.default_rng(0)
    vectors = made.normal(size=(12, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = np.sort(made.random(12))[::-1]
    found = [hit("x", place, score=float(score)) for place, score in enumerate(scores, 1)]
    taken = [0]
    while len(taken) < 7:
        left = [index for index in range(12) if index not in taken]
        gain = {i: 0.6 * scores[i] - 0.4 * max(0.0, *(float(vectors[i] @ vectors[j]) for j in taken)) for i in left}
        taken.append(max(left, key=gain.__getitem__))
    assert ids(diversify(found, 0.4, 7, vectors)) == [f"chunk-{index + 1}" for index in taken]


def test_without_a_reranker_the_recall_is_the_relevance() -> None:
    assert ids(diversify(hits(TEXTS), 0.9, 2)) == ["chunk-1", "chunk-3"]


def test_failures_stay_at_the_end() -> None:
    found = [*scored(), hit("purple", 5, error="no score")]
    assert ids(diversify(found, 0.9, 5))[-1] == "chunk-5"


def test_vectors_that_do_not_fit() -> None:
    with pytest.raises(InputError, match="2 vectors for 4 hits"):
        diversify(scored(), 0.5, 2, np.ones((2, 3), dtype=np.float32))
