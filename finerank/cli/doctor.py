"""`finerank doctor`: is this machine set up well, does the model behave, and how fast is it?"""

import warnings
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from ..errors import FinerankWarning, InputError
from . import options
from .console import advise, is_watched, to_json
from .failures import FAILED

if TYPE_CHECKING:
    from ..reranker import Reranker
    from ..selftest import Check


def doctor(
    model: options.Model = None,
    revision: options.Revision = None,
    hub: options.HubName = "huggingface",
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    trust_remote_code: options.TrustRemoteCode = False,
    as_json: options.AsJson = False,
) -> None:
    """Check this machine and a model: hardware, memory, settings, self-test, speed."""
    from ..selftest import run_checks
    from .diagnosis import inspect_machine, peak_memory
    from .doctor_report import print_checks, print_machine, print_model, print_speed

    machine = inspect_machine(device, dtype)
    if not as_json:
        print_machine(machine)
    _say(f"loading {model or 'the embedded model'} ...")
    reranker = _load(model, revision=revision, hub=hub, device=device, dtype=dtype, trust_remote_code=trust_remote_code)
    checks = run_checks(reranker).checks
    if not as_json:
        print_model(reranker.info, machine.dtype)
        print_checks(checks)
    is_sound = all(check.is_passed or check.is_semantic for check in checks)
    speed = _measure(reranker) if is_sound else None
    peak = peak_memory(_device_of(reranker))
    if as_json:
        typer.echo(to_json(_record(machine, reranker, checks, speed, peak), indent=2))
    else:
        print_speed(speed, peak, reranker.info.device)
    if not is_sound:
        raise typer.Exit(FAILED)


def _load(model: str | None, **options: Any) -> "Reranker":
    """With the mechanical checks only, and without their warnings: the checks are printed one by one."""
    from ..reranker import Reranker

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FinerankWarning)
        reranker = Reranker(model, self_test="off", **options)
    if reranker.info.kind == "remote":
        raise InputError(f"doctor looks at models on this machine; {model} is computed by its provider")
    return reranker


def _measure(reranker: "Reranker") -> Any:
    from ..speed import measure_speed

    _say("measuring the speed ...")
    return measure_speed(reranker)


def _device_of(reranker: "Reranker") -> Any:
    import torch

    return torch.device(reranker.info.device)


def _say(what: str) -> None:
    if is_watched():
        advise(what)


def _record(machine: Any, reranker: "Reranker", checks: Sequence["Check"], speed: Any, peak: int | None) -> Any:
    return {
        "machine": asdict(machine),
        "model": asdict(reranker.info),
        "checks": [asdict(check) for check in checks],
        "speed": None if speed is None else asdict(speed),
        "peak_memory_bytes": peak,
    }
