"""From a name to a model ready to compute: locate, inspect, choose device and dtype, load, fingerprint."""

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import torch
from tokenizers import Tokenizer

from .. import __version__
from ..client.providers import split_name
from ..errors import DamagedError, SettingsError
from ..hardware import DtypeChoice, choose_device, choose_dtype
from ..prompt import FORMS, PromptEncoder, PromptForm
from ..types import ModelInfo, ModelKind
from . import embedded
from .base import PairModel
from .bi_encoder import load_bi_encoder
from .checkpoint import Checkpoint, inspect, with_adapter
from .cross_encoder import load_cross_encoder
from .hub import Hub, locate
from .qwen3.config import Qwen3Config
from .qwen3.network import Qwen3Network
from .qwen3.reranker import Qwen3Reranker
from .tensors import LoraMerged, SafetensorsFolder, TensorSource, head_rows, read_json

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
class Loaded:
    """batch_tokens: a sensible budget for a packed batch on the device."""

    model: PairModel
    batch_tokens: int


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
            "form": asdict(_form(self.options.prompt_form)) if default_instruction is not None else None,
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


def load_model(name: str | None, options: LoadOptions) -> Loaded:
    """`name`: as for `Reranker`, or PROVIDER:MODEL for a model behind a provider's API.

    Raises ModelError (and its kinds) if the model cannot be used, SettingsError for an option that cannot.
    """
    if name is not None and is_remote(name):
        from .remote import BATCH_TOKENS, load_remote

        return Loaded(load_remote(name, options), BATCH_TOKENS)
    source = find(name, options)
    files = weight_files(source.checkpoint)
    weights = hash_in_background(files)
    if source.checkpoint.architecture in ("qwen3_yes_no", "qwen3_classifier"):
        model: PairModel = _load_qwen3(source, weights)
    else:
        is_embedder = source.checkpoint.architecture == "embedder"
        model = (load_bi_encoder if is_embedder else load_cross_encoder)(source, weights.result())
    model.num_bytes = sum(file.stat().st_size for file in files)
    return Loaded(model, DEVICE_BATCH_TOKENS[source.device.type])


def is_remote(name: str) -> bool:
    """Whether `name` is PROVIDER:MODEL, and no folder here."""
    return split_name(name) is not None and not Path(name).expanduser().is_dir()


def find(name: str | None, options: LoadOptions) -> Source:
    """Where the model is, what it is, and where it will run; reads no weights."""
    _form(options.prompt_form)
    device = choose_device(options.device)
    dtype = choose_dtype(options.dtype, device)
    if name is None:
        checkpoint = inspect(embedded.embedded_path())
        # 22 million parameters: fp32 is as fast here and exact.
        dtype = dtype if options.dtype != "auto" else DtypeChoice(torch.float32, "the embedded model is small")
        return Source(embedded.NAME, None, checkpoint, device, dtype, options, is_default=True)
    path, revision = locate(name, revision=options.revision, hub=options.hub)
    if (path / "adapter_config.json").is_file():
        return Source(name, revision, _with_base(path, options), device, dtype, options)
    return Source(name, revision, inspect(path), device, dtype, options)


def _with_base(adapter: Path, options: LoadOptions) -> Checkpoint:
    config = read_json(adapter / "adapter_config.json")
    base = config.get("base_model_name_or_path")
    if not base:
        raise DamagedError(f"{adapter}/adapter_config.json names no base_model_name_or_path to put the adapter on")
    path, _ = locate(str(base), revision=config.get("revision"), hub=options.hub)
    return with_adapter(inspect(path), adapter, config)


def _load_qwen3(source: Source, weights: "Future[str]") -> Qwen3Reranker:
    checkpoint, options = source.checkpoint, source.options
    config = Qwen3Config.from_dict(checkpoint.config)
    max_length = min(options.max_length, config.max_positions)
    encoder = PromptEncoder(
        load_tokenizer(checkpoint.path, config.vocab_size),
        _form(options.prompt_form),
        max_length=max_length,
        parse_control_tokens=options.parse_control_tokens,
    )
    tensors = tensors_of(checkpoint)
    network = Qwen3Network(config, tensors, source.device, source.dtype.dtype)
    head = _head(checkpoint, config, tensors, encoder)
    instruction = encoder.form.default_instruction
    info = source.info("yes_no", max_length=max_length, default_instruction=instruction, weights=weights.result())
    return Qwen3Reranker(
        info,
        encoder,
        network,
        head,
        prefix_cache_bytes=options.prefix_cache_bytes,
        is_deterministic=options.is_deterministic,
    )


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


def _head(checkpoint: Checkpoint, config: Qwen3Config, tensors: TensorSource, encoder: PromptEncoder) -> torch.Tensor:
    """(D,) fp32: the one direction of the hidden state that is the log-odds."""
    if checkpoint.architecture == "qwen3_classifier":
        rows = tensors.get("score.weight").float()
        if tuple(rows.shape) != (checkpoint.labels, config.hidden_size):
            raise DamagedError(
                f"score.weight is {tuple(rows.shape)}, config.json asks for {(checkpoint.labels, config.hidden_size)}"
            )
        yes_row: torch.Tensor = rows[checkpoint.yes_label]
        return yes_row if checkpoint.labels == 1 else yes_row - rows[1 - checkpoint.yes_label]
    name = "model.embed_tokens.weight" if config.has_tied_head else "lm_head.weight"
    yes_id, no_id = checkpoint.answer_ids or (encoder.yes_id, encoder.no_id)
    rows = head_rows(tensors.get(name), (yes_id, no_id))
    return rows[0] - rows[1]


def _form(name: str) -> PromptForm:
    if name not in FORMS:
        raise SettingsError(f"prompt_form {name!r} is unknown; known: {', '.join(FORMS)}")
    return FORMS[name]


def weight_files(checkpoint: Checkpoint) -> list[Path]:
    """Those that the model is loaded from."""
    files = SafetensorsFolder(checkpoint.path).files()
    if checkpoint.adapter is not None:
        files += SafetensorsFolder(checkpoint.adapter[0]).files()
    return files


def hash_in_background(files: Sequence[Path]) -> "Future[str]":
    """One hash over the files' hashes, computed while the weights are loaded from the same pages."""

    def combined() -> str:
        return hashlib.sha256("".join(embedded.file_sha256(file) for file in files).encode()).hexdigest()

    pool = ThreadPoolExecutor(1, thread_name_prefix="finerank-hash")
    future = pool.submit(combined)
    pool.shutdown(wait=False)
    return future
