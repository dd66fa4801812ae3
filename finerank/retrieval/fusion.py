"""Two recalls into one order."""

from collections.abc import Sequence
from typing import Final

from .types import Found, Hit

RRF_K: Final = 60
"""Cormack, Clarke and Buettcher, 2009: reciprocal rank fusion."""


def fuse(dense: Sequence[Found], bm25: Sequence[Found]) -> list[Hit]:
    """Hits by the sum of 1 / (60 + rank) over the recalls that found them; ties by the dense rank, then BM25's."""
    hits: dict[str, Hit] = {}
    for rank, found in enumerate(dense, start=1):
        hit = hits.setdefault(found.chunk.id, Hit(found.chunk))
        hit.dense, hit.dense_rank = found.score, rank
        hit.fused += 1.0 / (RRF_K + rank)
    for rank, found in enumerate(bm25, start=1):
        hit = hits.setdefault(found.chunk.id, Hit(found.chunk))
        hit.bm25, hit.bm25_rank = found.score, rank
        hit.fused += 1.0 / (RRF_K + rank)
    # Sorting is stable, and the dense ones came first.
    ordered = sorted(hits.values(), key=lambda hit: -hit.fused)
    for rank, hit in enumerate(ordered, start=1):
        hit.recall_rank = rank
    return ordered
