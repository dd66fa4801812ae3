"""How one ranking of the same documents differs from another."""

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Move:
    """Places of a document in two rankings, from 1.   index: position in the caller's list."""

    index: int
    left: int
    right: int

    @property
    def gain(self) -> int:
        """Places won from left to right; negative if lost."""
        return self.left - self.right


def moves_between(left: Sequence[int], right: Sequence[int]) -> list[Move]:
    """One move for each document of both rankings, given as indices, best first; in the order of `left`."""
    places = {index: place for place, index in enumerate(right, 1)}
    return [Move(index, place, places[index]) for place, index in enumerate(left, 1) if index in places]


def agreement(moves: Sequence[Move]) -> float:
    """Share of pairs of documents that stand in the same order in both rankings; 1 for fewer than two."""
    num_pairs = len(moves) * (len(moves) - 1) // 2
    if not num_pairs:
        return 1.0
    seen: list[int] = []
    same = 0
    for move in sorted(moves, key=lambda each: each.left):
        same += bisect_left(seen, move.right)
        insort(seen, move.right)
    return same / num_pairs
