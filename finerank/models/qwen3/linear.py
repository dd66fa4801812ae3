"""Matrix products, and the activation that follows them.

On a CPU the weight is laid out once in the blocks that oneDNN multiplies in, and the activation is applied while a
block is still in registers: 8 % (bf16) to 30 % (fp32) faster than `F.linear` at 512 rows, twice at 64 (dev/LOG.md,
2026-11-21). The operator is torch's own, made for its compiler and therefore private; where it is missing or
refuses, `F.linear` serves.
"""

from typing import Final, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

_ROWS_HINT: Final = 512
"""Rows that oneDNN lays the weight out for; the same layout was as fast at 64 and at 4,096."""


class Linear(Protocol):
    """x (R, in) -> (R, out)."""

    def __call__(self, x: Tensor) -> Tensor: ...

    def gelu(self, x: Tensor) -> Tensor:
        """gelu(x W + b), the exact one."""

    def silu(self, x: Tensor) -> Tensor:
        """silu(x W)."""

    def times(self, x: Tensor, factor: Tensor) -> Tensor:
        """(x W) * factor, elementwise."""


class PlainLinear:
    """`F.linear`: CUDA, MPS, and CPUs without oneDNN."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        self.weight = weight
        self.bias = bias

    def __call__(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)

    def gelu(self, x: Tensor) -> Tensor:
        return F.gelu(self(x))

    def silu(self, x: Tensor) -> Tensor:
        return F.silu(self(x))

    def times(self, x: Tensor, factor: Tensor) -> Tensor:
        return self(x).mul_(factor)


class PackedLinear:
    """oneDNN on a CPU, with the weight in its blocked layout."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), _ROWS_HINT)
        self.bias = bias

    def __call__(self, x: Tensor) -> Tensor:
        return self._apply(x, "none")

    def gelu(self, x: Tensor) -> Tensor:
        return self._apply(x, "gelu", "none")

    def silu(self, x: Tensor) -> Tensor:
        return self._apply(x, "swish")

    def times(self, x: Tensor, factor: Tensor) -> Tensor:
        result: Tensor = torch.ops.mkldnn._linear_pointwise.binary(x, factor, self.weight, self.bias, "mul")
        return result

    def _apply(self, x: Tensor, activation: str, algorithm: str = "") -> Tensor:
        product = torch.ops.mkldnn._linear_pointwise.default
        result: Tensor = product(x, self.weight, self.bias, activation, [], algorithm)
        return result


def make_linear(weight: Tensor, bias: Tensor | None = None) -> Linear:
    """The fastest product for a weight (out, in) and a bias (out,) on the device and in the dtype they have."""
    if weight.device.type == "cpu" and can_pack(weight.dtype):
        return PackedLinear(weight, bias)
    return PlainLinear(weight.contiguous(), bias)


def can_pack(dtype: torch.dtype) -> bool:
    """Does this build of torch have the packed product for `dtype`, and does it give the right numbers?"""
    if dtype not in _can_pack:
        _can_pack[dtype] = _try_packed(dtype)
    return _can_pack[dtype]


_can_pack: dict[torch.dtype, bool] = {}


def _try_packed(dtype: torch.dtype) -> bool:
    if dtype not in (torch.float32, torch.bfloat16) or not torch._C._has_mkldnn:
        return False
    generator = torch.Generator().manual_seed(0)
    x, weight, factor = (torch.randn(rows, 32, generator=generator).to(dtype) for rows in (3, 32, 3))
    bias = factor[0].contiguous()
    plain = PlainLinear(weight, bias)
    try:
        packed = PackedLinear(weight, bias)
        pairs = (
            (packed(x), plain(x)),
            (packed.gelu(x), plain.gelu(x)),
            (packed.silu(x), plain.silu(x)),
            (packed.times(x, factor), plain.times(x, factor)),
        )
    except (RuntimeError, AttributeError):
        return False
    return all(torch.allclose(a.float(), b.float(), rtol=0.02, atol=0.1) for a, b in pairs)
