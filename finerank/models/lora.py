"""PEFT's LoRA adapters over a model's tensors: what an adapter changes, and the changed tensors."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from torch import Tensor

from ..errors import DamagedError, UnsupportedError
from .tensors import Prefixed, SafetensorsFolder, Shape, Spec, TensorSource

WRAPPER: Final = "base_model.model."
"""What PEFT puts before the names of the network inside it."""
_NEW_HEADS: Final = ("score.", "classifier.", "pre_classifier.")
"""Tensors that an adapter may bring to a base that has none; poolers too."""
_MOVES_THE_BASE: Final = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""Ways to begin after which the base is no longer what its files hold."""


class LoraMerged:
    """Tensors of a base with the low-rank updates of a PEFT adapter added: W + scale · B A, in fp32.

    Tensors that the adapter holds whole (`modules_to_save`) replace the base's, or are added to it if they are a
    head. Where the base alone was saved, its names lack the first part that the adapter's have; they get it.
    base_name: for messages.
    Raises UnsupportedError for adapters that are more than that, DamagedError for one that does not fit the base.
    """

    def __init__(
        self, base: TensorSource, adapter: SafetensorsFolder, config: Mapping[str, Any], base_name: str | None = None
    ) -> None:
        _refuse_unsupported_adapter(config)
        self._adapter = adapter
        self._config = config
        self._pairs, self._whole = _sort_adapter_tensors(adapter)
        self._base = _named_alike(base, self._pairs)
        self._base_name = base_name or str(config.get("base_model_name_or_path"))
        self._refuse_untied_head()
        self._refuse_strangers()
        self._refuse_other_shapes()

    @property
    def changed(self) -> set[str]:
        """Names of the tensors that are not the base's."""
        return set(self._pairs) | set(self._whole)

    def names(self) -> set[str]:
        return self._base.names() | set(self._whole)

    def spec(self, name: str) -> Spec:
        """As the tensor would be stored: in the base's dtype, where the base has it."""
        return self._base.spec(name) if name in self._base.names() else self._adapter.spec(self._whole[name])

    def is_new(self, name: str) -> bool:
        """Whether the adapter brings what the base lacks."""
        return name not in self._base.names()

    def get(self, name: str) -> Tensor:
        """As stored, fp32 if it was changed by an update."""
        if name in self._whole:
            return self._adapter.get(self._whole[name])
        tensor = self._base.get(name)
        if name not in self._pairs:
            return tensor
        down, up = (self._adapter.get(side).float() for side in _sides(self._pairs[name]))
        return (up @ down).mul_(self._scale(name, down.shape[0])).add_(tensor)

    def _scale(self, name: str, rank: int) -> float:
        """Patterns are read as PEFT reads them (get_pattern_key, peft 0.21)."""
        module = name.removesuffix(".weight")
        patterns = self._config.get("alpha_pattern") or {}
        matches = (alpha for pattern, alpha in patterns.items() if re.match(rf"(.*\.)?({pattern})$", module))
        alpha = float(next(matches, self._config.get("lora_alpha", 8)))
        return alpha / (rank**0.5 if self._config.get("use_rslora") else rank)

    def _refuse_untied_head(self) -> None:
        """Of a base whose head is its embedding, PEFT changes one of the two."""
        if "lm_head.weight" in self._base.names() or any(name.startswith(_NEW_HEADS) for name in self._whole):
            return
        apart = sorted(name for name in self.changed if name.endswith(("lm_head.weight", "embed_tokens.weight")))
        if apart:
            raise UnsupportedError(
                f"{self._adapter.folder} changes {apart[0]!r}, but in its base {self._base_name!r} head and embedding "
                "are one tensor; train the adapter without embed_tokens and lm_head"
            )

    def _refuse_strangers(self) -> None:
        there = self._base.names()
        strangers = sorted(name for name in self.changed if name not in there and not self._is_new_head(name))
        if strangers:
            raise DamagedError(
                f"{self._adapter.folder} changes {strangers[0]!r} and {len(strangers) - 1} more tensors that its base "
                f"{self._base_name!r} does not have; it was trained on another model"
            )

    def _is_new_head(self, name: str) -> bool:
        return name in self._whole and (name.startswith(_NEW_HEADS) or ".pooler." in f".{name}")

    def _refuse_other_shapes(self) -> None:
        there = self._base.names()
        for name in sorted(self.changed & there):
            if name in self._whole:
                shape = self._adapter.spec(self._whole[name]).shape
            else:
                down, up = (self._adapter.spec(side).shape for side in _sides(self._pairs[name]))
                shape = (up[0], down[-1])
            if shape != self._base.spec(name).shape:
                raise DamagedError(
                    f"{self._adapter.folder} changes {name!r} as one of {_told(shape)}, but in its base "
                    f"{self._base_name!r} that tensor is {_told(self._base.spec(name).shape)}; it was trained on "
                    "another model"
                )


def brings_head(adapter: SafetensorsFolder) -> int | None:
    """How many labels the classification head that an adapter holds whole has; None if it has none."""
    heads = [
        name for name in adapter.names() if re.search(r"(^|\.)(score|classifier|classifier\.out_proj)\.weight$", name)
    ]
    heads = [name for name in heads if ".lora_" not in name]
    return adapter.spec(heads[0]).shape[0] if heads else None


def _named_alike(base: TensorSource, changed: Iterable[str]) -> TensorSource:
    there = base.names()
    for name in changed:
        prefix, _, rest = name.partition(".")
        if name not in there and rest in there:
            return Prefixed(base, prefix + ".")
    return base


def _sides(module: str) -> tuple[str, str]:
    return f"{module}.lora_A.weight", f"{module}.lora_B.weight"


def _told(shape: Shape) -> str:
    return " x ".join(map(str, shape))


def _sort_adapter_tensors(adapter: SafetensorsFolder) -> tuple[dict[str, str], dict[str, str]]:
    """(name of the changed tensor -> prefix of its A and B, name of a replaced tensor -> its name in the adapter)."""
    pairs: dict[str, str] = {}
    whole: dict[str, str] = {}
    names = adapter.names()
    for name in names:
        target = name.removeprefix(WRAPPER)
        if ".lora_" not in name:
            whole[target.replace(".modules_to_save.default", "").replace(".modules_to_save", "")] = name
            continue
        module = name.partition(".lora_")[0]
        if name not in _sides(module) or not names.issuperset(_sides(module)):
            raise UnsupportedError(
                f"{adapter.folder} has a tensor {name!r}, which is no half of a low-rank update of a matrix; finerank "
                "merges plain LoRA adapters only"
            )
        pairs[module.removeprefix(WRAPPER) + ".weight"] = module
    return pairs, whole


def is_plain_lora(config: Mapping[str, Any]) -> bool:
    """Whether an adapter_config.json tells of nothing that `LoraMerged` refuses."""
    return not _unsupported(config)


def _refuse_unsupported_adapter(config: Mapping[str, Any]) -> None:
    found = _unsupported(config)
    if found:
        raise UnsupportedError(f"this adapter uses {' and '.join(found)}; finerank merges plain LoRA adapters only")


def _unsupported(config: Mapping[str, Any]) -> list[str]:
    """Names of what is more than W + scale · B A."""
    beginning = config.get("init_lora_weights")
    problems = {
        f"peft_type {config.get('peft_type')!r}": config.get("peft_type", "LORA") != "LORA",
        "DoRA": bool(config.get("use_dora")),
        "trained biases": config.get("bias", "none") != "none" or bool(config.get("lora_bias")),
        "fan_in_fan_out": bool(config.get("fan_in_fan_out")),
        "layer replication": bool(config.get("layer_replication")),
        "trained tokens": bool(config.get("trainable_token_indices")),
        "target_parameters": bool(config.get("target_parameters")),
        "invocation tokens": bool(config.get("alora_invocation_tokens")),
        f"init_lora_weights {beginning!r}": isinstance(beginning, str) and beginning.startswith(_MOVES_THE_BASE),
    }
    return [name for name, is_there in problems.items() if is_there]
