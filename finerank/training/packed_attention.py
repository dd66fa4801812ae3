"""Attention for transformers' networks over sequences that stand one after another: no padding, no mask.

transformers hands keyword arguments that a network does not know on to its attention, so `spans` reaches it from the
call of the network. Works for every network that asks for its attention by name (`ALL_ATTENTION_FUNCTIONS`).
"""

from collections.abc import Sequence
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface

PACKED: Final = "finerank_packed"
"""What `attn_implementation` is to be."""

Span = tuple[int, int]
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
    **_: Any,
) -> tuple[Tensor, None]:
    """query (1, H, N, dh), key and value (1, G, N, dh) of all sequences -> (1, N, H, dh); each sees itself only."""
    is_causal = bool(getattr(module, "is_causal", False))
    is_grouped = query.shape[1] != key.shape[1]
    mixed = [
        F.scaled_dot_product_attention(
            query[:, :, start:end],
            key[:, :, start:end],
            value[:, :, start:end],
            is_causal=is_causal,
            scale=scaling,
            enable_gqa=is_grouped,
        )
        for start, end in spans
    ]
    return torch.cat(mixed, dim=2).transpose(1, 2), None


def spans_of(lengths: Sequence[int]) -> list[Span]:
    ends = torch.tensor(lengths).cumsum(0).tolist()
    return [(end - length, end) for end, length in zip(ends, lengths, strict=True)]


def _no_mask(*_: Any, **__: Any) -> None:
    """The spans say it all."""


AttentionInterface.register(PACKED, packed_attention)
AttentionMaskInterface.register(PACKED, _no_mask)
