"""The findings of `finerank doctor`, for people."""

from collections.abc import Sequence
from typing import Final

from rich.text import Text

from ..selftest import Check
from ..speed import NUM_DOCUMENTS, NUM_RUNS, NUM_WORDS, Speed
from ..types import ModelInfo
from .console import on_one_line, show
from .diagnosis import Machine, Memory

_NAME_WIDTH: Final = 16


def print_machine(machine: Machine) -> None:
    _heading("Machine")
    _fact("finerank", machine.finerank)
    _fact("Python, torch", f"{machine.python}, {machine.torch} on {machine.system}")
    _fact("hardware", machine.hardware)
    _fact("device", machine.device)
    _fact("dtype", f"{machine.dtype}: {machine.dtype_reason}")
    if machine.device_memory is not None:
        _fact("GPU memory", _memory(machine.device_memory))
    _fact("memory", _memory(machine.memory))
    _fact("threads", f"{machine.threads} of torch, {machine.cpus} CPUs allowed")
    if machine.device == "cpu":
        _fact("packed products", "yes" if machine.can_pack else "no, plain matrix products serve (slower)")
    _fact("model cache", machine.cache)
    _fact("hub settings", ", ".join(f"{name}={value}" for name, value in machine.settings.items()) or "none set")


def print_model(info: ModelInfo, dtype: str) -> None:
    """dtype: what the machine would choose."""
    _heading("Model")
    _fact("name", f"{info.name}{' (default)' if info.is_default else ''}")
    if info.revision:
        _fact("revision", info.revision)
    why = " (the embedded model is small)" if info.is_default and info.dtype != dtype else ""
    _fact("runs as", f"{info.dtype}{why} on {info.device}, at most {info.max_length:,} tokens")
    _fact("fingerprint", info.fingerprint)


def print_checks(checks: Sequence[Check]) -> None:
    _heading("Self-test")
    for check in checks:
        word, style = ("ok", "green") if check.is_passed else ("FAILED", "bold red")
        if not check.is_passed and check.is_semantic:
            word, style = "doubtful", "yellow"
        show(Text.assemble("  ", (f"{word:<8}", style), f" {check.name}: {on_one_line(check.detail)}"))


def print_speed(speed: Speed | None, peak: int | None, device: str) -> None:
    _heading("Speed")
    if speed is None:
        show(Text("  not measured: a mechanical check failed"))
    else:
        _fact("workload", f"1 query, {NUM_DOCUMENTS} documents of {NUM_WORDS} words, median of {NUM_RUNS} runs")
        _fact("time", f"{speed.seconds:.3f} s, {NUM_DOCUMENTS / speed.seconds:,.1f} documents/s")
        _fact("prompt tokens", f"{speed.prompt_tokens_per_s:,.0f} a second, as if each pair had been run alone")
        _fact("computed tokens", f"{speed.computed_tokens_per_s:,.0f} a second through the network")
        _print_share(speed)
    if peak is not None:
        _fact("peak memory", f"{peak / 1e9:.2f} GB {'on the GPU' if device.startswith('cuda') else 'of this process'}")


def _print_share(speed: Speed) -> None:
    if speed.machine_flops is None or speed.machine_share is None:
        return
    _fact("machine's rate", f"{speed.machine_flops / 1e9:,.0f} GFLOP/s in matrix products of this model's shapes")
    _fact(
        "reached",
        f"{speed.machine_share:.0%} of it: these products alone would have taken that share of the time",
    )


def _memory(memory: Memory) -> str:
    total, available = (
        "unknown" if each is None else f"{each / 1e9:.1f} GB" for each in (memory.total, memory.available)
    )
    return f"{available} available of {total}"


def _heading(name: str) -> None:
    show(Text(name, "bold"))


def _fact(name: str, value: str) -> None:
    show(Text.assemble("  ", (f"{name:<{_NAME_WIDTH}}", "cyan"), value))
