"""What a BertForSequenceClassification has behind its network: pooler and classifier."""

from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from ...errors import DamagedError, UnsupportedError
from ..pretrained import refuse_missing_head
from ..tensors import TensorSource

_NAMES: Final = ("pooler.dense.weight", "pooler.dense.bias", "classifier.weight", "classifier.bias")
_HEADS: Final = ("pooler.", "classifier.")


class PairHead:
    """log-odds of pairs, from the hidden states of their first tokens, in fp32.

    tensors: with or without `bert.` before the pooler's.   labels: 1, or 2 of which `yes_label` means relevant.
    place: for messages.
    Raises DamagedError if one is missing or has the wrong shape, UnsupportedError if the head is more than this.
    """

    def __init__(
        self, tensors: TensorSource, width: int, device: torch.device, *, labels: int, yes_label: int, place: Path
    ) -> None:
        stored = {name.removeprefix("bert."): name for name in tensors.names()}
        strangers = sorted(name for name in stored if name.startswith(_HEADS) and name not in _NAMES)
        if strangers:
            raise UnsupportedError(f"the head has a tensor {strangers[0]!r}, which would be ignored here")
        refuse_missing_head(place, [name for name in _NAMES if name not in stored])
        shapes = ((width, width), (width,), (labels, width), (labels,))
        for name, shape in zip(_NAMES, shapes, strict=True):
            found = tensors.spec(stored[name]).shape
            if found != shape:
                raise DamagedError(
                    f"tensor {name!r} is {found}, the labels and sizes of the checkpoint ask for "
                    f"{shape}; they do not belong together"
                )
        self._pooler, self._pooler_bias, rows, biases = (
            tensors.get(stored[name]).float().to(device) for name in _NAMES
        )
        # Two labels are one direction: the difference of their rows.
        no_label = 1 - yes_label
        self.row = rows[0] if labels == 1 else rows[yes_label] - rows[no_label]
        self._bias = biases[0] if labels == 1 else biases[yes_label] - biases[no_label]

    @torch.inference_mode()
    def log_odds(self, first: Tensor) -> Tensor:
        """(B, D) -> (B,)."""
        pooled = torch.tanh(torch.addmm(self._pooler_bias, first.float(), self._pooler.T))
        return torch.mv(pooled, self.row) + self._bias
