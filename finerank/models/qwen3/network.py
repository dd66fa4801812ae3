"""The Qwen3 network, as far as a reranker needs it: packed rows in, hidden states of last tokens out.

A batch goes through layer by layer. Within a layer first the keys and values of all rows are computed, then,
block of rows by block of rows, everything else; so only one layer's keys and values exist at a time and a
32,768-token document needs no more than its hidden states and those. The last layer runs on last tokens only.

The residual stream, the norms and the rotary positions are fp32 in every dtype; matrix products run in `dtype`.

Letters in shapes: N rows of a batch, R of a block, D hidden, H heads, G key-value heads, dh head_dim.
"""

from collections.abc import Callable, Sequence
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import DamagedError
from ..tensors import TensorSource
from .attention import Attention, KeyParts, attention_for
from .config import Qwen3Config
from .linear import Linear, make_linear
from .segments import KeyValues, Layout, RowBlock, Segment

_EMBEDDING: Final = "model.embed_tokens.weight"
_NOT_NEEDED: Final = ("lm_head.weight", "score.weight", "rotary_emb.inv_freq")
_CPU_BLOCK_ROWS: Final = 1024
"""4 % faster than 512 where documents of 300 tokens would fill half a block each, no slower elsewhere."""
_GPU_BLOCK_ROWS: Final = 8192


class Qwen3Network:
    """Weights on a device, and the way through them.

    Raises DamagedError if a tensor is missing, has the wrong shape, or is one that the network would ignore.
    """

    def __init__(self, config: Qwen3Config, tensors: TensorSource, device: torch.device, dtype: torch.dtype) -> None:
        self.config = config
        self.device = device
        self.dtype = dtype
        self.block_rows = _CPU_BLOCK_ROWS if device.type == "cpu" else _GPU_BLOCK_ROWS
        load = _Loader(tensors, device, dtype)
        self._embedding = load.raw(_EMBEDDING, (config.vocab_size, config.hidden_size))
        self._layers = [_Layer(config, index, load) for index in range(config.num_layers)]
        self._final_norm = load.vector("model.norm.weight", config.hidden_size)
        load.refuse_leftovers()
        self._rotary = _Rotary(config, device)

    @torch.inference_mode()
    def run(
        self, segments: Sequence[Segment], block_rows: int | None = None, on_pause: Callable[[], None] | None = None
    ) -> Tensor:
        """Final-norm hidden states (B, D), fp32, of the last tokens of the scored segments, in their order.

        Fills `kept` of the segments that have one.   block_rows: fewer take less memory.
        on_pause: called before every block of rows; it may run another batch.
        """
        pause = on_pause or _go_on
        layout = Layout(segments, self.block_rows if block_rows is None else block_rows)
        hidden = self._embed(segments)
        rotary = self._rotary(self._positions(layout))
        attention = attention_for(self.device)
        for layer in self._layers[:-1]:
            state = _LayerState(self, layer, layout, hidden, rotary)
            for block in layout.blocks:
                pause()
                rows = slice(block.start, block.end)
                state.finish(block, hidden[rows], rows, attention)
            del state  # or its keys and values would live beside the next layer's
        last = _LayerState(self, self._layers[-1], layout, hidden, rotary)
        if layout.last_block is None:
            return hidden.new_empty(0, self.config.hidden_size)
        last_rows = torch.tensor([span.start for span in layout.last_block.spans], device=self.device)
        scored = hidden[last_rows]
        last.finish(layout.last_block, scored, last_rows, attention)
        return _rms_norm(scored, self._final_norm, self.config.rms_eps)

    def _embed(self, segments: Sequence[Segment]) -> Tensor:
        ids = torch.tensor([token for segment in segments for token in segment.ids])
        rows = F.embedding(ids.to(self._embedding.device), self._embedding)
        return rows.to(self.device, torch.float32)

    def _positions(self, layout: Layout) -> Tensor:
        positions = [torch.arange(each.num_past, each.num_past + each.num_tokens) for each in layout.segments]
        return torch.cat(positions).to(self.device)


def _go_on() -> None:
    """Nobody asked to be called in a pause."""


class _Layer:
    """Weights of one layer."""

    def __init__(self, config: Qwen3Config, index: int, load: "_Loader") -> None:
        name = f"model.layers.{index}"
        hidden, wide = config.hidden_size, config.intermediate_size
        queries, keys = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
        self.index = index
        self.input_norm = load.vector(f"{name}.input_layernorm.weight", hidden)
        self.query_norm = load.vector(f"{name}.self_attn.q_norm.weight", config.head_dim) * config.head_dim**-0.5
        self.key_norm = load.vector(f"{name}.self_attn.k_norm.weight", config.head_dim)
        self.query = load.linear(f"{name}.self_attn.q_proj.weight", (queries, hidden))
        self.key = load.linear(f"{name}.self_attn.k_proj.weight", (keys, hidden))
        self.value = load.linear(f"{name}.self_attn.v_proj.weight", (keys, hidden))
        self.output = load.linear(f"{name}.self_attn.o_proj.weight", (hidden, queries))
        self.mlp_norm = load.vector(f"{name}.post_attention_layernorm.weight", hidden)
        self.gate = load.linear(f"{name}.mlp.gate_proj.weight", (wide, hidden))
        self.up = load.linear(f"{name}.mlp.up_proj.weight", (wide, hidden))
        self.down = load.linear(f"{name}.mlp.down_proj.weight", (hidden, wide))


class _LayerState:
    """One layer at work on one batch: holds the keys and values of all rows while its blocks are finished."""

    def __init__(
        self, network: Qwen3Network, layer: _Layer, layout: Layout, hidden: Tensor, rotary: tuple[Tensor, Tensor]
    ) -> None:
        self.layer = layer
        self.layout = layout
        self.config = network.config
        self.dtype = network.dtype
        self.rotary = rotary
        shape = (layout.num_rows, self.config.num_kv_heads, self.config.head_dim)
        # On a CPU the scores are an fp32 product (its bf16 product would round them), so keys stay fp32 there.
        key_dtype = torch.float32 if hidden.device.type == "cpu" else self.dtype
        self.keys = hidden.new_empty(shape, dtype=key_dtype)
        self.values = hidden.new_empty(shape, dtype=self.dtype)
        for block in layout.blocks:
            self._fill_keys_and_values(slice(block.start, block.end), hidden)
        self._joined: tuple[Segment, Tensor, Tensor] | None = None
        self._flat: tuple[Tensor, Tensor] | None = None
        self._keep()

    def finish(self, block: RowBlock, hidden: Tensor, rows: slice | Tensor, attention: Attention) -> None:
        """The rest of the layer on a block's hidden states (R, D), in place. rows: which of the batch's they are."""
        layer, eps = self.layer, self.config.rms_eps
        normed = _rms_norm(hidden, layer.input_norm, eps, self.dtype)
        queries = layer.query(normed).view(len(hidden), self.config.num_heads, self.config.head_dim).float()
        queries = _norm_and_rotate(queries, layer.query_norm, eps, self._rotary_of(rows))
        mixed = attention(block, queries.to(self.keys.dtype), self)
        hidden += layer.output(mixed)
        normed = _rms_norm(hidden, layer.mlp_norm, eps, self.dtype)
        hidden += layer.down(layer.up.times(normed, layer.gate.silu(normed)))

    def _fill_keys_and_values(self, rows: slice, hidden: Tensor) -> None:
        layer, eps = self.layer, self.config.rms_eps
        normed = _rms_norm(hidden[rows], layer.input_norm, eps, self.dtype)
        keys = layer.key(normed).view(-1, self.config.num_kv_heads, self.config.head_dim).float()
        self.keys[rows] = _norm_and_rotate(keys, layer.key_norm, eps, self._rotary_of(rows))
        self.values[rows] = layer.value(normed).view_as(keys)

    def _rotary_of(self, rows: slice | Tensor) -> tuple[Tensor, Tensor]:
        return self.rotary[0][rows], self.rotary[1][rows]

    def parts_of(self, segment: Segment) -> KeyParts:
        """As LayerKeys."""
        parts = [self._rows_of(part) for part in (*segment.past, segment)]
        return KeyParts([keys for keys, _ in parts], [values for _, values in parts])

    def of(self, segment: Segment) -> tuple[Tensor, Tensor]:
        """As LayerKeys; the last segment's are remembered, as its spans come one after another."""
        parts = self.parts_of(segment)
        if len(parts.keys) == 1:
            return parts.keys[0], parts.values[0]
        if self._joined is None or self._joined[0] is not segment:
            self._joined = (segment, torch.cat(parts.keys), torch.cat(parts.values))
        return self._joined[1:]

    def flat(self) -> tuple[Tensor, Tensor]:
        """As LayerKeys."""
        if self._flat is None:
            kept = [self._rows_of(part) for part in self.layout.kept]
            keys = torch.cat([self.keys, *(keys for keys, _ in kept)]) if kept else self.keys
            values = torch.cat([self.values, *(values for _, values in kept)]) if kept else self.values
            self._flat = keys, values
        return self._flat

    def flat_rows(self, segment: Segment) -> Tensor:
        """As LayerKeys."""
        return self.layout.flat_rows(segment)

    def _rows_of(self, part: Segment | KeyValues) -> tuple[Tensor, Tensor]:
        if isinstance(part, KeyValues):
            return part.keys[self.layer.index], part.values[self.layer.index]
        return self.keys[part.start : part.end], self.values[part.start : part.end]

    def _keep(self) -> None:
        for segment in self.layout.segments:
            if segment.kept is not None:
                segment.kept.keys.append(self.keys[segment.start : segment.end].clone())
                segment.kept.values.append(self.values[segment.start : segment.end].clone())


class _Rotary:
    """cos and sin of the rotary positions, from a table that grows with the longest prompt seen."""

    def __init__(self, config: Qwen3Config, device: torch.device) -> None:
        # As transformers computes them, so that fp32 results agree to the last bits: powers in fp32.
        exponents = torch.arange(0, config.head_dim, 2, dtype=torch.int64).float() / config.head_dim
        self._frequencies = (1.0 / config.rope_theta**exponents).to(device)
        self._table = torch.empty(2, 0, config.head_dim // 2, device=device)

    def __call__(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """(N,) -> two of (N, 1, dh / 2)."""
        longest = int(positions.max()) + 1
        if longest > self._table.shape[1]:
            size = 1 << (longest - 1).bit_length()
            angles = torch.arange(size, device=positions.device).float()[:, None] * self._frequencies
            self._table = torch.stack([angles.cos(), angles.sin()])
        cos, sin = self._table[:, positions, None]
        return cos, sin


def _inverse_rms(x: Tensor, eps: float) -> Tensor:
    """(..., 1): 1 / sqrt(mean of squares + eps). A vector norm reads x once; `F.rms_norm` on a CPU in four passes."""
    mean: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_().div_(x.shape[-1])
    return mean.add_(eps).rsqrt_()


def _rms_norm(x: Tensor, weight: Tensor, eps: float, dtype: torch.dtype = torch.float32) -> Tensor:
    """x (R, D) fp32 -> (R, D) in `dtype`, rounded once."""
    return torch.mul(x * _inverse_rms(x, eps), weight, out=torch.empty_like(x, dtype=dtype))


def _norm_and_rotate(x: Tensor, weight: Tensor, eps: float, rotary: tuple[Tensor, Tensor]) -> Tensor:
    """RMS norm of each head, then rotary positions; x (R, heads, dh) fp32 is overwritten.

    The first half of a head's numbers pairs with the second. The norm's weight goes into the small tables of cos
    and sin instead of another pass over x.
    """
    x *= _inverse_rms(x, eps)
    first, second = x.chunk(2, dim=-1)
    weight_first, weight_second = weight.chunk(2)
    cos, sin = rotary
    rotated = torch.empty_like(x)
    low, high = rotated.chunk(2, dim=-1)
    torch.mul(first, cos * weight_first, out=low)
    low.addcmul_(second, sin * weight_second, value=-1)
    torch.mul(second, cos * weight_second, out=high)
    high.addcmul_(first, sin * weight_first)
    return rotated


class _Loader:
    """Takes tensors from a source, checks their shapes, and knows in the end whether any was left over."""

    def __init__(self, tensors: TensorSource, device: torch.device, dtype: torch.dtype) -> None:
        self._tensors = tensors
        self._device = device
        self._dtype = dtype
        self._left = set(tensors.names())

    def raw(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """As stored; stays memory-mapped on a CPU, so that only rows that are used take memory."""
        self._left.discard(name)
        tensor = self._tensors.get(name)
        if tuple(tensor.shape) != shape:
            raise DamagedError(f"tensor {name!r} is {tuple(tensor.shape)}, config.json asks for {shape}")
        return tensor.to(self._device)

    def vector(self, name: str, size: int) -> Tensor:
        return self.raw(name, (size,)).float().clone()

    def linear(self, name: str, shape: tuple[int, int]) -> Linear:
        return make_linear(self.raw(name, shape).to(self._dtype))

    def refuse_leftovers(self) -> None:
        """A tensor that nobody asked for (a bias, say) means a network that is not this one."""
        strangers = sorted(name for name in self._left if not name.endswith(_NOT_NEEDED))
        if strangers:
            raise DamagedError(
                f"the checkpoint holds {len(strangers)} tensors that config.json gives no place for, the first is "
                f"{strangers[0]!r}; config.json and weights do not belong together, or the network differs"
            )
