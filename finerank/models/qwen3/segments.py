"""How a batch is laid out: runs of tokens that share their beginnings, cut into blocks of rows.

Segment   a run of tokens that continues other runs (its `past`): a part of a prompt's prefix, or a document's tail
KeyValues keys and values of a segment for all layers, kept from an earlier batch
Layout    the segments of one batch in one flat run of rows, no padding, cut into row blocks
Span      the part of one segment that lies in one row block: the unit of attention
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(slots=True, eq=False)
class KeyValues:
    """keys, values: one (P, G, dh) tensor a layer."""

    keys: list[Tensor] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)

    @property
    def num_tokens(self) -> int:
        return len(self.keys[0])

    @property
    def num_bytes(self) -> int:
        return sum(tensor.nbytes for tensor in (*self.keys, *self.values))

    def clear(self) -> None:
        self.keys.clear()
        self.values.clear()


@dataclass(slots=True, eq=False)
class Segment:
    """A run of tokens to compute.

    past: what it continues, first to last; segments among it must come earlier in the same batch.
    is_scored: the hidden state of its last token is wanted.
    kept: filled with its keys and values if given.
    start: its first row in the batch, set by the layout.
    """

    ids: Sequence[int]
    past: tuple["Segment | KeyValues", ...] = ()
    is_scored: bool = False
    kept: KeyValues | None = None
    start: int = 0

    @property
    def num_tokens(self) -> int:
        return len(self.ids)

    @property
    def end(self) -> int:
        return self.start + len(self.ids)

    @property
    def num_past(self) -> int:
        return sum(part.num_tokens for part in self.past)


@dataclass(frozen=True, slots=True)
class Span:
    """Rows [start, end) of the batch, all of one segment. They see `num_keys` keys, the last row all of them and
    each row before it one less.
    """

    segment: Segment
    start: int
    end: int

    @property
    def num_rows(self) -> int:
        return self.end - self.start

    @property
    def num_keys(self) -> int:
        return self.segment.num_past + self.end - self.segment.start


@dataclass(frozen=True, slots=True)
class RowBlock:
    """Consecutive rows [start, end) of the batch and the spans that make them up."""

    spans: tuple[Span, ...]

    @property
    def start(self) -> int:
        return self.spans[0].start

    @property
    def end(self) -> int:
        return self.spans[-1].end


class Layout:
    """Places the segments of a batch in one run of rows and cuts it into blocks of at most `max_rows` rows.

    kept: keys and values from earlier batches that its segments continue.   last_block: the last tokens of the scored
    segments, None if there are none.
    """

    def __init__(self, segments: Sequence[Segment], max_rows: int) -> None:
        self.segments = segments
        self.num_rows = 0
        for segment in segments:
            segment.start = self.num_rows
            self.num_rows += segment.num_tokens
        self.blocks = _blocks_of(segments, max_rows)
        self.kept = list(dict.fromkeys(part for each in segments for part in each.past if isinstance(part, KeyValues)))
        last_spans = tuple(Span(each, each.end - 1, each.end) for each in segments if each.is_scored)
        self.last_block = RowBlock(last_spans) if last_spans else None

    def flat_rows(self, segment: Segment) -> Tensor:
        """(S,) rows that the segment's last one sees, where `kept` follows the batch's own rows one after another."""
        rows = []
        for part in (*segment.past, segment):
            start = part.start if isinstance(part, Segment) else self._start_of_kept(part)
            rows.append(torch.arange(start, start + part.num_tokens))
        return torch.cat(rows)

    def _start_of_kept(self, part: KeyValues) -> int:
        before = self.kept[: self.kept.index(part)]
        return self.num_rows + sum(each.num_tokens for each in before)


def _blocks_of(segments: Sequence[Segment], max_rows: int) -> list[RowBlock]:
    """Whole segments where they fit, so that a short one is never cut in two."""
    blocks: list[RowBlock] = []
    spans: list[Span] = []
    free = max_rows
    for segment in segments:
        if segment.num_tokens > free and spans:
            blocks.append(RowBlock(tuple(spans)))
            spans, free = [], max_rows
        for start in range(segment.start, segment.end, max_rows):
            span = Span(segment, start, min(start + max_rows, segment.end))
            if span.num_rows > free:
                blocks.append(RowBlock(tuple(spans)))
                spans, free = [], max_rows
            spans.append(span)
            free -= span.num_rows
    if spans:
        blocks.append(RowBlock(tuple(spans)))
    return blocks
