import random

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
    """Greedy, written out, over the words that two texts have in common."""
    made = random.Random(0)
    words = [set(made.choices("abcdefghij", k=6)) for _ in range(12)]
    scores = sorted((made.random() for _ in range(12)), reverse=True)
    found = [
        hit(" ".join(each), place, score=score)
        for place, (each, score) in enumerate(zip(words, scores, strict=True), 1)
    ]
    taken = [0]
    while len(taken) < 7:
        left = [index for index in range(12) if index not in taken]
        likeness = {i: max(len(words[i] & words[j]) / len(words[i] | words[j]) for j in taken) for i in left}
        taken.append(max(left, key=lambda i: 0.6 * scores[i] - 0.4 * likeness[i]))
    assert ids(diversify(found, 0.4, 7)) == [f"chunk-{index + 1}" for index in taken]


def test_without_a_reranker_the_recall_is_the_relevance() -> None:
    assert ids(diversify(hits(TEXTS), 0.9, 2)) == ["chunk-1", "chunk-3"]


def test_failures_stay_at_the_end() -> None:
    found = [*scored(), hit("purple", 5, error="no score")]
    assert ids(diversify(found, 0.9, 5))[-1] == "chunk-5"
