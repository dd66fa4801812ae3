"""What stands beside the weights of a merged checkpoint: its configuration, its tokenizer, its card."""

import json
import re
import shutil
from pathlib import Path
from typing import Any, Final

from .. import __version__
from ..models.checkpoint import inspect
from ..models.sentence_folder import SentenceFolder
from ..models.source import Source
from ..models.tensors import read_json

_FILES: Final = (
    "tokenizer*", "vocab.*", "merges.txt", "special_tokens_map.json", "added_tokens.json", "*.model",
    "chat_template.*", "generation_config.json", "*.py",
)  # fmt: skip
_SENTENCE_FILES: Final = ("modules.json", "config_sentence_transformers.json", "sentence_bert_config.json")
"""Of a base that sentence-transformers saved; they would make an embedder of a classifier again."""
_CARD: Final = """---
base_model: {base}
library_name: transformers
pipeline_tag: {task}
---

# {name}

The weights of `{base}` with the LoRA adapter `{adapter}` (rank {rank}, alpha {alpha}) merged into them by
`finerank merge` (finerank {version}). Its scores are the adapter's; it needs neither the adapter nor the base.
{more}"""


class MergedFiles:
    """source: an adapter that has been found."""

    def __init__(self, source: Source) -> None:
        self._checkpoint = source.checkpoint
        self._base = inspect(source.checkpoint.path)
        assert source.checkpoint.adapter is not None
        self._adapter, self._adapter_config = source.checkpoint.adapter
        self._name = source.name

    @property
    def base_name(self) -> str:
        return str(self._adapter_config["base_model_name_or_path"])

    @property
    def is_classifier(self) -> bool:
        return self._checkpoint.architecture in ("classifier", "qwen3_classifier")

    @property
    def _has_new_head(self) -> bool:
        return self._checkpoint.architecture != self._base.architecture

    def write(self, folder: Path, *, dtype: str, called: str) -> None:
        """dtype: of the weights.   called: the name on the card."""
        _write_json(folder / "config.json", self._config(dtype))
        patterns = (*_FILES, *(() if self._has_new_head else _SENTENCE_FILES))
        for file in (file for pattern in patterns for file in self._checkpoint.path.glob(pattern) if file.is_file()):
            shutil.copyfile(file, folder / file.name)
        if not self._has_new_head:
            self._copy_modules(folder)
        (folder / "README.md").write_text(self._card(called), encoding="utf-8")
        if (self._adapter / "README.md").is_file():
            shutil.copyfile(self._adapter / "README.md", folder / "ADAPTER.md")

    def _config(self, dtype: str) -> dict[str, Any]:
        config = {key: value for key, value in self._checkpoint.config.items() if key != "_name_or_path"}
        config["torch_dtype" if "torch_dtype" in config else "dtype"] = dtype
        if not self._has_new_head:
            return config
        (name, *_) = config.get("architectures") or ["BertModel"]
        config["architectures"] = [re.sub(r"(Model|For[A-Z]\w*)$", "ForSequenceClassification", name)]
        config |= {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}
        pad = self._pad_token_id()
        return config if config.get("pad_token_id") is not None or pad is None else config | {"pad_token_id": pad}

    def _pad_token_id(self) -> int | None:
        """By it transformers finds the last token of a sequence in a batch."""
        settings = SentenceFolder(self._checkpoint).tokenizer_config
        file = self._checkpoint.path / "tokenizer.json"
        if "pad_token" not in settings or not file.is_file():
            return None
        pad = settings["pad_token"]
        text = pad.get("content") if isinstance(pad, dict) else pad
        added = read_json(file).get("added_tokens") or []
        return next((int(each["id"]) for each in added if each.get("content") == text), None)

    def _copy_modules(self, folder: Path) -> None:
        """Folders of the modules that sentence-transformers runs after the network."""
        for config in self._checkpoint.path.glob("[0-9]_*/config.json"):
            shutil.copytree(config.parent, folder / config.parent.name)

    def _card(self, called: str) -> str:
        has_card = (self._adapter / "README.md").is_file()
        return _CARD.format(
            base=self.base_name,
            task="text-ranking" if self._checkpoint.architecture != "embedder" else "sentence-similarity",
            name=called,
            adapter=self._adapter.name if Path(self._name).is_dir() else self._name,
            rank=self._adapter_config.get("r"),
            alpha=self._adapter_config.get("lora_alpha"),
            version=__version__,
            more="\nHow the adapter was trained, and what it is worth: [its card](ADAPTER.md).\n" if has_card else "",
        )


def _write_json(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
