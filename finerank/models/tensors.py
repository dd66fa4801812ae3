"""Tensors of a checkpoint by name: memory-mapped safetensors, one or many shards, with or without a LoRA adapter.

Nothing is unpickled. A tensor is read when asked for and its pages are given back with it, so that loading a
model takes little more memory than the model.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..errors import DamagedError, UnsupportedError

_INDEX: Final = "model.safetensors.index.json"
_PICKLES: Final = ("pytorch_model.bin", "pytorch_model.bin.index.json", "adapter_model.bin")


class TensorSource(Protocol):
    """Anything that has named tensors."""

    def names(self) -> set[str]: ...

    def get(self, name: str) -> Tensor: ...


class SafetensorsFolder:
    """The tensors of a folder's safetensors files. Raises DamagedError naming the file that is broken or missing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file_of = {name: folder / file for name, file in _file_names(folder).items()}

    def names(self) -> set[str]:
        return set(self._file_of)

    def files(self) -> list[Path]:
        return sorted(set(self._file_of.values()))

    def get(self, name: str) -> Tensor:
        file = self._file_of.get(name)
        if file is None:
            raise DamagedError(f"{self.folder} has no tensor {name!r}; is a shard missing?")
        with _open(file) as tensors:
            try:
                tensor: Tensor = tensors.get_tensor(name)
            except SafetensorError as error:
                raise DamagedError(f"{file} is damaged ({error}); download it again") from error
        return tensor


class LoraMerged:
    """Tensors of a base with the low-rank updates of a PEFT adapter added: W + scale · B A, in fp32.

    Tensors that the adapter holds whole (`modules_to_save`) replace the base's. Raises UnsupportedError for
    adapters that are more than that, DamagedError for one that does not fit the base.
    """

    def __init__(self, base: TensorSource, adapter: SafetensorsFolder, config: Mapping[str, Any]) -> None:
        _refuse_unsupported_adapter(config)
        self._base = base
        self._adapter = adapter
        self._config = config
        self._pairs, self._whole = _sort_adapter_tensors(adapter.names())
        strangers = sorted(set(self._pairs) - base.names())
        if strangers:
            raise DamagedError(
                f"the adapter changes {strangers[0]!r} and {len(strangers) - 1} more tensors that its base "
                f"{config.get('base_model_name_or_path')!r} does not have; it was trained on another model"
            )

    def names(self) -> set[str]:
        return self._base.names() | set(self._whole)

    def get(self, name: str) -> Tensor:
        if name in self._whole:
            return self._adapter.get(self._whole[name])
        tensor = self._base.get(name)
        if name not in self._pairs:
            return tensor
        down, up = (self._adapter.get(f"{self._pairs[name]}.lora_{side}.weight") for side in "AB")
        if (up.shape[0], down.shape[1]) != tuple(tensor.shape):
            raise DamagedError(
                f"the adapter's update of {name!r} is {up.shape[0]} x {down.shape[1]}, its base's tensor "
                f"{tensor.shape[0]} x {tensor.shape[1]}; it was trained on another model"
            )
        update = up.float() @ down.float()
        return (tensor.float() + self._scale(name, down.shape[0]) * update).to(tensor.dtype)

    def _scale(self, name: str, rank: int) -> float:
        module = name.removesuffix(".weight")
        patterns = self._config.get("alpha_pattern") or {}
        matches = [alpha for pattern, alpha in patterns.items() if module == pattern or module.endswith("." + pattern)]
        alpha = float(matches[0] if matches else self._config.get("lora_alpha", 8))
        return alpha / (rank**0.5 if self._config.get("use_rslora") else rank)


class Prefixed:
    """Tensors under the names they have inside a larger network: a base model alone is saved without `model.`."""

    def __init__(self, source: TensorSource, prefix: str) -> None:
        self._source = source
        self._prefix = prefix
        self._names = {name if name.startswith(prefix) else prefix + name: name for name in source.names()}

    def names(self) -> set[str]:
        return set(self._names)

    def get(self, name: str) -> Tensor:
        return self._source.get(self._names.get(name, name))


def head_rows(tensor: Tensor, rows: Iterable[int]) -> Tensor:
    """Rows of a large matrix in fp32 without touching the rest of it."""
    return torch.stack([tensor[row].float() for row in rows])


def _open(file: Path) -> Any:
    try:
        return safe_open(file, framework="pt", device="cpu")
    except FileNotFoundError:
        raise DamagedError(f"{file} is missing, though the checkpoint's index names it; download it again") from None
    except (SafetensorError, OSError) as error:
        raise DamagedError(f"{file} is damaged ({error}); download it again") from error


def _file_names(folder: Path) -> dict[str, str]:
    """Tensor name -> file name."""
    index = folder / _INDEX
    if index.is_file():
        weight_map: dict[str, str] = read_json(index).get("weight_map", {})
        return weight_map
    for file in (folder / "model.safetensors", folder / "adapter_model.safetensors"):
        if file.is_file():
            with _open(file) as tensors:
                return dict.fromkeys(tensors.keys(), file.name)
    pickles = [name for name in _PICKLES if (folder / name).is_file()]
    if pickles:
        raise UnsupportedError(
            f"{folder} has its weights only as {pickles[0]}, a pickle, which can run code when opened; convert it "
            "with transformers' save_pretrained(), or name a revision that holds safetensors"
        )
    raise DamagedError(f"{folder} holds no safetensors file; is the download complete?")


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object from a file of a checkpoint. Raises DamagedError."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DamagedError(f"{file} is missing; download the checkpoint again") from None
    except (ValueError, OSError) as error:
        raise DamagedError(f"{file} cannot be read as JSON ({error}); download it again") from error
    if not isinstance(content, dict):
        raise DamagedError(f"{file} holds a {type(content).__name__}, not an object; download it again")
    return content


def _sort_adapter_tensors(names: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """(name of the changed tensor -> prefix of its A and B, name of a replaced tensor -> its name in the adapter)."""
    pairs: dict[str, str] = {}
    whole: dict[str, str] = {}
    for name in names:
        target = name.removeprefix("base_model.model.")
        module, is_lora, _ = target.partition(".lora_")
        if is_lora:
            pairs[module + ".weight"] = name.partition(".lora_")[0]
        else:
            whole[target.replace(".modules_to_save.default", "").replace(".modules_to_save", "")] = name
    return pairs, whole


def _refuse_unsupported_adapter(config: Mapping[str, Any]) -> None:
    problems = {
        f"peft_type {config.get('peft_type')!r}": config.get("peft_type", "LORA") != "LORA",
        "DoRA": bool(config.get("use_dora")),
        "trained biases": config.get("bias", "none") != "none",
        "fan_in_fan_out": bool(config.get("fan_in_fan_out")),
        "layer replication": bool(config.get("layer_replication")),
    }
    found = [name for name, is_there in problems.items() if is_there]
    if found:
        raise UnsupportedError(f"this adapter uses {' and '.join(found)}; finerank merges plain LoRA adapters only")
