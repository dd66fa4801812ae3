"""Reciprocal rank fusion of several runs, as the searcher does it.

But for ties: the searcher breaks them by the dense rank, here they are trec_eval's, as of every run that it measures.
"""

from collections.abc import Mapping, Sequence

from ..retrieval.fusion import reciprocal_rank_fusion
from .ordering import ranked
from .types import Run


def fuse(runs: Sequence[Run], num_results: int) -> Run:
    """For each query the best `num_results` by the sum of 1 / (60 + rank) over the runs that have the document."""
    query_ids = dict.fromkeys(query_id for run in runs for query_id in run)
    return {query_id: _fused([run.get(query_id, {}) for run in runs], num_results) for query_id in query_ids}


def _fused(rankings: Sequence[Mapping[str, float]], num_results: int) -> dict[str, float]:
    scores = reciprocal_rank_fusion(ranked(ranking) for ranking in rankings)
    return {document_id: scores[document_id] for document_id in ranked(scores)[:num_results]}
