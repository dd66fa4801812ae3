"""The shape of a Qwen3 checkpoint, read from its config.json and checked against what the network implements."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ...errors import DamagedError, UnsupportedError

_SIZES: Final = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "vocab_size",
)
_DEFAULT_ROPE_THETA: Final = 10_000.0  # transformers' Qwen3Config, where a config.json names none


@dataclass(frozen=True, slots=True)
class Qwen3Config:
    """Sizes of the network. D = hidden_size, H = num_heads, G = num_kv_heads, dh = head_dim."""

    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    vocab_size: int
    max_positions: int
    rope_theta: float
    rms_eps: float
    has_tied_head: bool

    @property
    def heads_per_kv(self) -> int:
        return self.num_heads // self.num_kv_heads

    @property
    def kv_bytes_per_token(self) -> int:
        """Upper bound (fp32) of what one token's keys and values take over all layers."""
        return 8 * self.num_layers * self.num_kv_heads * self.head_dim

    @property
    def linear_parameters(self) -> int:
        """Parameters of one layer's matrix products."""
        return sum(num_in * num_out for num_in, num_out in self.product_shapes)

    @property
    def product_shapes(self) -> list[tuple[int, int]]:
        """(in, out) of each matrix product of a layer: query, key, value, output, gate, up, down."""
        hidden, wide = self.hidden_size, self.intermediate_size
        queries, keys = self.num_heads * self.head_dim, self.num_kv_heads * self.head_dim
        return [
            (hidden, queries), (hidden, keys), (hidden, keys), (queries, hidden),
            (hidden, wide), (hidden, wide), (wide, hidden),
        ]  # fmt: skip

    def product_flop(self, computed_tokens: int, num_documents: int) -> float:
        """Floating-point operations of the matrix products that a batch needs: all layers for all computed tokens,
        but of the last layer only keys and values; the rest of it for last tokens. Attention is not counted.
        """
        keys_and_values = 2 * self.hidden_size * self.num_kv_heads * self.head_dim
        for_all = (self.num_layers - 1) * self.linear_parameters + keys_and_values
        return 2.0 * (computed_tokens * for_all + num_documents * (self.linear_parameters - keys_and_values))

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> "Qwen3Config":
        """Both spellings of the rope keys are read. Raises UnsupportedError for what the network does not
        implement, DamagedError for missing or impossible sizes.
        """
        _refuse_unsupported(config)
        sizes = {key: _positive(config, key) for key in _SIZES}
        heads, kv_heads = sizes["num_attention_heads"], sizes["num_key_value_heads"]
        if heads % kv_heads:
            raise DamagedError(f"config.json: {heads} attention heads cannot share {kv_heads} key-value heads evenly")
        head_dim = int(config.get("head_dim") or sizes["hidden_size"] // heads)
        if head_dim % 2:
            raise UnsupportedError(f"config.json: head_dim is {head_dim}; rotary positions need an even one")
        return cls(
            hidden_size=sizes["hidden_size"],
            intermediate_size=sizes["intermediate_size"],
            num_layers=sizes["num_hidden_layers"],
            num_heads=heads,
            num_kv_heads=kv_heads,
            head_dim=head_dim,
            vocab_size=sizes["vocab_size"],
            max_positions=int(config.get("max_position_embeddings", 40_960)),
            rope_theta=_rope_theta(config),
            rms_eps=float(config.get("rms_norm_eps", 1e-6)),
            has_tied_head=bool(config.get("tie_word_embeddings", False)),
        )


def _positive(config: Mapping[str, Any], key: str) -> int:
    value = config.get(key)
    if not isinstance(value, int) or value < 1:
        raise DamagedError(f"config.json: {key} is {value!r}; a positive whole number is needed")
    return value


def _rope(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Newer files say `rope_parameters`, older ones `rope_theta` beside `rope_scaling`."""
    return config.get("rope_parameters") or config.get("rope_scaling") or {}


def _rope_theta(config: Mapping[str, Any]) -> float:
    theta = _rope(config).get("rope_theta", config.get("rope_theta"))
    return _DEFAULT_ROPE_THETA if theta is None else float(theta)


def _refuse_unsupported(config: Mapping[str, Any]) -> None:
    rope = _rope(config)
    rope_type = rope.get("rope_type", rope.get("type", "default"))
    layer_types = set(config.get("layer_types") or ["full_attention"])
    problems = {
        f"rope scaling of type {rope_type!r}": rope_type != "default",
        "partial rotary embeddings": rope.get("partial_rotary_factor", 1.0) != 1.0,
        "sliding-window attention": bool(config.get("use_sliding_window")) or layer_types != {"full_attention"},
        "biases in attention": bool(config.get("attention_bias")),
        "biases in the MLP": bool(config.get("mlp_bias")),
        f"the activation {config.get('hidden_act')!r}": config.get("hidden_act", "silu") != "silu",
        "weights quantised by another tool": config.get("quantization_config") is not None,
    }
    found = [name for name, is_there in problems.items() if is_there]
    if found:
        raise UnsupportedError(
            f"this checkpoint needs {' and '.join(found)}, which finerank's Qwen3 network does not implement; "
            "use a plain Qwen3-Reranker checkpoint (bf16 safetensors, default rotary positions)"
        )
