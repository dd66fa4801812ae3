"""Which model an adapter belongs to: found by its name, known again by the hash of its weights."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ..errors import DamagedError
from . import embedded
from .hub import Hub, locate
from .tensors import SafetensorsFolder, read_json
from .weights_hash import weights_hash

RECORD: Final = "finerank.json"
_HASH: Final = "base_weights_sha256"


def locate_base(adapter: Path, config: Mapping[str, Any], hub: Hub) -> Path:
    """The folder of the model that an adapter was trained over.   config: its adapter_config.json.

    Raises DamagedError if it names none, or if its weights are not those that the adapter recorded; NotAModelError and
    HubError if it cannot be had.
    """
    name = config.get("base_model_name_or_path")
    if not name:
        raise DamagedError(f"{adapter}/adapter_config.json names no base_model_name_or_path to put the adapter on")
    name = str(name)
    if is_embedded(name):
        base = embedded.embedded_path()
    else:
        base = locate(name, revision=config.get("revision"), hub=hub).path
    _refuse_other_weights(adapter, config, name, base)
    return base


def is_embedded(name: str) -> bool:
    """Whether `name` means the packaged model, and no folder here."""
    return name == embedded.NAME and not Path(name).is_dir()


def record_base(adapter: Path, name: str, base: Path) -> None:
    """Makes an adapter that PEFT saved name its base as `name`, and tell which weights it was trained over, so that it
    is never put on others.

    PEFT names a base by the folder that it was loaded from, which may be nowhere on another machine.
    base: the folder of the model called `name`.
    """
    file = adapter / "adapter_config.json"
    config = read_json(file) | {"base_model_name_or_path": name}
    file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    record = {"base_model": name, _HASH: base_hash(base)}
    (adapter / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def base_hash(base: Path) -> str:
    """64 hex digits over the weights of a folder."""
    return weights_hash(SafetensorsFolder(base).files())


def _refuse_other_weights(adapter: Path, config: Mapping[str, Any], name: str, base: Path) -> None:
    file = adapter / RECORD
    record = read_json(file) if file.is_file() else {}
    expected = record.get(_HASH) or config.get(_HASH)
    if expected is None:
        return
    found = base_hash(base)
    if found != expected:
        raise DamagedError(
            f"{adapter} was trained over {record.get('base_model', name)!r} with weights of hash "
            f"{str(expected)[:16]}, but the weights in {base} have {found[:16]}; get the base that it was trained "
            "over, or train it again"
        )
