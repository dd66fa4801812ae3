"""Writes a checkpoint's tensors one at a time, as safetensors in shards: memory holds one tensor, never the model.

The format: 8 bytes with the length of a JSON header, the header, then the tensors' bytes one after another
(https://github.com/huggingface/safetensors, format section).
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO, Final

import torch
from torch import Tensor

from .tensors import DTYPES, Spec

MAX_SHARD_BYTES: Final = 5_000_000_000
"""As transformers cuts them."""
_INDEX: Final = "model.safetensors.index.json"
_ONE_FILE: Final = "model.safetensors"
_METADATA: Final = {"format": "pt"}
_CODES: Final = {dtype: code for code, dtype in DTYPES.items()}


@dataclass(frozen=True, slots=True)
class Planned:
    """A tensor to be written."""

    name: str
    spec: Spec

    @property
    def width(self) -> int:
        """Bytes of a number."""
        return self.spec.dtype.itemsize

    @property
    def num_bytes(self) -> int:
        return prod(self.spec.shape) * self.width


def write_tensors(
    folder: Path,
    planned: Sequence[Planned],
    get: Callable[[str], Tensor],
    *,
    max_shard_bytes: int = MAX_SHARD_BYTES,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """The files, model.safetensors or shards with their index.

    get: a tensor by name, asked for once and cast to what was planned.   on_progress: (done, all), in tensors.
    """
    shards = list(_shards(planned, max_shard_bytes))
    names = [_ONE_FILE] if len(shards) == 1 else [_shard_name(place, len(shards)) for place in range(len(shards))]
    num_done = 0
    for name, shard in zip(names, shards, strict=True):
        with (folder / name).open("wb") as file:
            _write_header(file, shard)
            for each in shard:
                _write_tensor(file, each, get(each.name))
                num_done += 1
                if on_progress is not None:
                    on_progress(num_done, len(planned))
            file.flush()
            os.fsync(file.fileno())
    if len(shards) > 1:
        weight_map = {each.name: name for name, shard in zip(names, shards, strict=True) for each in shard}
        index = {"metadata": {"total_size": sum(each.num_bytes for each in planned)}, "weight_map": weight_map}
        (folder / _INDEX).write_text(json.dumps(index, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return [folder / name for name in names]


def _shards(planned: Sequence[Planned], max_bytes: int) -> Iterator[list[Planned]]:
    """Within a shard the widest numbers come first, so that each tensor begins at a multiple of its width."""
    shard: list[Planned] = []
    size = 0
    for each in planned:
        if shard and size + each.num_bytes > max_bytes:
            yield sorted(shard, key=lambda one: -one.width)
            shard, size = [], 0
        shard.append(each)
        size += each.num_bytes
    yield sorted(shard, key=lambda one: -one.width)


def _shard_name(place: int, count: int) -> str:
    return f"model-{place + 1:05}-of-{count:05}.safetensors"


def _write_header(file: BinaryIO, shard: Sequence[Planned]) -> None:
    header: dict[str, object] = {"__metadata__": _METADATA}
    start = 0
    for each in shard:
        end = start + each.num_bytes
        header[each.name] = {"dtype": _CODES[each.spec.dtype], "shape": each.spec.shape, "data_offsets": [start, end]}
        start = end
    content = json.dumps(header, separators=(",", ":")).encode()
    content += b" " * (-len(content) % 8)
    file.write(len(content).to_bytes(8, "little") + content)


def _write_tensor(file: BinaryIO, planned: Planned, tensor: Tensor) -> None:
    content = tensor.to(planned.spec.dtype).contiguous().reshape(-1).view(torch.uint8).numpy()
    file.write(content.data)
