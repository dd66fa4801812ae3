"""transformers' networks with the packed products of qwen3/linear.py: the same numbers, sooner, on a CPU."""

from collections.abc import Mapping

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


def pack_linears(network: nn.Module) -> dict[str, nn.Linear]:
    """Replaces every plain `nn.Linear` of a network on the CPU, in place; what stood there before, to put it back.

    A layer that the network also uses by its weight (a tied one, one that code looks at) stays as it is: whatever
    shares its weight with another is left alone, and whoever calls this compares results before and after.
    """
    weights = [id(parameter) for _, parameter in network.named_parameters(remove_duplicate=False)]
    layers = {
        place: module
        for place, module in network.named_modules()
        if type(module) is nn.Linear and _is_packable(module) and weights.count(id(module.weight)) == 1
    }
    replace_modules(network, {place: PackedLinearModule(layer) for place, layer in layers.items()})
    return layers


def replace_modules(network: nn.Module, modules: Mapping[str, nn.Module]) -> None:
    """modules: by their places."""
    for place, module in modules.items():
        network.set_submodule(place, module)


def _is_packable(linear: nn.Linear) -> bool:
    return linear.weight.device.type == "cpu" and can_pack(linear.weight.dtype)
