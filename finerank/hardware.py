"""What this machine can do: device, dtype, memory, and its own matrix-product rate to measure speed against."""

import re
import statistics
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

import torch

from .errors import SettingsError

_DTYPES: Final = {
    "float32": torch.float32,
    "fp32": torch.float32,
    "f32": torch.float32,
    "bfloat16": torch.bfloat16,
    "bf16": torch.bfloat16,
    "float16": torch.float16,
    "fp16": torch.float16,
    "f16": torch.float16,
    "half": torch.float16,
}


class DtypeChoice(NamedTuple):
    """dtype: of the matrix products.   reason: why, in a sentence."""

    dtype: torch.dtype
    reason: str

    @property
    def name(self) -> str:
        return str(self.dtype).removeprefix("torch.")


def choose_device(device: str = "auto") -> torch.device:
    """`auto` is CUDA, then MPS, then the CPU. Raises SettingsError for a device that is not there."""
    if device == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device(name)
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise SettingsError(f"device {device!r} is unknown; use auto, cpu, cuda, cuda:0 or mps") from None
    if chosen.type not in ("cpu", "cuda", "mps"):
        raise SettingsError(f"device {device!r} is not supported; use auto, cpu, cuda or mps")
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise SettingsError(f"device {device!r}: torch {torch.__version__} sees {torch.cuda.device_count()} CUDA GPUs")
    if chosen.type == "mps" and not torch.backends.mps.is_available():
        raise SettingsError("device 'mps': torch sees no Apple GPU here")
    return chosen


def choose_dtype(dtype: str, device: torch.device) -> DtypeChoice:
    """`auto` is bfloat16 where the device multiplies it natively, else float32. Raises SettingsError."""
    if dtype != "auto":
        try:
            return DtypeChoice(_DTYPES[dtype.lower()], "asked for")
        except KeyError:
            known = ", ".join(["auto", *_DTYPES])
            raise SettingsError(f"dtype {dtype!r} is unknown; known: {known} (int8 is not there yet)") from None
    if multiplies_bfloat16(device):
        return DtypeChoice(torch.bfloat16, f"{device.type} multiplies bfloat16 natively")
    return DtypeChoice(torch.float32, f"{device.type} does not multiply bfloat16 natively")


def multiplies_bfloat16(device: torch.device) -> bool:
    """Has the device instructions for it, not only an emulation?"""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        is_x86 = any(bool(getattr(torch.cpu, probe, bool)()) for probe in probes)
        return is_x86 or "bf16" in re.findall(r"\w+", cpu_flags())
    return False


def cpu_flags() -> str:
    """The processor's feature flags where the system tells them (Linux), else an empty string."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    except OSError:
        return ""


def device_name(device: torch.device) -> str:
    """For people: the GPU's name, or the processor's with its threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "Apple GPU"
    return f"{_cpu_model()}, {torch.get_num_threads()} threads"


def _cpu_model() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "CPU")
    except OSError:
        return "CPU"


def is_out_of_memory(error: BaseException) -> bool:
    """Did an allocation fail? torch says so in several ways."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    message = str(error).lower()
    return isinstance(error, RuntimeError) and ("out of memory" in message or "can't allocate memory" in message)


def matmul_rate(
    device: torch.device, dtype: torch.dtype, shapes: Sequence[tuple[int, int]], num_rows: int = 512
) -> float:
    """Floating-point operations a second of this machine's matrix products, on layers of (in, out) shapes.

    Each product is made by the same code that the engine uses, on inputs already in place; a median of five.
    """
    from .models.qwen3.linear import make_linear

    total_flop, total_s = 0.0, 0.0
    for num_in, num_out in shapes:
        linear = make_linear((torch.randn(num_out, num_in) * 0.02).to(device, dtype))
        x = torch.randn(num_rows, num_in).to(device, dtype)
        linear(x)
        times = []
        for _ in range(5):
            _synchronize(device)
            start = time.perf_counter()
            linear(x)
            _synchronize(device)
            times.append(time.perf_counter() - start)
        total_flop += 2.0 * num_rows * num_in * num_out
        total_s += statistics.median(times)
    return total_flop / total_s


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
