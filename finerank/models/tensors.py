"""Tensors of a checkpoint by name: memory-mapped safetensors, one or many shards. Adapters over them: lora.py.

Nothing is unpickled. A tensor is read when asked for and its pages are given back with it, so that loading a
model takes little more memory than the model.
"""

import json
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..errors import DamagedError, UnsupportedError

_INDEX: Final = "model.safetensors.index.json"
_PICKLES: Final = ("pytorch_model.bin", "pytorch_model.bin.index.json", "adapter_model.bin")


Shape: TypeAlias = tuple[int, ...]
DTYPES: Final = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
    "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip
"""By their codes in safetensors files. Others are what quantised models have."""


class Spec(NamedTuple):
    """What a tensor is."""

    shape: Shape
    dtype: torch.dtype


class TensorSource(Protocol):
    """Anything that has named tensors."""

    def names(self) -> set[str]: ...

    def spec(self, name: str) -> Spec:
        """Without reading the tensor."""

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

    def spec(self, name: str) -> Spec:
        if name not in self._specs:
            raise self._missing(name)
        return self._specs[name]

    def get(self, name: str) -> Tensor:
        file = self._file_of.get(name)
        if file is None:
            raise self._missing(name)
        with _open(file) as tensors:
            try:
                tensor: Tensor = tensors.get_tensor(name)
            except SafetensorError as error:
                raise DamagedError(f"{file} is damaged ({error}); download it again") from error
        return tensor

    @cached_property
    def _specs(self) -> dict[str, Spec]:
        """Of all tensors: the files' headers are read once."""
        specs: dict[str, Spec] = {}
        for file in self.files():
            with _open(file) as tensors:
                specs |= {name: _spec(file, name, tensors.get_slice(name)) for name in tensors.keys()}  # noqa: SIM118
        return specs

    def _missing(self, name: str) -> DamagedError:
        return DamagedError(f"{self.folder} has no tensor {name!r}; is a shard missing?")


class Prefixed:
    """Tensors under the names they have inside a larger network: a base model alone is saved without `model.`."""

    def __init__(self, source: TensorSource, prefix: str) -> None:
        self._source = source
        self._prefix = prefix
        self._names = {name if name.startswith(prefix) else prefix + name: name for name in source.names()}

    def names(self) -> set[str]:
        return set(self._names)

    def spec(self, name: str) -> Spec:
        return self._source.spec(self._names.get(name, name))

    def get(self, name: str) -> Tensor:
        return self._source.get(self._names.get(name, name))


def head_rows(tensor: Tensor, rows: Iterable[int]) -> Tensor:
    """Rows of a large matrix in fp32 without touching the rest of it."""
    return torch.stack([tensor[row].float() for row in rows])


def _spec(file: Path, name: str, part: Any) -> Spec:
    """part: what safetensors knows of a tensor without reading it."""
    code = part.get_dtype()
    if code not in DTYPES:
        raise UnsupportedError(f"{file} holds {name!r} as {code}; weights quantised by another tool are not read here")
    return Spec(tuple(part.get_shape()), DTYPES[code])


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
