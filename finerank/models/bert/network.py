"""The BERT network: packed rows in, hidden states out.

Matrix products see no padding row; attention runs over texts of one length at a time, so it needs no mask either. The
residual stream and the norms are fp32 in every dtype; matrix products and attention (attention.py) run in `dtype`.

Letters in shapes: R rows of a batch, B texts, D hidden, H heads.
"""

from collections.abc import Callable
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import DamagedError, UnsupportedError
from ..qwen3.linear import Linear, make_linear
from ..tensors import TensorSource
from .attention import Attention
from .config import BertConfig
from .rows import Rows

_NOT_NEEDED: Final = ("pooler.", "cls.", "classifier.", "embeddings.position_ids")
"""Heads, which are read by whoever has a use for them, and numbers that count up from 0."""


class BertNetwork:
    """Weights on a device, and the way through them.

    tensors: named as in a BertModel, with or without `bert.` before it.
    Raises UnsupportedError if they are named otherwise or are more than this network computes, DamagedError if one has
    the wrong shape.
    """

    def __init__(self, config: BertConfig, tensors: TensorSource, device: torch.device, dtype: torch.dtype) -> None:
        self.config = config
        self.device = device
        load = _Loader(tensors, device, dtype)
        width = config.hidden_size
        self._words = load.tensor("embeddings.word_embeddings.weight", (config.vocab_size, width))
        self._positions = load.tensor("embeddings.position_embeddings.weight", (config.max_positions, width))
        self._types = load.tensor("embeddings.token_type_embeddings.weight", (config.num_token_types, width))
        self._norm = _Norm(load, "embeddings.LayerNorm", config)
        self._attention = Attention(config.num_heads, device, dtype)
        places = [f"encoder.layer.{index}." for index in range(config.num_layers)]
        self._layers = [_Layer(load, place, config, self._attention) for place in places]
        load.refuse_leftovers()

    @torch.inference_mode()
    def run(self, rows: Rows, *, first_only: bool = False, on_pause: Callable[[], None] | None = None) -> Tensor:
        """Hidden states after the last layer, fp32, in the order of the layout: (R, D), or with `first_only` (B, D) of
        each text's first token, for which the last layer is mostly left out.

        on_pause: called between layers; it may run another batch.
        """
        hidden = self._embed(rows)
        for layer in self._layers[:-1]:
            hidden = layer.finish(hidden, layer.attend(hidden, rows))
            if on_pause is not None:
                on_pause()
        last = self._layers[-1]
        mixed = last.attend(hidden, rows)
        if first_only:
            starts = rows.starts.to(self.device)
            hidden, mixed = hidden[starts], mixed[starts]
        return last.finish(hidden, mixed)

    def release_memory(self) -> None:
        """Gives back what is kept for speed only."""
        self._attention.release_memory()

    def _embed(self, rows: Rows) -> Tensor:
        hidden = F.embedding(rows.ids.to(self.device), self._words).float()
        hidden += F.embedding(rows.positions.to(self.device), self._positions)
        hidden += self._types[0] if rows.types is None else F.embedding(rows.types.to(self.device), self._types)
        return self._norm(hidden)


class _Layer:
    """prefix: of the names of its tensors."""

    def __init__(self, load: "_Loader", prefix: str, config: BertConfig, attention: Attention) -> None:
        width, wide = config.hidden_size, config.intermediate_size
        self._attention = attention
        self._dtype = load.dtype
        sides = [f"{prefix}attention.self.{side}" for side in ("query", "key", "value")]
        self._query_key_value = load.linear(sides, width, width)
        self._output = load.linear([f"{prefix}attention.output.dense"], width, width)
        self._attention_norm = _Norm(load, f"{prefix}attention.output.LayerNorm", config)
        self._up = load.linear([f"{prefix}intermediate.dense"], width, wide)
        self._down = load.linear([f"{prefix}output.dense"], wide, width)
        self._output_norm = _Norm(load, f"{prefix}output.LayerNorm", config)

    def attend(self, hidden: Tensor, rows: Rows) -> Tensor:
        """(R, D) in `dtype`: what each row takes from the rows of its text."""
        joined = self._query_key_value(hidden.to(self._dtype))
        mixed = joined.new_empty(hidden.shape)
        for group in rows.groups:
            part = slice(group.start, group.end)
            self._attention(joined[part], group.num_texts, mixed[part])
        return mixed

    def finish(self, hidden: Tensor, mixed: Tensor) -> Tensor:
        """The rest of the layer on any of its rows."""
        hidden = self._attention_norm(hidden + self._output(mixed))
        return self._output_norm(hidden + self._down(self._up.gelu(hidden.to(self._dtype))))


class _Norm:
    """Layer norm in fp32."""

    def __init__(self, load: "_Loader", name: str, config: BertConfig) -> None:
        self._weight, self._bias = (
            load.tensor(f"{name}.{part}", (config.hidden_size,), torch.float32) for part in ("weight", "bias")
        )
        self._eps = config.norm_eps

    def __call__(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self._weight.shape, self._weight, self._bias, self._eps)


class _Loader:
    """Tensors by name, each asked for once."""

    def __init__(self, source: TensorSource, device: torch.device, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self._source = source
        self._device = device
        self._names = {name.removeprefix("bert."): name for name in source.names()}
        self._left = set(self._names)

    def tensor(self, name: str, shape: tuple[int, ...], dtype: torch.dtype | None = None) -> Tensor:
        if name not in self._names:
            raise UnsupportedError(f"the checkpoint has no tensor {name!r}, which a BERT has")
        tensor = self._source.get(self._names[name])
        if tuple(tensor.shape) != shape:
            raise DamagedError(
                f"tensor {name!r} is {tuple(tensor.shape)}, config.json asks for {shape}; they do not belong together"
            )
        self._left.discard(name)
        return tensor.to(self._device, self.dtype if dtype is None else dtype)

    def linear(self, names: list[str], num_in: int, num_out: int) -> Linear:
        """One product in place of several that have the same input."""
        weights = [self.tensor(f"{name}.weight", (num_out, num_in)) for name in names]
        biases = [self.tensor(f"{name}.bias", (num_out,)) for name in names]
        return make_linear(torch.cat(weights), torch.cat(biases))

    def refuse_leftovers(self) -> None:
        strangers = sorted(name for name in self._left if not name.startswith(_NOT_NEEDED))
        if strangers:
            raise UnsupportedError(f"the checkpoint has a tensor {strangers[0]!r}, which this network would ignore")
