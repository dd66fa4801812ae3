"""Hits that do not all say the same: maximal marginal relevance.

Carbonell and Goldstein, "The use of MMR, diversity-based reranking for reordering documents and producing summaries",
SIGIR 1998.
"""

from collections.abc import Sequence

import numpy as np

from ..scores import FloatArray
from .similarity import shingle_similarity, words_of
from .types import Hit


def diversify(hits: Sequence[Hit], weight: float, top_n: int) -> list[Hit]:
    """`top_n` of the hits, the best first, each next one the largest (1 - weight) * relevance - weight * likeness.

    relevance: the reranker's score; where it has none, the recall's, scaled to the best one.   likeness: to the most
    similar hit that was taken before, by common words.
    weight: 0 keeps the order, 1 looks at likeness alone. Hits that the reranker failed on keep their place at the end.
    """
    if weight <= 0.0 or len(hits) < 3:
        return list(hits[:top_n])
    usable = [index for index, hit in enumerate(hits) if hit.error is None]
    failed = [index for index, hit in enumerate(hits) if hit.error is not None]
    likeness = shingle_similarity([words_of(hit.chunk.text) for hit in hits], 1)
    order = _order(_relevance(hits), likeness, weight, usable, top_n)
    return [hits[index] for index in (*order, *failed)][:top_n]


def _order(relevance: FloatArray, likeness: FloatArray, weight: float, indices: Sequence[int], top_n: int) -> list[int]:
    left = list(indices)
    order: list[int] = []
    nearest = np.zeros(len(relevance), dtype=np.float32)
    while left and len(order) < top_n:
        gains = (1.0 - weight) * relevance[left] - weight * nearest[left]
        # The first is the best hit also where relevance has no weight.
        place = int(np.argmax(gains)) if order else 0
        order.append(left.pop(place))
        nearest = np.maximum(nearest, likeness[order[-1]])
    return order


def _relevance(hits: Sequence[Hit]) -> FloatArray:
    best = max((hit.fused for hit in hits), default=0.0) or 1.0
    has_scores = any(hit.score is not None for hit in hits)
    values = [(hit.score or 0.0) if has_scores else hit.fused / best for hit in hits]
    return np.array(values, dtype=np.float32)
