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

from collections.abc import Callable, Iterator
from typing import Final, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from .linear import PackedLinear, can_pack
from .segments import RowBlock, Segment, Span

SegmentKeys = Callable[[Segment], tuple[Tensor, Tensor]]
"""Keys and values, (S, G, dh) each, that a segment's last row sees: its past and its own."""

_SCORES_BYTES: Final = 8 << 20
"""Scores of one step of BlockedAttention: larger and they leave the cache, smaller and the products get thin."""
_FEWEST_ROWS: Final = 32
_LONG_ROWS: Final = 64
_LONG_KEYS: Final = 1024
"""From here on packing a head's keys costs less than it saves: fp32 scores at 205 instead of 125 GFLOP/s."""
_PADDED_SCORES: Final = 1 << 26
"""Entries of the mask of one padded call: 64 MB of it."""
_PADDED_WASTE: Final = 1.5
"""Spans share a padded call while it is no more than so many times the work of its spans."""


class Attention(Protocol):
    """The attention of one row block."""

    def __call__(self, block: RowBlock, queries: Tensor, keys_of: SegmentKeys) -> Tensor: ...


def _rows_of(block: RowBlock) -> Iterator[tuple[Span, slice]]:
    """Where each span's queries are. A block of last tokens takes its rows from all over the batch."""
    row = 0
    for span in block.spans:
        yield span, slice(row, row + span.num_rows)
        row += span.num_rows


class BlockedAttention:
    """Span by span, the heads of a key-value group as rows of one product."""

    def __call__(self, block: RowBlock, queries: Tensor, keys_of: SegmentKeys) -> Tensor:
        _, values = keys_of(block.spans[0].segment)
        result = values.new_empty(len(queries), queries.shape[1] * queries.shape[2])
        for span, rows in _rows_of(block):
            keys, values = keys_of(span.segment)
            _attend(queries[rows], keys[: span.num_keys], values[: span.num_keys], result[rows])
        return result


def _attend(queries: Tensor, keys: Tensor, values: Tensor, result: Tensor) -> None:
    """One span: queries (R, H, dh), keys and values (S, G, dh), result (R, H * dh) is filled."""
    num_rows, num_heads, head_dim = queries.shape
    num_keys, num_kv_heads, _ = keys.shape
    shape = (num_rows, num_kv_heads, num_heads // num_kv_heads, head_dim)
    is_long = num_rows >= _LONG_ROWS and num_keys >= _LONG_KEYS and can_pack(keys.dtype)
    (_attend_long if is_long else _attend_short)(queries.view(shape), keys, values, result.view(shape))


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
    """(rows, key-value heads) of one step."""
    budget = max(1, _SCORES_BYTES // (4 * num_keys * per_kv))
    if budget < num_rows:
        return max(min(_FEWEST_ROWS, num_rows), budget), 1
    return num_rows, min(num_kv_heads, budget // num_rows)


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


def _attend_long(queries: Tensor, keys: Tensor, values: Tensor, result: Tensor) -> None:
    """Head by head, with the head's keys in the layout of a packed weight: many rows pass over them.

    Every row computes scores for all keys of the span and those of the future are masked: at most R of S are wasted.
    """
    num_rows, num_kv_heads, per_kv, head_dim = queries.shape
    num_keys = len(keys)
    step_rows = max(_FEWEST_ROWS, min(num_rows, 2 * _SCORES_BYTES // (4 * num_keys * per_kv)))
    future = _future(num_rows, keys)
    for head in range(num_kv_heads):
        packed = PackedLinear(keys[:, head])
        head_values = values[:, head].contiguous()
        for start in range(0, num_rows, step_rows):
            step = queries[start : start + step_rows, head]  # (R, r, dh)
            scores = packed(step.reshape(-1, head_dim))
            own = scores.view(len(step), per_kv, num_keys)[..., num_keys - num_rows :]
            own += future[start : start + step_rows, None]
            torch.softmax(scores, -1, out=scores)
            mixed = torch.mm(scores.to(values.dtype), head_values)
            result[start : start + step_rows, head] = mixed.view(step.shape)


def _future(num_rows: int, like: Tensor) -> Tensor:
    """(R, R) minus infinity where a row would look at a later one, else 0; adding is faster than masking."""
    return like.new_full((num_rows, num_rows), float("-inf")).triu_(1)


class PaddedAttention:
    """Spans of like size together in one call of torch's fused kernel."""

    def __call__(self, block: RowBlock, queries: Tensor, keys_of: SegmentKeys) -> Tensor:
        result = queries.new_empty(len(queries), queries.shape[1] * queries.shape[2])
        rows_of = dict(_rows_of(block))
        for spans in _groups(block.spans):
            mixed = _padded_call([queries[rows_of[span]] for span in spans], spans, keys_of)
            for index, span in enumerate(spans):
                result[rows_of[span]] = mixed[index, :, : span.num_rows].transpose(0, 1).flatten(1)
        return result


def _groups(spans: tuple[Span, ...]) -> list[list[Span]]:
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


def _padded_call(queries: list[Tensor], spans: list[Span], keys_of: SegmentKeys) -> Tensor:
    """(B, H, R, dh); rows beyond a span's own are meaningless."""
    num_heads, head_dim = queries[0].shape[1:]
    num_rows = max(span.num_rows for span in spans)
    num_keys = -(-max(span.num_keys for span in spans) // 8) * 8  # the fused kernels want rows of 16 bytes
    first_keys, _ = keys_of(spans[0].segment)
    num_kv_heads = first_keys.shape[1]
    padded_queries = queries[0].new_zeros(len(spans), num_rows, num_heads, head_dim)
    padded_keys = first_keys.new_zeros(2, len(spans), num_keys, num_kv_heads, head_dim)
    for index, span in enumerate(spans):
        keys, values = keys_of(span.segment)
        padded_queries[index, : span.num_rows] = queries[index]
        padded_keys[0, index, : span.num_keys] = keys[: span.num_keys]
        padded_keys[1, index, : span.num_keys] = values[: span.num_keys]
    keys, values = padded_keys.transpose(2, 3).repeat_interleave(num_heads // num_kv_heads, dim=2)
    mask = _padded_mask(spans, num_rows, num_keys, padded_queries.device)
    return F.scaled_dot_product_attention(padded_queries.transpose(1, 2), keys, values, attn_mask=mask, scale=1.0)


def _padded_mask(spans: list[Span], num_rows: int, num_keys: int, device: torch.device) -> Tensor:
    """(B, 1, R, S) True where a row may look. Padding rows see what the last row sees, so that none sees nothing."""
    rows = torch.tensor([span.num_rows for span in spans], device=device)[:, None, None]
    keys = torch.tensor([span.num_keys for span in spans], device=device)[:, None, None]
    row = torch.arange(num_rows, device=device)[None, :, None]
    seen = torch.minimum(keys - rows + row + 1, keys)
    return (torch.arange(num_keys, device=device)[None, None] < seen)[:, None]


def attention_for(device: torch.device) -> Attention:
    """The faster way on `device`."""
    return BlockedAttention() if device.type == "cpu" else PaddedAttention()
