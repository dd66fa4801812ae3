"""transformers' networks with the packed products of qwen3/linear.py: the same numbers, sooner, on a CPU."""

from typing import Any, cast

import torch
from torch import Tensor, nn

from .qwen3.linear import can_pack

_ROWS_HINT = 512


class PackedLinearModule(nn.Module):
    """An `nn.Linear` whose weight lies in the blocks that oneDNN multiplies in."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features = linear.in_features
        self.out_features = linear.out_features
        # Not a parameter: nothing but this product can read it.
        self._packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach().contiguous(), _ROWS_HINT)
        self._bias = None if linear.bias is None else linear.bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = torch.ops.mkldnn._linear_pointwise.default(x, self._packed, self._bias, "none", [], "")
        return result


def pack_linears(network: nn.Module) -> int:
    """Replaces every plain `nn.Linear` of a network on the CPU, in place; how many there were.

    A layer that the network also uses by its weight (a tied one, one that code looks at) stays as it is: whatever
    shares its weight with another is left alone, and whoever calls this compares results before and after.
    """
    weights = [id(parameter) for _, parameter in network.named_parameters(remove_duplicate=False)]
    count = 0
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Linear and _is_packable(child) and weights.count(id(child.weight)) == 1:
                setattr(module, name, PackedLinearModule(child))
                count += 1
    return count


def unpacked(network: nn.Module) -> dict[str, nn.Linear]:
    """The layers that `pack_linears` would replace, by their place, to put them back if need be."""
    return {name: cast(Any, module) for name, module in network.named_modules() if type(module) is nn.Linear}


def put_back(network: nn.Module, layers: dict[str, nn.Linear]) -> None:
    """Undoes `pack_linears`."""
    for name, layer in layers.items():
        network.set_submodule(name, layer)


def _is_packable(linear: nn.Linear) -> bool:
    return linear.weight.device.type == "cpu" and can_pack(linear.weight.dtype)
