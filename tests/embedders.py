"""Tiny random Qwen3 embedders, saved as sentence-transformers saves them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

PROMPTS = {
    "query": "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:",
    "document": "",
}
"""As in the official folders."""


def as_embedder(
    folder: Path,
    *,
    prompts: Mapping[str, str] | None = PROMPTS,
    pooling: Mapping[str, Any] | None = None,
    normalizes: bool = True,
    ends: bool = True,
    **config: Any,
) -> Path:
    """Makes a checkpoint's folder one of an embedder, with the files that the official ones have.

    prompts: None leaves config_sentence_transformers.json out.   ends: the tokenizer appends `<|endoftext|>`.
    config: more of config_sentence_transformers.json.
    """
    kinds = ["Transformer", "Pooling", *(["Normalize"] if normalizes else [])]
    paths = ["", "1_Pooling", "2_Normalize"]
    modules = [
        {"idx": index, "name": str(index), "path": paths[index], "type": f"sentence_transformers.models.{kind}"}
        for index, kind in enumerate(kinds)
    ]
    _write(folder / "modules.json", modules)
    hidden = json.loads((folder / "config.json").read_text())["hidden_size"]
    (folder / "1_Pooling").mkdir(exist_ok=True)
    chosen = pooling or {"pooling_mode_cls_token": False, "pooling_mode_lasttoken": True, "include_prompt": True}
    _write(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": hidden, **chosen})
    if prompts is not None:
        _write(folder / "config_sentence_transformers.json", {"prompts": dict(prompts), **config})
    _save_tokenizer(folder, ends=ends)
    return folder


def _save_tokenizer(folder: Path, *, ends: bool) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    if ends:
        end = "<|endoftext|>"
        tokenizer.post_processor = TemplateProcessing(
            single=f"$A {end}", pair=f"$A {end} $B {end}", special_tokens=[(end, tokenizer.token_to_id(end))]
        )
        tokenizer.save(str(folder / "tokenizer.json"))
    names = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<|endoftext|>", "eos_token": "<|im_end|>"}
    _write(folder / "tokenizer_config.json", {**names, "model_max_length": 131_072})


def _write(file: Path, content: Any) -> None:
    file.write_text(json.dumps(content), encoding="utf-8")
