"""What `finerank doctor` finds out about the machine, before any model is loaded."""

import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from huggingface_hub import constants

from .. import __version__
from ..hardware import DtypeChoice, choose_device, choose_dtype, device_name
from ..models.qwen3.linear import can_pack

_OFFLINE_VARIABLES: Final = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_ENDPOINT")


@dataclass(frozen=True, slots=True)
class Memory:
    """In bytes, None where the system does not tell."""

    total: int | None
    available: int | None


@dataclass(frozen=True, slots=True)
class Machine:
    """device: what the model will run on.   dtype_reason: why this dtype.   can_pack: are CPU products packed?

    settings: variables that decide whether and where models are fetched, as they are set.
    """

    finerank: str
    python: str
    torch: str
    system: str
    hardware: str
    device: str
    dtype: str
    dtype_reason: str
    memory: Memory
    device_memory: Memory | None
    can_pack: bool
    threads: int
    cpus: int
    cache: str
    settings: dict[str, str]


def inspect_machine(device: str = "auto", dtype: str = "auto") -> Machine:
    """Raises SettingsError for a device or dtype that is not there."""
    chosen = choose_device(device)
    choice: DtypeChoice = choose_dtype(dtype, chosen)
    return Machine(
        finerank=__version__,
        python=platform.python_version(),
        torch=torch.__version__,
        system=f"{platform.system()} {platform.machine()}",
        hardware=device_name(chosen),
        device=str(chosen),
        dtype=choice.name,
        dtype_reason=choice.reason,
        memory=system_memory(),
        device_memory=_gpu_memory(chosen),
        can_pack=chosen.type == "cpu" and can_pack(choice.dtype),
        threads=torch.get_num_threads(),
        cpus=_num_cpus(),
        cache=str(constants.HF_HUB_CACHE),
        settings={name: os.environ[name] for name in _OFFLINE_VARIABLES if os.environ.get(name)},
    )


def system_memory() -> Memory:
    """This machine's memory, or this container's where its limit is lower."""
    total, available = _pages("SC_PHYS_PAGES"), _available()
    limit, used = (_number_in(f"/sys/fs/cgroup/memory.{name}") for name in ("max", "current"))
    if limit is not None and used is not None and (total is None or limit < total):
        left = limit - used
        return Memory(limit, left if available is None else min(left, available))
    return Memory(total, available)


def peak_memory(device: torch.device) -> int | None:
    """Most bytes that this process ever held, on the GPU if it is one."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _gpu_memory(device: torch.device) -> Memory | None:
    if device.type != "cuda":
        return None
    free, total = torch.cuda.mem_get_info(device)
    return Memory(total, free)


def _pages(name: str) -> int | None:
    try:
        return os.sysconf(name) * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on Windows; macOS knows only the total
        return None


def _available() -> int | None:
    """Linux counts what it can take back from its caches; sysconf does not."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        return _pages("SC_AVPHYS_PAGES")


def _number_in(file: str) -> int | None:
    try:
        return int(Path(file).read_text(encoding="ascii"))
    except (OSError, ValueError):  # no such limit, or the word "max"
        return None


def _num_cpus() -> int:
    """CPUs that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
