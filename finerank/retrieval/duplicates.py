"""Near-duplicates among the candidates: the best-placed stays, so that the reranker reads each text once."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..scores import FloatArray
from .similarity import shingle_similarity, words_of
from .types import Hit

_SHINGLE_WORDS: Final = 3
_DIGIT: Final = re.compile(r"\d")


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
    is_left = np.ones(len(hits), dtype=bool)
    codes = _groups_by_codes(words)
    for index, hit in enumerate(hits):
        if not is_left[index]:
            continue
        is_left[index] = False
        same = np.flatnonzero(is_left & (similarity[index] >= threshold) & (codes == codes[index])).tolist()
        is_left[same] = False
        kept.append(_with_duplicates(hit, [hits[other] for other in same]))
    return kept


def _groups_by_codes(words: Sequence[Sequence[str]]) -> NDArray[np.int64]:
    """(N,) the same number for texts whose words with digits are the same."""
    numbers: dict[frozenset[str], int] = {}
    codes = (frozenset(filter(_DIGIT.search, each)) for each in words)
    return np.array([numbers.setdefault(each, len(numbers)) for each in codes])


def _with_duplicates(hit: Hit, others: Sequence[Hit]) -> Hit:
    """`hit` itself if there are none; a copy otherwise, as the caller's list is shown beside it."""
    if not others:
        return hit
    ids = [each for other in others for each in (other.chunk.id, *other.duplicates)]
    return replace(hit, duplicates=(*hit.duplicates, *ids))
