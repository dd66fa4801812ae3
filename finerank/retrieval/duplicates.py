"""Near-duplicates among the candidates: the best-placed stays, so that the reranker reads each text once."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from ..scores import FloatArray
from .similarity import shingle_similarity, words_of
from .types import Hit

_SHINGLE_WORDS: Final = 3


def collapse(hits: Iterable[Hit], threshold: float) -> list[Hit]:
    """The hits without those that are nearly the same as a better-placed one, whose `duplicates` name them.

    threshold: share of common runs of three words from which two texts count as the same, in (0, 1]; see
    similarity.py. Texts whose words with digits differ never do: two pages of a manual may differ in nothing but an
    alarm's code, two offers in nothing but the price.
    """
    kept = _without_equal_texts(list(hits))
    if len(kept) < 2 or threshold >= 1.0:
        return kept
    words = [words_of(hit.chunk.text) for hit in kept]
    similarity = shingle_similarity(words, _SHINGLE_WORDS)
    return _collapsed(kept, similarity, threshold, words)


def _without_equal_texts(hits: Sequence[Hit]) -> list[Hit]:
    """Texts that differ in white space alone are equal."""
    groups: dict[str, list[Hit]] = {}
    for hit in hits:
        groups.setdefault(" ".join(hit.chunk.text.split()), []).append(hit)
    return [_with_duplicates(group[0], group[1:]) for group in groups.values()]


def _collapsed(
    hits: Sequence[Hit], similarity: FloatArray, threshold: float, words: Sequence[Sequence[str]]
) -> list[Hit]:
    kept: list[Hit] = []
    is_gone = np.zeros(len(hits), dtype=bool)
    for index, hit in enumerate(hits):
        if is_gone[index]:
            continue
        alike = np.flatnonzero((similarity[index] >= threshold) & ~is_gone).tolist()
        same = [other for other in alike if other > index and _codes(words[other]) == _codes(words[index])]
        is_gone[same] = True
        kept.append(_with_duplicates(hit, [hits[other] for other in same]))
    return kept


def _codes(words: Iterable[str]) -> set[str]:
    return {word for word in words if any(map(str.isdigit, word))}


def _with_duplicates(hit: Hit, others: Sequence[Hit]) -> Hit:
    """`hit` itself if there are none; a copy otherwise, as the caller's list is shown beside it."""
    if not others:
        return hit
    ids = [each for other in others for each in (other.chunk.id, *other.duplicates)]
    return replace(hit, duplicates=(*hit.duplicates, *ids))
