"""From what a user typed to a folder on disk: a local folder, or a model hub's cache."""

import os
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

from ..errors import HubError, NotAModelError

Hub: TypeAlias = Literal["huggingface", "modelscope"]

_FILES: Final = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "[0-9]_*/*", "*.py"]
_NOT_FILES: Final = ["onnx/*", "openvino/*", "coreml/*", "*.onnx"]


class Located(NamedTuple):
    """path: the folder.   revision: the commit, where the hub told one."""

    path: Path
    revision: str | None


def locate(model: str, *, revision: str | None = None, hub: Hub = "huggingface") -> Located:
    """The folder of `model`: itself if it is one, else the hub's copy, downloaded if need be.

    Raises NotAModelError for a path that does not exist, HubError if the hub cannot give the model.
    """
    path = Path(model).expanduser()
    if path.is_dir():
        return Located(path, None)
    if path.is_file():
        raise NotAModelError(f"{model!r} is a file; name the folder that holds config.json and the weights")
    if path.is_absolute() or model.startswith((".", "~")) or model.count("/") != 1 or "\\" in model:
        raise NotAModelError(f"there is no folder {model!r}; a hub id looks like Qwen/Qwen3-Reranker-0.6B")
    return _from_modelscope(model, revision) if hub == "modelscope" else _from_huggingface(model, revision)


def cached_bytes(model: str) -> int | None:
    """Bytes of a hub model that are on this machine already, None if it is not. Never touches the network."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repositories = scan_cache_dir().repos
    except CacheNotFound:
        return None
    sizes = [repository.size_on_disk for repository in repositories if repository.repo_id == model]
    return sizes[0] if sizes else None


def _from_huggingface(model: str, revision: str | None) -> Located:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    remedy = (
        "name a local folder instead, use --hub modelscope, or leave the model out to use the embedded one"
        if not os.environ.get("HF_HUB_OFFLINE")
        else "HF_HUB_OFFLINE is set and the model is not in the cache; unset it, or name a local folder"
    )
    try:
        path = snapshot_download(model, revision=revision, allow_patterns=_FILES, ignore_patterns=_NOT_FILES)
    except GatedRepoError as error:
        raise HubError(f"{model} is gated; accept its terms on the hub and set HF_TOKEN") from error
    except RevisionNotFoundError as error:
        raise HubError(f"{model} has no revision {revision!r}; leave it out for the newest") from error
    except RepositoryNotFoundError as error:
        raise HubError(f"the hub has no model {model!r} (or it is private: set HF_TOKEN); {remedy}") from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise HubError(f"{model} could not be fetched from the hub ({_reason(error)}); {remedy}") from error
    folder = Path(path)
    return Located(folder, folder.name)


def _from_modelscope(model: str, revision: str | None) -> Located:
    try:
        from modelscope import snapshot_download  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        raise HubError("--hub modelscope needs the package modelscope: pip install modelscope") from None
    try:
        path = snapshot_download(model, revision=revision, allow_patterns=_FILES, ignore_patterns=_NOT_FILES)
    except Exception as error:  # the package raises plain requests and OS errors without a common base
        raise HubError(
            f"{model} could not be fetched from ModelScope ({_reason(error)}); name a local folder instead"
        ) from error
    return Located(Path(path), revision)


def _reason(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
