"""From a name to a model ready to compute: locate, inspect, choose device and dtype, load, fingerprint."""

from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import torch

from ..client.providers import split_name
from ..errors import DamagedError
from ..prompt import PromptEncoder
from .base import PairModel
from .bert.cross_encoder import load_bert_cross_encoder
from .bi_encoder import load_bi_encoder
from .checkpoint import Checkpoint
from .cross_encoder import load_cross_encoder
from .qwen3.config import Qwen3Config
from .qwen3.network import Qwen3Network
from .qwen3.reranker import Qwen3Reranker
from .source import (
    DEVICE_BATCH_TOKENS,
    LoadOptions,
    Source,
    find,
    form_named,
    load_tokenizer,
    num_bytes,
    tensors_of,
    weight_files,
)
from .tensors import TensorSource, head_rows
from .weights_hash import hash_in_background


@dataclass(frozen=True, slots=True)
class Loaded:
    """batch_tokens: a sensible budget for a packed batch on the device."""

    model: PairModel
    batch_tokens: int


def load_model(name: str | None, options: LoadOptions) -> Loaded:
    """`name`: as for `Reranker`, or PROVIDER:MODEL for a model behind a provider's API.

    Raises ModelError (and its kinds) if the model cannot be used, SettingsError for an option that cannot.
    """
    if name is not None and is_remote(name):
        from .remote import BATCH_TOKENS, load_remote

        return Loaded(load_remote(name, options), BATCH_TOKENS)
    source = find(name, options)
    is_embedder = source.checkpoint.architecture == "embedder"
    model = load_bi_encoder(source) if is_embedder else _load_reranker(source)
    return Loaded(model, DEVICE_BATCH_TOKENS[source.device.type])


def is_remote(name: str) -> bool:
    """Whether `name` is PROVIDER:MODEL, and no folder here."""
    return split_name(name) is not None and not Path(name).expanduser().is_dir()


def _load_reranker(source: Source) -> PairModel:
    files = weight_files(source.checkpoint)
    weights = hash_in_background(files)
    is_classic = source.checkpoint.architecture == "classifier"
    model = _load_classic(source, weights) if is_classic else _load_qwen3(source, weights)
    model.num_bytes = num_bytes(files)
    return model


def _load_classic(source: Source, weights: "Future[str]") -> PairModel:
    return load_bert_cross_encoder(source, weights) or load_cross_encoder(source, weights.result())


def _load_qwen3(source: Source, weights: "Future[str]") -> Qwen3Reranker:
    checkpoint, options = source.checkpoint, source.options
    config = Qwen3Config.from_dict(checkpoint.config)
    max_length = min(options.max_length, config.max_positions)
    encoder = PromptEncoder(
        load_tokenizer(checkpoint.path, config.vocab_size),
        form_named(options.prompt_form),
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
