"""A search's result as JSON values, the same from the command and over HTTP."""

import math
from typing import Any

from .explain import moves_of
from .snippets import snippet
from .types import Hit, SearchResult

_SNIPPET = 300


def answer_of(result: SearchResult, *, explain: bool = False) -> dict[str, Any]:
    """`results` best first, `facts`, and with `explain` the `moves` of the reranker."""
    answer: dict[str, Any] = {
        "query": result.query,
        "results": [_hit(hit, rank, result.query) for rank, hit in enumerate(result.hits, start=1)],
        "facts": _facts(result),
    }
    if explain:
        answer["moves"] = [
            {"id": move.hit.chunk.id, "before": move.before, "after": move.after, "fate": move.fate}
            for move in moves_of(result)
        ]
    return answer


def _hit(hit: Hit, rank: int, query: str) -> dict[str, Any]:
    chunk = hit.chunk
    cut = snippet(chunk.text, query, _SNIPPET)
    return {
        "rank": rank,
        "id": chunk.id,
        "document_id": chunk.document_id,
        "source": chunk.source,
        "title": chunk.title,
        "page": chunk.page,
        "last_page": chunk.last_page,
        "headings": list(chunk.headings),
        "position": chunk.position,
        "text": chunk.text,
        "snippet": {"text": cut.text, "spans": [list(span) for span in cut.spans]},
        "score": _finite(hit.score),
        "log_odds": _finite(hit.log_odds),
        "truncated": hit.is_truncated,
        "error": hit.error,
        "more_of_document": hit.num_more,
        "duplicates": list(hit.duplicates),
        "metadata": dict(chunk.metadata),
        "stages": {
            "dense": {"score": hit.dense, "rank": hit.dense_rank},
            "bm25": {"score": hit.bm25, "rank": hit.bm25_rank},
            "codes": {"rank": hit.code_rank},
            "fused": {"score": hit.fused, "rank": hit.recall_rank},
        },
    }


def _facts(result: SearchResult) -> dict[str, Any]:
    facts = result.facts
    return {
        "embedding_model": facts.embedding_model,
        "model": None if facts.reranker is None else facts.reranker.name,
        "fingerprint": None if facts.reranker is None else facts.reranker.fingerprint,
        "instruction": facts.instruction,
        "found": {"dense": facts.num_dense, "bm25": facts.num_bm25, "together": facts.num_recalled},
        "dropped": facts.dropped,
        "duplicates": facts.num_duplicates,
        "reranked": facts.num_reranked,
        "seconds": {stage: round(seconds, 6) for stage, seconds in facts.seconds.items()},
        "warnings": facts.warnings,
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
