"""What the reranker moved: every hit's place before it and after, and who fell out."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from .types import Hit, SearchResult

Fate: TypeAlias = Literal["lower", "not_read", "grouped"]
"""Why a candidate that the recall had placed among the first is none of the hits: others came before it, or it did not
reach `min_score`; the reranker did not read it; a hit is of the same document.
"""


@dataclass(frozen=True, slots=True)
class Move:
    """One candidate.

    before: its place before the reranker, from 1.   after: its place among the hits, from 1; None if it is none of
    them.   fate: why not; None for hits.
    """

    hit: Hit
    before: int
    after: int | None
    fate: Fate | None = None

    @property
    def gain(self) -> int | None:
        """Places won; negative if lost, None if it fell out."""
        return None if self.after is None else self.before - self.after


def moves_of(result: SearchResult) -> list[Move]:
    """The hits in their order, then those of the recall's first that are none, in the recall's order.

    "First" are as many as there are hits, among what rules and near-duplicates left.
    """
    stayed = [Move(hit, hit.recall_rank, place) for place, hit in enumerate(result.hits, 1)]
    return [*stayed, *fallen_of(result)]


def fallen_of(result: SearchResult) -> list[Move]:
    """Those that would be hits if nothing came after the recall."""
    shown = {hit.chunk.id for hit in result.hits}
    grouped = {hit.chunk.document_id for hit in result.hits if hit.num_more}
    fallen: list[Move] = []
    for place, hit in enumerate(result.recalled[: max(1, len(result.hits))]):
        if hit.chunk.id in shown:
            continue
        was_read = place < result.facts.num_reranked or result.facts.reranker is None
        fate: Fate = "grouped" if hit.chunk.document_id in grouped else "lower" if was_read else "not_read"
        fallen.append(Move(hit, hit.recall_rank, None, fate))
    return fallen
