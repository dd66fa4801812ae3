"""What is this folder? Decided from its files, never from its name."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from ..errors import DamagedError, NotAModelError, UnsupportedError
from .lora import brings_head
from .tensors import SafetensorsFolder, read_json

Architecture: TypeAlias = Literal["qwen3_yes_no", "qwen3_classifier", "classifier", "embedder"]

_YES_LABELS: Final = frozenset({"yes", "true", "relevant", "positive", "1"})
_NO_LABELS: Final = frozenset({"no", "false", "irrelevant", "not_relevant", "not relevant", "negative", "0"})

_MANY_VECTORED: Final = ("SparseEncoder", "MultiVectorEncoder")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A folder with a model in it.

    config: its config.json.
    labels: for a classifier, how many outputs it has; `yes_label` is the one that means relevant.
    adapter: folder and config of a LoRA adapter to merge in, if there is one.
    answer_ids: (yes, no) token ids where the checkpoint itself names them.
    """

    path: Path
    architecture: Architecture
    config: Mapping[str, Any]
    labels: int = 1
    yes_label: int = 0
    adapter: tuple[Path, Mapping[str, Any]] | None = None
    answer_ids: tuple[int, int] | None = None


def inspect(path: Path) -> Checkpoint:
    """Raises NotAModelError for a folder that is no model finerank can use, UnsupportedError for one whose labels
    do not say which of them means relevant, DamagedError for unreadable files.
    """
    if (path / "modules.json").is_file():
        return _from_modules(path)
    if (path / "1_Pooling").is_dir():
        return Checkpoint(path, "embedder", read_json(path / "config.json"))
    if not (path / "config.json").is_file():
        found = ", ".join(sorted(file.name for file in path.iterdir())[:6]) or "nothing"
        raise NotAModelError(f"{path} is no model: it has no config.json (found {found})")
    return _from_config(path, read_json(path / "config.json"))


def with_adapter(base: Checkpoint, adapter: Path, config: Mapping[str, Any]) -> Checkpoint:
    """`base` with a LoRA adapter over it. An adapter that brings a classification head to a base that has none makes a
    classifier: of a Qwen3 model for texts, and of an embedder.
    """
    made = replace(base, adapter=(adapter, config))
    if config.get("task_type") != "SEQ_CLS" or base.architecture not in ("qwen3_yes_no", "embedder"):
        return made
    labels = brings_head(SafetensorsFolder(adapter))
    if labels is None:
        if base.architecture == "embedder":
            raise DamagedError(
                f"{adapter} is for classification, but it holds no classification head and its base {base.path}, an "
                "embedder, has none; save it with modules_to_save that names the head"
            )
        return made
    if labels != 1:
        raise UnsupportedError(
            f"{adapter} brings a head of {labels} labels and does not say which means relevant; merge it into "
            "its base with a config.json whose id2label names yes and no"
        )
    is_qwen3 = base.config.get("model_type") == "qwen3" or base.architecture == "qwen3_yes_no"
    return replace(made, architecture="qwen3_classifier" if is_qwen3 else "classifier", labels=1, yes_label=0)


def _from_modules(path: Path) -> Checkpoint:
    """A sentence-transformers folder: an embedder, unless its modules read a score from yes/no logits.

    Newer releases save rerankers with a modules.json too, so the file alone says nothing.
    """
    config = read_json(path / "config.json") if (path / "config.json").is_file() else {}
    saved_as = _saved_as(path)
    if saved_as in _MANY_VECTORED:
        raise NotAModelError(
            f"{path} was saved as a {saved_as}, which gives no one dense vector for a text; use a dense embedder or a "
            "reranker"
        )
    modules = _module_types(path)
    scorers = [folder for name, folder in modules.items() if name == "LogitScore"]
    if scorers:
        checkpoint = _from_config(path, config)
        ids = read_json(path / scorers[0] / "config.json")
        yes_id, no_id = ids.get("true_token_id"), ids.get("false_token_id")
        answer_ids = (yes_id, no_id) if isinstance(yes_id, int) and isinstance(no_id, int) else None
        return Checkpoint(path, checkpoint.architecture, config, answer_ids=answer_ids)
    if any("Pooling" in name for name in modules):
        return Checkpoint(path, "embedder", config)
    if (path / "config.json").is_file() and (not set(modules) - {"Transformer"} or _is_classifier(config)):
        return _from_config(path, config)
    if modules:  # one that needs no pooling, such as StaticEmbedding
        return Checkpoint(path, "embedder", config)
    raise NotAModelError(f"{path}: modules.json names nothing: neither embedder nor reranker")


def _saved_as(path: Path) -> str | None:
    """The class of sentence-transformers that saved the folder, where it tells."""
    file = path / "config_sentence_transformers.json"
    return read_json(file).get("model_type") if file.is_file() else None


def _module_types(path: Path) -> dict[str, str]:
    """Class name of each module -> its folder."""
    try:
        modules = json.loads((path / "modules.json").read_text(encoding="utf-8"))
        return {module["type"].rsplit(".", 1)[-1]: module.get("path", "") for module in modules}
    except (ValueError, OSError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError(f"{path / 'modules.json'} cannot be read ({error}); download it again") from error


def _from_config(path: Path, config: Mapping[str, Any]) -> Checkpoint:
    architectures = config.get("architectures") or []
    name = architectures[0] if architectures else None
    if name == "Qwen3ForCausalLM":
        return Checkpoint(path, "qwen3_yes_no", config)
    if name is not None and _is_classifier(config):
        labels, yes_label = _labels(path, config)
        architecture: Architecture = "qwen3_classifier" if name.startswith("Qwen3For") else "classifier"
        return Checkpoint(path, architecture, config, labels, yes_label)
    raise NotAModelError(
        f"{path} holds a {name or 'model of unstated architecture'}; finerank ranks with Qwen3ForCausalLM yes/no "
        "rerankers, *ForSequenceClassification cross-encoders of one or two labels, and sentence-transformers embedders"
    )


def _is_classifier(config: Mapping[str, Any]) -> bool:
    names = config.get("architectures") or [None]
    return isinstance(names[0], str) and names[0].endswith("ForSequenceClassification")


def _labels(path: Path, config: Mapping[str, Any]) -> tuple[int, int]:
    """(how many labels, which of them means relevant)."""
    names = {int(key): str(value).strip().lower() for key, value in (config.get("id2label") or {}).items()}
    count = len(names) or int(config.get("num_labels", 2))
    if count == 1:
        return 1, 0
    if count == 2 and len(names) == 2:
        for label in (0, 1):
            if names[label] in _YES_LABELS and names[1 - label] in _NO_LABELS:
                return 2, label
    raise UnsupportedError(
        f"{path}: its {count} labels are {names or 'not named'}; a reranker has one label, or two of which id2label "
        "says which is yes and which is no"
    )
