"""How a batch is laid out: its texts one after another, longest first, no padding; those of one length are a group."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Group(NamedTuple):
    """Texts of one length: rows [start, start + num_texts * length)."""

    start: int
    num_texts: int
    length: int

    @property
    def end(self) -> int:
        return self.start + self.num_texts * self.length


class Rows:
    """The tokens of a batch.

    ids: of each text, at least one.   types: of each text's tokens, None for 0 everywhere.
    order: place in the layout -> place in the caller's list.   starts: (B,) first row of each text, in the layout.
    """

    def __init__(self, ids: Sequence[Sequence[int]], types: Sequence[Sequence[int]] | None = None) -> None:
        self.order = sorted(range(len(ids)), key=lambda place: -len(ids[place]))
        lengths = [len(ids[place]) for place in self.order]
        self.groups = list(_groups(lengths))
        self.num_rows = sum(lengths)
        self.ids = torch.tensor([token for place in self.order for token in ids[place]])
        self.types = None if types is None else torch.tensor([kind for place in self.order for kind in types[place]])
        self.positions = torch.cat([torch.arange(each.length).repeat(each.num_texts) for each in self.groups])
        self.starts = torch.cat([torch.arange(each.start, each.end, each.length) for each in self.groups])

    def in_callers_order(self, texts: Tensor) -> Tensor:
        """(B, ...) of texts in the layout's order."""
        return torch.empty_like(texts).index_copy_(0, torch.tensor(self.order, device=texts.device), texts)


def _groups(lengths: Sequence[int]) -> Iterator[Group]:
    """lengths: equal ones stand together."""
    start = first = 0
    for place in range(1, len(lengths) + 1):
        if place == len(lengths) or lengths[place] != lengths[first]:
            group = Group(start, place - first, lengths[first])
            yield group
            start, first = group.end, place
