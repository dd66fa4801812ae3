from typing import Any

import pytest

from finerank.errors import DamagedError, UnsupportedError
from finerank.models.qwen3.config import Qwen3Config

CONFIG: dict[str, Any] = {
    "hidden_size": 1024,
    "intermediate_size": 3072,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 151_669,
    "max_position_embeddings": 40_960,
    "rope_theta": 1_000_000,
    "tie_word_embeddings": True,
    "rope_scaling": None,
    "sliding_window": None,
    "use_sliding_window": False,
    "attention_bias": False,
    "hidden_act": "silu",
}


def test_the_06b_is_read() -> None:
    config = Qwen3Config.from_dict(CONFIG)
    assert (config.heads_per_kv, config.rope_theta, config.has_tied_head) == (2, 1e6, True)
    assert config.linear_parameters * config.num_layers == 440_401_920  # the 0.6B without its embedding and norms


def test_new_spelling_of_rope() -> None:
    config = {key: value for key, value in CONFIG.items() if not key.startswith("rope")}
    config["rope_parameters"] = {"rope_theta": 5e5, "rope_type": "default"}
    assert Qwen3Config.from_dict(config).rope_theta == 5e5


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"rope_scaling": {"type": "yarn", "factor": 4.0}}, "yarn"),
        ({"rope_parameters": {"rope_type": "linear", "rope_theta": 1e6}}, "linear"),
        ({"rope_parameters": {"rope_theta": 1e6, "partial_rotary_factor": 0.5}}, "partial rotary"),
        ({"use_sliding_window": True}, "sliding-window"),
        ({"layer_types": ["full_attention", "sliding_attention"]}, "sliding-window"),
        ({"attention_bias": True}, "biases in attention"),
        ({"mlp_bias": True}, "biases in the MLP"),
        ({"hidden_act": "gelu"}, "'gelu'"),
        ({"quantization_config": {"quant_method": "gptq"}}, "quantised"),
    ],
)
def test_what_is_not_implemented_is_refused(change: dict[str, Any], named: str) -> None:
    with pytest.raises(UnsupportedError, match=named):
        Qwen3Config.from_dict(CONFIG | change)


@pytest.mark.parametrize("change", [{"hidden_size": None}, {"vocab_size": 0}, {"num_key_value_heads": 3}])
def test_impossible_sizes_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(DamagedError):
        Qwen3Config.from_dict(CONFIG | change)
