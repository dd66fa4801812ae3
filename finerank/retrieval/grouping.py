"""One hit for each document: its best chunk."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from .types import Hit


def group(hits: Sequence[Hit]) -> list[Hit]:
    """The first hit of each document, in order; `num_more` counts the others."""
    counts = Counter(hit.chunk.document_id for hit in hits)
    best: dict[str, Hit] = {}
    for hit in hits:
        best.setdefault(hit.chunk.document_id, hit)
    return [
        hit if counts[name] == 1 else replace(hit, num_more=hit.num_more + counts[name] - 1)
        for name, hit in best.items()
    ]
