"""A Qwen3-Reranker of the real 0.6B shape with random weights: as fast as the real one, and made anywhere."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from finerank.prompt import README_FORM

CONFIG: dict[str, Any] = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "hidden_size": 1024,
    "intermediate_size": 3072,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 151_669,
    "max_position_embeddings": 40_960,
    "rope_theta": 1_000_000,
    "rms_norm_eps": 1e-6,
    "hidden_act": "silu",
    "attention_bias": False,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
}
"""Sizes of Qwen/Qwen3-Reranker-0.6B, revision e61197ed."""

# sentence-transformers builds its prompt from the checkpoint's chat template with the roles query and document.
CHAT_TEMPLATE = (
    README_FORM.system.replace("\n", "\\n").join(("{{- '", "' }}"))
    + "{{- '<Instruct>: ' + '" + README_FORM.default_instruction + "' }}"
    + "{{- '\\n<Query>: ' + (messages | selectattr('role', 'eq', 'query') | map(attribute='content') | first) }}"
    + "{{- '\\n<Document>: ' + (messages | selectattr('role', 'eq', 'document') | map(attribute='content') | first) }}"
    + README_FORM.suffix.replace("\n", "\\n").join(("{{- '", "' }}"))
)  # fmt: skip


def make_checkpoint(folder: Path, tokenizer: Path) -> Path:
    """Writes the checkpoint into `folder` unless it is there. tokenizer: folder of a Qwen3 tokenizer.json."""
    if (folder / "model.safetensors").is_file():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(tokenizer / name, folder / name)
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE)
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=1))
    save_file(_random_tensors(), folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def _random_tensors() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)

    def matrix(*shape: int) -> torch.Tensor:
        return (torch.randn(*shape, generator=generator) * 0.02).bfloat16()

    def norm(size: int) -> torch.Tensor:
        return (1 + torch.randn(size, generator=generator) * 0.1).bfloat16()

    hidden, wide = CONFIG["hidden_size"], CONFIG["intermediate_size"]
    head_dim = CONFIG["head_dim"]
    queries, keys = CONFIG["num_attention_heads"] * head_dim, CONFIG["num_key_value_heads"] * head_dim
    tensors = {"model.embed_tokens.weight": matrix(CONFIG["vocab_size"], hidden), "model.norm.weight": norm(hidden)}
    for layer in range(CONFIG["num_hidden_layers"]):
        name = f"model.layers.{layer}"
        shapes = {
            "self_attn.q_proj": (queries, hidden), "self_attn.k_proj": (keys, hidden),
            "self_attn.v_proj": (keys, hidden), "self_attn.o_proj": (hidden, queries),
            "mlp.gate_proj": (wide, hidden), "mlp.up_proj": (wide, hidden), "mlp.down_proj": (hidden, wide),
        }  # fmt: skip
        tensors |= {f"{name}.{part}.weight": matrix(*shape) for part, shape in shapes.items()}
        norms = {
            "input_layernorm": hidden, "post_attention_layernorm": hidden,
            "self_attn.q_norm": head_dim, "self_attn.k_norm": head_dim,
        }  # fmt: skip
        tensors |= {f"{name}.{part}.weight": norm(size) for part, size in norms.items()}
    return tensors
