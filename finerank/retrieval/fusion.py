"""Several recalls into one order."""

import re
from collections.abc import Sequence
from typing import Final

from .types import Found, Hit

RRF_K: Final = 60
"""Cormack, Clarke and Buettcher, 2009: reciprocal rank fusion."""
_CODE: Final = re.compile(r"(?=.*\d)(?:.*[^\W\d_].*|\d{3,})")
"""Letters and digits together, or a number of three digits and more."""


def codes_of(terms: Sequence[str]) -> list[str]:
    """Those search terms that are codes: "e07", "ab1234", "9001"."""
    return [term for term in terms if _CODE.fullmatch(term)]


def fuse(dense: Sequence[Found], bm25: Sequence[Found], codes: Sequence[Found] = ()) -> list[Hit]:
    """Hits by the sum of 1 / (60 + rank) over the recalls that found them; ties by the dense rank, then BM25's.

    codes: found by the codes of the query alone. Without them whoever asks for "alarm E07" would get the alarms that
    both other recalls know, before the one page that has E07.
    """
    hits: dict[str, Hit] = {}
    for rank, found in enumerate(dense, start=1):
        hit = hits.setdefault(found.chunk.id, Hit(found.chunk))
        hit.dense, hit.dense_rank = found.score, rank
        hit.fused += 1.0 / (RRF_K + rank)
    for rank, found in enumerate(bm25, start=1):
        hit = hits.setdefault(found.chunk.id, Hit(found.chunk))
        hit.bm25, hit.bm25_rank = found.score, rank
        hit.fused += 1.0 / (RRF_K + rank)
    for rank, found in enumerate(codes, start=1):
        hit = hits.setdefault(found.chunk.id, Hit(found.chunk))
        hit.code_rank = rank
        hit.fused += 1.0 / (RRF_K + rank)
    # Sorting is stable, and the dense ones came first.
    ordered = sorted(hits.values(), key=lambda hit: -hit.fused)
    for rank, hit in enumerate(ordered, start=1):
        hit.recall_rank = rank
    return ordered
