"""The shape of a BERT checkpoint, read from its config.json and checked against what the network implements."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from ...errors import UnsupportedError

_AS_IMPLEMENTED: Final[Mapping[str, Any]] = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
    "auto_map": None,
}
"""Except for the first, also what a config.json that names none of them means."""


@dataclass(frozen=True, slots=True)
class BertConfig:
    """Sizes of the network. D = hidden_size, H = num_heads."""

    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    vocab_size: int
    max_positions: int
    num_token_types: int
    norm_eps: float

    @property
    def product_shapes(self) -> list[tuple[int, int]]:
        """(in, out) of each matrix product of a layer: query with key and value, output, up, down."""
        hidden, wide = self.hidden_size, self.intermediate_size
        return [(hidden, 3 * hidden), (hidden, hidden), (hidden, wide), (wide, hidden)]

    def product_flop(self, computed_tokens: int, num_texts: int) -> float:
        """Floating-point operations of the matrix products of a batch whose first tokens alone are read: all layers
        for all tokens, but of the last layer only query, key and value; the rest of it for first tokens. Attention is
        not counted.
        """
        of_layer = sum(num_in * num_out for num_in, num_out in self.product_shapes)
        joined = 3 * self.hidden_size * self.hidden_size
        for_all = (self.num_layers - 1) * of_layer + joined
        return 2.0 * (computed_tokens * for_all + num_texts * (of_layer - joined))

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> Self:
        """Raises UnsupportedError for what this network does not compute."""
        for name, expected in _AS_IMPLEMENTED.items():
            found = config.get(name, None if name == "model_type" else expected)
            if found != expected:
                raise UnsupportedError(f"{name} is {found!r}; the BERT network here computes {expected!r} only")
        try:
            made = cls(
                hidden_size=int(config["hidden_size"]),
                intermediate_size=int(config["intermediate_size"]),
                num_layers=int(config["num_hidden_layers"]),
                num_heads=int(config["num_attention_heads"]),
                vocab_size=int(config["vocab_size"]),
                max_positions=int(config["max_position_embeddings"]),
                num_token_types=int(config["type_vocab_size"]),
                norm_eps=float(config["layer_norm_eps"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise UnsupportedError(f"config.json does not say all that the BERT network needs: {error}") from None
        if made.num_layers < 1 or made.num_heads < 1 or made.hidden_size % made.num_heads:
            raise UnsupportedError(f"{made.num_layers} layers of {made.hidden_size} / {made.num_heads} make no network")
        return made
