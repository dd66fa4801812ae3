"""`SentenceFolder`: what an embedder's files say beside its network, in the form of sentence-transformers."""

import json
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from .checkpoint import Checkpoint
from .tensors import read_json

_SURPRISES: Final = ("do_lower_case", "query_expansion", "query_length", "document_length")
"""Settings that our networks do not follow."""


class SentenceFolder:
    """modules: what happens to a text, step by step: the class of each module with its configuration."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.path = checkpoint.path
        self._network = checkpoint.config
        self.modules = _modules_of(self.path)

    def is_plain(self, model_type: str) -> bool:
        """A network of that type, a pooling, and nothing after it but a norm; no code and no settings of its own."""
        if self._network.get("model_type") != model_type or self._network.get("auto_map"):
            return False
        is_known = self.kinds in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])
        return is_known and not self.has_surprises

    @property
    def kinds(self) -> list[str]:
        """Classes of the modules."""
        return [kind for kind, _ in self.modules]

    @property
    def is_embedder(self) -> bool:
        return "Pooling" in self.kinds

    @property
    def has_surprises(self) -> bool:
        """Settings that change what the network reads."""
        return any(self._settings.get(name) for name in _SURPRISES)

    @property
    def is_normalized(self) -> bool:
        return "Normalize" in self.kinds

    @property
    def pooling(self) -> str | None:
        """Such as "lasttoken" or "mean", in both spellings of sentence-transformers; several joined with +."""
        config = self._pooling
        if config is None:
            return None
        named = config.get("pooling_mode")
        if named is None:
            flags = {"pooling_mode_cls_token": "cls", "pooling_mode_max_tokens": "max"}
            flags |= {"pooling_mode_mean_tokens": "mean", "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens"}
            flags |= {"pooling_mode_weightedmean_tokens": "weightedmean", "pooling_mode_lasttoken": "lasttoken"}
            named = [name for flag, name in flags.items() if config.get(flag)] or ["mean"]
        return named if isinstance(named, str) else "+".join(map(str, named))

    @property
    def pools_prompt(self) -> bool:
        """Are a prompt's tokens pooled with the text's?"""
        return self._pooling is None or self._pooling.get("include_prompt") is not False

    @property
    def prompts(self) -> dict[str, Any]:
        return self._config.get("prompts") or {}

    @property
    def saved_dimensions(self) -> int | None:
        """What vectors are to be cut to."""
        saved = self._config.get("truncate_dim")
        return saved if isinstance(saved, int) and not isinstance(saved, bool) and saved > 0 else None

    @property
    def length_limits(self) -> list[int]:
        """Tokens, beside the network's own limit: none, or one. As in the reference, a setting of
        sentence-transformers counts and not the tokenizer's.
        """
        return [*_limit(self._settings.get("max_seq_length")), *self.tokenizer_limits][:1]

    @property
    def tokenizer_limits(self) -> list[int]:
        """What the tokenizer says: none, or one."""
        return _limit(self.tokenizer_config.get("model_max_length"))

    @cached_property
    def tokenizer_config(self) -> dict[str, Any]:
        return self._optional("tokenizer_config.json")

    @cached_property
    def _settings(self) -> dict[str, Any]:
        return self._optional("sentence_bert_config.json")

    @cached_property
    def _config(self) -> dict[str, Any]:
        return self._optional("config_sentence_transformers.json")

    @property
    def _pooling(self) -> dict[str, Any] | None:
        found = next((config for kind, config in self.modules if kind == "Pooling"), None)
        return found if isinstance(found, dict) else None

    def _optional(self, name: str) -> dict[str, Any]:
        file = self.path / name
        return read_json(file) if file.is_file() else {}


def _modules_of(folder: Path) -> list[Any]:
    file = folder / "modules.json"
    if not file.is_file():
        return []
    modules = json.loads(file.read_text(encoding="utf-8"))
    return [[each["type"].rsplit(".", 1)[-1], _config_of(folder, each.get("path", ""))] for each in modules]


def _config_of(folder: Path, path: str) -> Any:
    """Of a module in a folder of its own; the network's is covered by its weights."""
    file = folder / path / "config.json"
    return json.loads(file.read_text(encoding="utf-8")) if path and file.is_file() else None


def _limit(value: Any) -> list[int]:
    """A tokenizer without a limit says 1e30."""
    return [int(value)] if isinstance(value, int | float) and 0 < value < 1e9 else []
