"""`merge`: an adapter and its base as one checkpoint that needs neither, with the same scores."""

import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from ..errors import InputError, TrainingError
from ..hardware import choose_dtype
from ..models.lora import LoraMerged
from ..models.safetensors_writer import MAX_SHARD_BYTES, Planned, write_tensors
from ..models.source import LoadOptions, find, tensors_of
from ..models.tensors import Spec
from .merged_files import MergedFiles

_OTHER_HEADS = ("lm_head.", "cls.")
"""Of a base that has become a classifier."""
_COUNTED = ("position_ids",)
"""Numbers that count up from 0, which old checkpoints hold."""


@dataclass(frozen=True, slots=True)
class Merged:
    """num_changed: how many tensors of the new checkpoint are not the base's.   num_bytes: of its weights."""

    folder: Path
    base: str
    num_tensors: int
    num_changed: int
    num_bytes: int
    dtype: str


def merge(
    adapter: str | Path,
    output: str | Path,
    *,
    dtype: str | None = None,
    options: LoadOptions | None = None,
    max_shard_bytes: int = MAX_SHARD_BYTES,
    on_progress: Callable[[int, int], None] | None = None,
) -> Merged:
    """Writes the folder `output`, loadable by transformers and by finerank, or nothing at all.

    adapter: folder or hub id.   dtype: of the weights, as for `Reranker`; None keeps the base's.
    Memory is that of the largest tensor.   on_progress: (done, all), in tensors.
    Raises InputError if `output` exists, SettingsError for an unknown dtype, UnsupportedError and DamagedError for an
    adapter that cannot be merged, TrainingError if `adapter` is none or the folder cannot be written.
    """
    asked = None if dtype is None else choose_dtype(dtype, torch.device("cpu")).dtype
    target = Path(output).expanduser()
    if target.exists() or target.is_symlink():
        raise InputError(f"{target} exists and is not overwritten; name another folder, or remove it")
    source = find(str(adapter), options or LoadOptions(device="cpu"))
    if source.checkpoint.adapter is None:
        raise TrainingError(f"{adapter} is no adapter: it has no adapter_config.json, so there is nothing to merge")
    tensors = tensors_of(source.checkpoint)
    assert isinstance(tensors, LoraMerged)
    files = MergedFiles(source)
    plan = _plan(tensors, asked, without=_OTHER_HEADS if files.is_classifier else ())
    num_bytes = sum(each.num_bytes for each in plan)
    name = str(_most_common([each.spec.dtype for each in plan])).removeprefix("torch.")
    with _written_whole(target, num_bytes) as folder:
        write_tensors(folder, plan, tensors.get, max_shard_bytes=max_shard_bytes, on_progress=on_progress)
        files.write(folder, dtype=name, called=target.name)
    num_changed = len(tensors.changed & {each.name for each in plan})
    return Merged(target, files.base_name, len(plan), num_changed, num_bytes, name)


def _plan(tensors: LoraMerged, asked: torch.dtype | None, without: tuple[str, ...]) -> list[Planned]:
    """asked: for all floating-point tensors; else each keeps its own, and what is new gets the most common.

    without: beginnings of names that are left out.
    """
    kept = (name for name in tensors.names() if not name.startswith(without) and not name.endswith(_COUNTED))
    names = sorted(kept)
    common = _most_common([tensors.spec(name).dtype for name in names if not tensors.is_new(name)])
    plan = []
    for name in names:
        shape, dtype = tensors.spec(name)
        if dtype.is_floating_point:
            dtype = asked or (common if tensors.is_new(name) else dtype)
        plan.append(Planned(name, Spec(shape, dtype)))
    return plan


def _most_common(dtypes: list[torch.dtype]) -> torch.dtype:
    return max(dict.fromkeys(dtypes), key=dtypes.count)


@contextmanager
def _written_whole(target: Path, num_bytes: int) -> Iterator[Path]:
    """A folder beside `target` that becomes `target` when the block is done, and nothing if it fails.

    A kill leaves the folder beside; the next run to the same target removes it.
    """
    beside = target.with_name(f".{target.name}.unfinished")
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        free = shutil.disk_usage(beside).free
        if free < num_bytes:
            raise TrainingError(
                f"{target} needs {num_bytes / 1e9:.1f} GB, but there is room for {free / 1e9:.1f} GB; free some, or "
                "name a folder on another disk"
            )
        yield beside
        beside.rename(target)
    except OSError as error:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "the disk is full; free some space" if is_full else f"{error.strerror or error}"
        raise TrainingError(f"{target} could not be written: {remedy}. Nothing was left behind") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
