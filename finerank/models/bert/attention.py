"""Attention of texts of one length among themselves, for the BERT network.

In bf16 on a CPU that multiplies it natively, two products and a softmax between them are nearly twice as fast as
torch's fused attention, which has few rows to work on in a text of 200 tokens with heads of 32 numbers (560 us against
1,007 for 12 heads, one thread of a Zen 5 EPYC, 2026-11-21). Scores are rounded to bf16 there. Everywhere else, and for
short single texts, the fused attention serves.
"""

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from ...hardware import multiplies_bfloat16

_FEWEST_SCORES: Final = 20_000
"""Below, calls cost more than they save: at 12 heads and one text of 40 tokens."""
_MOST_SCORES: Final = 1 << 20
"""Of texts that are attended to at once, so that 2 MB of scores stay in the cache; a longer text stands alone."""


class Attention:
    """softmax(Q K^T / sqrt(dh)) V.   Keeps its working memory, since fresh memory costs time of its own."""

    def __init__(self, num_heads: int, device: torch.device, dtype: torch.dtype) -> None:
        self._num_heads = num_heads
        self._has_products = device.type == "cpu" and dtype == torch.bfloat16 and multiplies_bfloat16(device)
        self._memory: dict[str, Tensor] = {}

    def __call__(self, joined: Tensor, num_texts: int, mixed: Tensor) -> None:
        """joined: (B·T, 3·D) queries, keys and values of `num_texts` texts of T tokens.   mixed: (B·T, D), filled."""
        length = len(joined) // num_texts
        scores = num_texts * self._num_heads * length * length
        if not self._has_products or scores < _FEWEST_SCORES:
            self._fused(joined, num_texts, mixed)
            return
        size = max(1, _MOST_SCORES * num_texts // scores)
        for start in range(0, num_texts, size):
            rows = slice(start * length, min(start + size, num_texts) * length)
            self._in_products(joined[rows], length, mixed[rows])

    def release_memory(self) -> None:
        self._memory.clear()

    def _fused(self, joined: Tensor, num_texts: int, mixed: Tensor) -> None:
        query, key, value = joined.view(num_texts, -1, 3, self._num_heads, self._head(mixed)).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(query, key, value)
        mixed.copy_(seen.transpose(1, 2).reshape(mixed.shape))

    def _in_products(self, joined: Tensor, length: int, mixed: Tensor) -> None:
        heads, width = self._num_heads, self._head(mixed)
        texts = len(joined) // length
        count = texts * heads
        sides = self._kept("sides", (3, texts, heads, length, width), joined.dtype)
        sides.copy_(joined.view(texts, length, 3, heads, width).permute(2, 0, 3, 1, 4))
        query, key, value = sides.view(3, count, length, width)
        scores = self._kept("scores", (count, length, length), joined.dtype)
        torch.baddbmm(scores, query, key.transpose(1, 2), beta=0, alpha=width**-0.5, out=scores)
        torch.softmax(scores, -1, out=scores)  # in fp32 inside
        seen = torch.bmm(scores, value, out=self._kept("seen", (count, length, width), joined.dtype))
        mixed.view(texts, length, heads, width).copy_(seen.view(texts, heads, length, width).transpose(1, 2))

    def _head(self, mixed: Tensor) -> int:
        return mixed.shape[1] // self._num_heads

    def _kept(self, name: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Memory whose numbers are anything."""
        size = torch.Size(shape).numel()
        found = self._memory.get(name)
        if found is None or len(found) < size:
            found = self._memory[name] = torch.empty(size, dtype=dtype)
        return found[:size].view(shape)
