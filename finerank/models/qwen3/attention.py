"""Causal attention of packed rows over their own prompt: the shared past, then the segment's own rows.

Two ways to the same numbers, chosen by device:

    BlockedAttention   CPU: one matrix product for scores and one for values over the heads of a span, softmax over
                       whole rows in fp32. torch's flash kernel for CPUs multiplies bf16 at its fp32 rate; this is
                       1.6 to 3 times as fast (dev/LOG.md, 2026-11-21).
    PaddedAttention    GPU: the spans of a block in a few padded calls of `scaled_dot_product_attention`. Only
                       attention is padded; matrix products never see a padding row.

Shapes: queries (R, H, dh), already scaled by 1/sqrt(dh); keys and values (S, G, dh); result (R, H * dh)
in the dtype of the values.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from .linear import PackedLinear, can_pack
from .segments import RowBlock, Segment, Span


class KeyParts(NamedTuple):
    """keys, values: (S_i, G, dh) each, one after another what a segment's last row sees."""

    keys: list[Tensor]
    values: list[Tensor]


class LayerKeys(Protocol):
    """Keys and values of one layer at work."""

    def parts_of(self, segment: Segment) -> KeyParts:
        """What the segment's last row sees, where it lies: its past, part by part, and its own."""

    def of(self, segment: Segment) -> tuple[Tensor, Tensor]:
        """(S, G, dh) each: the same in one piece."""

    def flat(self) -> tuple[Tensor, Tensor]:
        """All of them in one piece: the batch's rows, then those kept from earlier batches."""

    def flat_rows(self, segment: Segment) -> Tensor:
        """(S,) which rows of `flat` are `of(segment)`."""


_SCORES_BYTES: Final = 8 << 20
"""Scores of one step of BlockedAttention: larger and they leave the cache, smaller and the products get thin."""
_FEWEST_ROWS: Final = 32
_STEP_ROWS: Final = 128
_LONG_ROWS: Final = 64
_MOST_LONG_ROWS: Final = 512
_LONG_KEYS: Final = 1024
"""From here on packing a head's keys costs less than it saves: fp32 scores at 205 instead of 125 GFLOP/s."""
_PADDED_SCORES: Final = 1 << 26
"""Entries of the mask of one padded call: 64 MB of it."""
_PADDED_WASTE: Final = 1.5
"""Spans share a padded call while it is no more than so many times the work of its spans."""


class Attention(Protocol):
    """The attention of the row blocks of one batch."""

    def __call__(self, block: RowBlock, queries: Tensor, keys: LayerKeys) -> Tensor: ...


def _rows_of(block: RowBlock) -> Iterator[tuple[Span, slice]]:
    """Where each span's queries are. A block of last tokens takes its rows from all over the batch."""
    row = 0
    for span in block.spans:
        yield span, slice(row, row + span.num_rows)
        row += span.num_rows


class BlockedAttention:
    """Span by span, the heads of a key-value group as rows of one product."""

    def __call__(self, block: RowBlock, queries: Tensor, keys: LayerKeys) -> Tensor:
        parts = keys.parts_of(block.spans[0].segment)
        num_rows, num_heads, head_dim = queries.shape
        num_kv_heads = parts.keys[0].shape[1]
        grouped = queries.view(num_rows, num_kv_heads, num_heads // num_kv_heads, head_dim)
        result = torch.empty_like(grouped, dtype=parts.values[0].dtype)
        for span, rows in _rows_of(block):
            if span.num_rows < _LONG_ROWS or span.num_keys < _LONG_KEYS or not can_pack(queries.dtype):
                seen_keys, seen_values = (each[: span.num_keys] for each in keys.of(span.segment))
                _attend_short(grouped[rows], seen_keys, seen_values, result[rows])
            else:
                _attend_long_span(span, grouped[rows], keys.parts_of(span.segment), result[rows])
        return result.view(num_rows, num_heads * head_dim)


def _attend_long_span(span: Span, queries: Tensor, parts: KeyParts, result: Tensor) -> None:
    """In pieces of at most 512 rows, each of which packs the keys that it sees."""
    for start in range(0, span.num_rows, _MOST_LONG_ROWS):
        end = min(start + _MOST_LONG_ROWS, span.num_rows)
        seen = span.num_keys - (span.num_rows - end)
        _attend_long(queries[start:end], parts, seen, result[start:end])


def _attend_short(queries: Tensor, keys: Tensor, values: Tensor, result: Tensor) -> None:
    """Several heads in one batched product, in steps of so many rows and heads that the scores stay in the cache."""
    num_rows, num_kv_heads, per_kv, _ = queries.shape
    step_rows, step_heads = _steps(num_rows, len(keys), num_kv_heads, per_kv)
    for start in range(0, num_rows, step_rows):
        end = min(start + step_rows, num_rows)
        seen = len(keys) - (num_rows - end)
        for head in range(0, num_kv_heads, step_heads):
            heads = slice(head, head + step_heads)
            step = _attend_step(queries[start:end, heads], keys[:seen, heads], values[:seen, heads])
            result[start:end, heads] = step


def _steps(num_rows: int, num_keys: int, num_kv_heads: int, per_kv: int) -> tuple[int, int]:
    """(rows, key-value heads) of one step. Equal steps of some 128 rows, so that few scores are of future keys."""
    budget = max(1, _SCORES_BYTES // (4 * num_keys * per_kv))
    if budget < _FEWEST_ROWS:
        return min(num_rows, _FEWEST_ROWS), 1
    step_rows = min(budget, -(-num_rows // max(1, round(num_rows / _STEP_ROWS))))
    return step_rows, min(num_kv_heads, budget // step_rows)


def _attend_step(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """queries (R, g, r, dh), keys and values (S, g, dh) -> (R, g, r, dh)."""
    num_rows, heads, per_kv, head_dim = queries.shape
    rows = queries.permute(1, 2, 0, 3).reshape(heads, per_kv * num_rows, head_dim)
    scores = torch.bmm(rows, keys.permute(1, 2, 0))
    if num_rows > 1:
        own = scores.view(heads, per_kv, num_rows, len(keys))[..., len(keys) - num_rows :]
        own += _future(num_rows, scores)
    torch.softmax(scores, -1, out=scores)
    mixed = torch.bmm(scores.to(values.dtype), values.permute(1, 0, 2))
    return mixed.view(heads, per_kv, num_rows, head_dim).permute(2, 0, 1, 3)


def _attend_long(queries: Tensor, parts: KeyParts, num_keys: int, result: Tensor) -> None:
    """Head by head, with the head's keys in the layout of a packed weight: many rows pass over them.

    Every row computes scores for all `num_keys` and those of the future are masked: at most R of them are wasted. Past
    and own keys are joined for one head at a time, as a copy of all heads would be a second set of keys and values.
    """
    num_rows, num_kv_heads, per_kv, head_dim = queries.shape
    step_rows = max(_FEWEST_ROWS, min(num_rows, 2 * _SCORES_BYTES // (4 * num_keys * per_kv)))
    future = _future(num_rows, queries)
    for head in range(num_kv_heads):
        packed = PackedLinear(torch.cat([part[:, head] for part in parts.keys])[:num_keys])
        head_values = torch.cat([part[:, head] for part in parts.values])[:num_keys]
        for start in range(0, num_rows, step_rows):
            step = queries[start : start + step_rows, head]  # (R, r, dh)
            scores = packed(step.reshape(-1, head_dim))
            own = scores.view(len(step), per_kv, num_keys)[..., num_keys - num_rows :]
            own += future[start : start + step_rows, None]
            torch.softmax(scores, -1, out=scores)
            mixed = torch.mm(scores.to(head_values.dtype), head_values)
            result[start : start + step_rows, head] = mixed.view(step.shape)


def _future(num_rows: int, like: Tensor) -> Tensor:
    """(R, R) minus infinity where a row would look at a later one, else 0; adding is faster than masking."""
    return like.new_full((num_rows, num_rows), float("-inf")).triu_(1)


class PaddedAttention:
    """Spans of like size together in one call of torch's fused kernel.

    What is gathered from where is the same in every layer, so it is worked out once a batch: a layer is then a few
    large kernels, whatever the number of documents.
    """

    def __init__(self) -> None:
        self._groups: dict[int, list[_Group]] = {}

    def __call__(self, block: RowBlock, queries: Tensor, keys: LayerKeys) -> Tensor:
        if id(block) not in self._groups:
            self._groups[id(block)] = [_Group(block, spans, keys, queries.device) for spans in _grouped(block.spans)]
        all_keys, all_values = keys.flat()
        result = queries.new_empty(len(queries), queries.shape[1] * queries.shape[2])
        for group in self._groups[id(block)]:
            result[group.rows] = group.attend(queries, all_keys, all_values)
        return result


class _Group:
    """A padded call: B spans, T rows and S keys each at most.

    rows: (N,) the block's rows that it gives.   row_index: (B, T) the same, padded.   key_index: (B, S) into the flat
    keys, padded.   filled: (N,) which of the B * T rows are real.   mask: (B, 1, T, S) True where a row may look.
    """

    def __init__(self, block: RowBlock, spans: list[Span], keys: LayerKeys, device: torch.device) -> None:
        num_rows = max(span.num_rows for span in spans)
        num_keys = -(-max(span.num_keys for span in spans) // 8) * 8  # the fused kernels want rows of 16 bytes
        rows_of = dict(_rows_of(block))
        rows = [torch.arange(rows_of[span].start, rows_of[span].stop) for span in spans]
        seen = [keys.flat_rows(span.segment)[: span.num_keys] for span in spans]
        offsets = range(0, len(spans) * num_rows, num_rows)
        filled = [torch.arange(offset, offset + span.num_rows) for offset, span in zip(offsets, spans, strict=True)]
        self.rows = torch.cat(rows).to(device)
        self.row_index = _padded(rows, num_rows).to(device)
        self.key_index = _padded(seen, num_keys).to(device)
        self.filled = torch.cat(filled).to(device)
        self.mask = _padded_mask(spans, num_rows, num_keys).to(device)

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """(N, H * dh) of the group's rows."""
        per_kv = queries.shape[1] // keys.shape[1]
        # One copy a head: the fused kernels that take a mask know no grouped queries.
        own_keys, own_values = (
            part[self.key_index].transpose(1, 2).repeat_interleave(per_kv, dim=1) for part in (keys, values)
        )
        own_queries = queries[self.row_index].transpose(1, 2)
        mixed = F.scaled_dot_product_attention(own_queries, own_keys, own_values, attn_mask=self.mask, scale=1.0)
        return mixed.transpose(1, 2).flatten(0, 1)[self.filled].flatten(1)


def _grouped(spans: tuple[Span, ...]) -> list[list[Span]]:
    """Spans of like size; a group's padded work stays within bounds."""
    groups: list[list[Span]] = []
    work = 0
    for span in sorted(spans, key=lambda each: (each.num_rows, each.num_keys)):
        work += span.num_rows * span.num_keys
        if groups:
            group = [*groups[-1], span]
            padded = len(group) * max(s.num_rows for s in group) * max(s.num_keys for s in group)
            if padded <= min(_PADDED_WASTE * work, _PADDED_SCORES):
                groups[-1] = group
                continue
        groups.append([span])
        work = span.num_rows * span.num_keys
    return groups


def _padded(rows: list[Tensor], length: int) -> Tensor:
    """(B, length); padding points at row 0, which is always there."""
    index = torch.zeros(len(rows), length, dtype=torch.int64)
    for number, each in enumerate(rows):
        index[number, : len(each)] = each
    return index


def _padded_mask(spans: list[Span], num_rows: int, num_keys: int) -> Tensor:
    """(B, 1, T, S) True where a row may look. Padding rows see what the last row sees, so that none sees nothing."""
    rows = torch.tensor([span.num_rows for span in spans])[:, None, None]
    keys = torch.tensor([span.num_keys for span in spans])[:, None, None]
    row = torch.arange(num_rows)[None, :, None]
    seen = torch.minimum(keys - rows + row + 1, keys)
    return (torch.arange(num_keys)[None, None] < seen)[:, None]


def attention_for(device: torch.device) -> Attention:
    """The faster way on `device`, for one batch."""
    return BlockedAttention() if device.type == "cpu" else PaddedAttention()
