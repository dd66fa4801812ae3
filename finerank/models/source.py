"""A checkpoint that has been found, how it is to be loaded, and its files: what every kind of model is loaded from."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import torch
from tokenizers import Tokenizer

from .. import __version__
from ..errors import DamagedError, SettingsError
from ..hardware import DtypeChoice, choose_device, choose_dtype
from ..prompt import FORMS, PromptForm
from ..types import ModelInfo, ModelKind
from . import embedded
from .adapter_base import is_embedded, locate_base
from .checkpoint import Checkpoint, inspect, with_adapter
from .hub import Hub, locate
from .lora import LoraMerged
from .tensors import SafetensorsFolder, TensorSource, read_json

DEVICE_BATCH_TOKENS: Final = {"cpu": 2048, "mps": 8192, "cuda": 32_768}
"""On a CPU a few seconds, no slower than twice as many; on a GPU it should fill the chip, but was not measured yet."""


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How a model is to be loaded; see `Reranker`, which documents each."""

    revision: str | None = None
    hub: Hub = "huggingface"
    device: str = "auto"
    dtype: str = "auto"
    max_length: int = 8192
    prompt_form: str = "readme"
    parse_control_tokens: bool = False
    is_deterministic: bool = False
    prefix_cache_bytes: int = 256 << 20
    trust_remote_code: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """A checkpoint that has been found: its name for people, its files, and where it will run."""

    name: str
    revision: str | None
    checkpoint: Checkpoint
    device: torch.device
    dtype: DtypeChoice
    options: LoadOptions
    is_default: bool = False

    def info(self, kind: ModelKind, *, max_length: int, default_instruction: str | None, weights: str) -> ModelInfo:
        """`weights`: hash over the weight files."""
        facts = {
            "weights": weights,
            "kind": kind,
            "dtype": self.dtype.name,
            "max_length": max_length,
            "form": asdict(form_named(self.options.prompt_form)) if default_instruction is not None else None,
            "parse_control_tokens": self.options.parse_control_tokens,
            "deterministic": self.options.is_deterministic,
            "version": __version__,
        }
        return ModelInfo(
            name=self.name,
            kind=kind,
            fingerprint=hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16],
            dtype=self.dtype.name,
            device=str(self.device),
            max_length=max_length,
            revision=self.revision,
            default_instruction=default_instruction,
            is_default=self.is_default,
        )


def find(name: str | None, options: LoadOptions) -> Source:
    """Where the model is, what it is, and where it will run; reads no weights."""
    form_named(options.prompt_form)
    device = choose_device(options.device)
    dtype = choose_dtype(options.dtype, device)
    if name is None or is_embedded(name):
        checkpoint = inspect(embedded.embedded_path())
        # 22 million parameters: fp32 is as fast here and exact.
        dtype = dtype if options.dtype != "auto" else DtypeChoice(torch.float32, "the embedded model is small")
        return Source(embedded.NAME, None, checkpoint, device, dtype, options, is_default=name is None)
    path, revision = locate(name, revision=options.revision, hub=options.hub)
    if (path / "adapter_config.json").is_file():
        return Source(name, revision, _with_base(path, options), device, dtype, options)
    return Source(name, revision, inspect(path), device, dtype, options)


def _with_base(adapter: Path, options: LoadOptions) -> Checkpoint:
    config = read_json(adapter / "adapter_config.json")
    return with_adapter(inspect(locate_base(adapter, config, options.hub)), adapter, config)


def load_tokenizer(path: Path, vocab_size: int) -> Tokenizer:
    """tokenizer.json of a checkpoint. Raises DamagedError if it is missing, broken, or larger than the embedding."""
    file = path / "tokenizer.json"
    if not file.is_file():
        raise DamagedError(f"{path} has no tokenizer.json; save the tokenizer beside the weights, or download it again")
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # tokenizers raises bare Exception
        raise DamagedError(f"{file} cannot be read ({error}); download it again") from error
    if tokenizer.get_vocab_size() > vocab_size:
        raise DamagedError(
            f"{file} has {tokenizer.get_vocab_size():,} tokens, the embedding of the weights {vocab_size:,} rows; they "
            "do not belong together"
        )
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def tensors_of(checkpoint: Checkpoint) -> TensorSource:
    """With the adapter merged in, if there is one."""
    base = SafetensorsFolder(checkpoint.path)
    if checkpoint.adapter is None:
        return base
    folder, config = checkpoint.adapter
    return LoraMerged(base, SafetensorsFolder(folder), config)


def form_named(name: str) -> PromptForm:
    """Raises SettingsError."""
    if name not in FORMS:
        raise SettingsError(f"prompt_form {name!r} is unknown; known: {', '.join(FORMS)}")
    return FORMS[name]


def weight_files(checkpoint: Checkpoint) -> list[Path]:
    """Those that the model is loaded from. An adapter's scale stands in its configuration."""
    files = SafetensorsFolder(checkpoint.path).files()
    if checkpoint.adapter is not None:
        folder = checkpoint.adapter[0]
        files += [*SafetensorsFolder(folder).files(), folder / "adapter_config.json"]
    return files


def num_bytes(files: Sequence[Path]) -> int:
    return sum(file.stat().st_size for file in files)
