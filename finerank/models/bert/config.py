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
