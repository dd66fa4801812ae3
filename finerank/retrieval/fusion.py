"""Several recalls into one order."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from .types import Found, Hit

RRF_K: Final = 60
"""Cormack, Clarke, Buettcher: Reciprocal Rank Fusion, SIGIR 2009."""
_CODE: Final = re.compile(r"(?=.*\d)(?:.*[^\W\d_].*|\d{3,})")
"""Letters and digits together, or a number of three digits and more."""


def codes_of(terms: Sequence[str]) -> list[str]:
    """Those search terms that are codes: "e07", "ab1234", "9001"."""
    return [term for term in terms if _CODE.fullmatch(term)]


def reciprocal_rank_fusion(rankings: Iterable[Sequence[str]]) -> dict[str, float]:
    """Id -> the sum of 1 / (60 + rank) over the rankings that have it, best first.

    rankings: ids, each best first and each id once.   Of equal sums the one comes first that the first ranking has, or
    has higher; then the second's, and so on.
    """
    scores: dict[str, float] = {}
    for ranking in rankings:
        for rank, each in enumerate(ranking, start=1):
            scores[each] = scores.get(each, 0.0) + 1.0 / (RRF_K + rank)
    # Sorting is stable, and a dict keeps the order in which its keys came.
    return dict(sorted(scores.items(), key=lambda item: -item[1]))


def fuse(dense: Sequence[Found], bm25: Sequence[Found], codes: Sequence[Found] = ()) -> list[Hit]:
    """Hits by reciprocal rank fusion of the recalls that found them; ties by the dense rank, then BM25's.

    codes: found by the codes of the query alone. Without them whoever asks for "alarm E07" would get the alarms that
    both other recalls know, before the one page that has E07.
    """
    recalls = (dense, bm25, codes)
    hits = {found.chunk.id: Hit(found.chunk) for recall in recalls for found in recall}
    for rank, found in enumerate(dense, start=1):
        hit = hits[found.chunk.id]
        hit.dense, hit.dense_rank = found.score, rank
    for rank, found in enumerate(bm25, start=1):
        hit = hits[found.chunk.id]
        hit.bm25, hit.bm25_rank = found.score, rank
    for rank, found in enumerate(codes, start=1):
        hits[found.chunk.id].code_rank = rank
    fused = reciprocal_rank_fusion([found.chunk.id for found in recall] for recall in recalls)
    for rank, (each, score) in enumerate(fused.items(), start=1):
        hits[each].fused, hits[each].recall_rank = score, rank
    return [hits[each] for each in fused]
