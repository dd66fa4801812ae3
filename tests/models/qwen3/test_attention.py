"""Both ways of attention against plain softmax(q k) v in fp64, over every kind of span."""

import pytest
import torch
from torch import Tensor

from finerank.models.qwen3 import attention
from finerank.models.qwen3.attention import BlockedAttention, KeyParts, PaddedAttention
from finerank.models.qwen3.linear import can_pack
from finerank.models.qwen3.segments import KeyValues, Layout, RowBlock, Segment

HEADS, KV_HEADS, HEAD_DIM = 6, 2, 8


def _batch(max_rows: int) -> Layout:
    """Three levels of prefix, short and long tails, and a segment that continues a kept prefix."""
    kept = KeyValues([torch.randn(5, KV_HEADS, HEAD_DIM)], [torch.randn(5, KV_HEADS, HEAD_DIM)])
    system = Segment(range(4))
    query = Segment(range(3), (system,))
    tails = [Segment(range(length), (system, query), is_scored=True) for length in (1, 7, 40, 2, 7)]
    other = Segment(range(9), (kept,), is_scored=True)
    return Layout([system, query, *tails, other], max_rows)


class RandomKeys:
    """Keys and values of a layer, put together piece by piece."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.keys, self.values = (torch.randn(layout.num_rows, KV_HEADS, HEAD_DIM) for _ in range(2))

    def parts_of(self, segment: Segment) -> KeyParts:
        parts = KeyParts([], [])
        for part in (*segment.past, segment):
            is_kept = isinstance(part, KeyValues)
            parts.keys.append(part.keys[0] if is_kept else self.keys[part.start : part.end])
            parts.values.append(part.values[0] if is_kept else self.values[part.start : part.end])
        return parts

    def of(self, segment: Segment) -> tuple[Tensor, Tensor]:
        parts = self.parts_of(segment)
        return torch.cat(parts.keys), torch.cat(parts.values)

    def flat(self) -> tuple[Tensor, Tensor]:
        kept = self.layout.kept
        keys = torch.cat([self.keys, *(each.keys[0] for each in kept)])
        return keys, torch.cat([self.values, *(each.values[0] for each in kept)])

    def flat_rows(self, segment: Segment) -> Tensor:
        return self.layout.flat_rows(segment)


def test_flat_rows_are_what_a_segment_sees() -> None:
    layout = _batch(16)
    keys = RandomKeys(layout)
    for segment in layout.segments:
        for flat, own in zip(keys.flat(), keys.of(segment), strict=True):
            assert torch.equal(flat[keys.flat_rows(segment)], own)


def _plain(block: RowBlock, queries: Tensor, keys: RandomKeys) -> Tensor:
    rows = []
    for span in block.spans:
        seen_keys, seen_values = keys.of(span.segment)
        for row in range(span.start, span.end):
            num_seen = span.num_keys - (span.end - 1 - row)
            per_kv = HEADS // KV_HEADS
            k = seen_keys[:num_seen].repeat_interleave(per_kv, 1).double()
            v = seen_values[:num_seen].repeat_interleave(per_kv, 1).double()
            weights = torch.softmax(torch.einsum("hd,khd->hk", queries[row].double(), k), -1)
            rows.append(torch.einsum("hk,khd->hd", weights, v).flatten())
    return torch.stack(rows).float()


@pytest.mark.parametrize("max_rows", [1, 5, 16, 1000])
@pytest.mark.parametrize("scores_bytes", [1, 4_000, 8 << 20])
def test_blocked_equals_plain(max_rows: int, scores_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "_SCORES_BYTES", scores_bytes)
    _check(BlockedAttention(), max_rows)


@pytest.mark.parametrize("max_rows", [5, 16, 1000])
@pytest.mark.parametrize("scores_bytes", [1, 8 << 20])
def test_long_equals_plain(max_rows: int, scores_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way of long documents, on short ones."""
    if not can_pack(torch.float32):
        pytest.skip("this torch has no packed product")
    small = {"_LONG_ROWS": 1, "_LONG_KEYS": 1, "_FEWEST_ROWS": 3, "_MOST_LONG_ROWS": 7, "_SCORES_BYTES": scores_bytes}
    for name, value in small.items():
        monkeypatch.setattr(attention, name, value)
    _check(BlockedAttention(), max_rows)


@pytest.mark.parametrize("max_rows", [1, 5, 16, 1000])
@pytest.mark.parametrize(("waste", "most"), [(1.0, 1 << 26), (1.5, 1 << 26), (100.0, 1 << 26), (100.0, 200)])
def test_padded_equals_plain(max_rows: int, waste: float, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "_PADDED_WASTE", waste)
    monkeypatch.setattr(attention, "_PADDED_SCORES", most)
    _check(PaddedAttention(), max_rows)


def _check(attend: attention.Attention, max_rows: int) -> None:
    torch.manual_seed(max_rows)
    layout = _batch(max_rows)
    keys = RandomKeys(layout)
    queries = torch.randn(layout.num_rows, HEADS, HEAD_DIM)
    covered = 0
    for block in layout.blocks:
        assert block.end - block.start <= max_rows
        rows = queries[block.start : block.end]
        for _ in range(2):  # the second layer of a batch uses what the first has worked out
            keys = RandomKeys(layout)
            result = attend(block, rows, keys)
            torch.testing.assert_close(result, _plain(block, queries, keys), rtol=1e-5, atol=1e-5)
        covered += block.end - block.start
    assert covered == layout.num_rows


@pytest.mark.parametrize("attend", [BlockedAttention(), PaddedAttention()])
def test_last_tokens_only(attend: attention.Attention) -> None:
    layout = _batch(16)
    keys = RandomKeys(layout)
    queries = torch.randn(layout.num_rows, HEADS, HEAD_DIM)
    block = layout.last_block
    assert block is not None
    rows = queries[[span.start for span in block.spans]]
    result = attend(block, rows, keys)
    torch.testing.assert_close(result, _plain(block, queries, keys), rtol=1e-5, atol=1e-5)
