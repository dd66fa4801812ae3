"""Attention for transformers' networks over sequences that stand one after another: no padding, no mask.

transformers hands keyword arguments that a network does not know on to its attention, so `spans` reaches it from the
call of the network. Works for every network that asks for its attention by name (`ALL_ATTENTION_FUNCTIONS`).
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Final, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface

PACKED: Final = "finerank_packed"
"""What `attn_implementation` is to be."""

Span: TypeAlias = tuple[int, int]
"""Rows [start, end) of a sequence."""


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    spans: Sequence[Span],
    scaling: float | None = None,
    sliding_window: int | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """query (1, H, N, dh), key and value (1, G, N, dh) of all sequences -> (1, N, H, dh); each sees itself only.

    sliding_window: a row sees those less than so many rows away, as ModernBERT means it (its attention gets half of
    `local_attention`, plus one).
    """
    is_causal = bool(getattr(module, "is_causal", False))
    num_groups = key.shape[1]
    if num_groups != query.shape[1]:  # the CPU's fused kernel takes as many keys as queries only
        key, value = (each.repeat_interleave(query.shape[1] // num_groups, dim=1) for each in (key, value))
    lengths = [end - start for start, end in spans]  # slices would each get a gradient as long as the whole row
    queries, keys, values = (torch.split(each, lengths, dim=2) for each in (query, key, value))
    mixed = [
        _attention(q, k, v, is_causal, scaling, sliding_window) for q, k, v in zip(queries, keys, values, strict=True)
    ]
    return torch.cat(mixed, dim=2).transpose(1, 2), None


def _attention(
    query: Tensor, key: Tensor, value: Tensor, is_causal: bool, scaling: float | None, window: int | None
) -> Tensor:
    """Of one sequence."""
    band = _band(query.shape[2], window, is_causal, query.device)
    is_causal = is_causal and band is None
    return F.scaled_dot_product_attention(query, key, value, attn_mask=band, is_causal=is_causal, scale=scaling)


def spans_of(lengths: Sequence[int]) -> list[Span]:
    ends = list(accumulate(lengths))
    return [(end - length, end) for end, length in zip(ends, lengths, strict=True)]


def _band(length: int, window: int | None, is_causal: bool, device: torch.device) -> Tensor | None:
    """(length, length) of what is seen through a window; None where it shows all."""
    if window is None or length <= window:
        return None
    place = torch.arange(length, device=device)
    back = place[:, None] - place[None, :]
    return (back < window) & (back >= 0) if is_causal else back.abs() < window


def _no_mask(*_: Any, **__: Any) -> None:
    """The spans say it all."""


AttentionInterface.register(PACKED, packed_attention)
AttentionMaskInterface.register(PACKED, _no_mask)
