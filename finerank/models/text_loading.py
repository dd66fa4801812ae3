"""From a name to a model of texts: on one of our networks, through sentence-transformers, or behind an API."""

import logging
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import torch

from ..errors import NotAModelError, SettingsError, UnsupportedError
from .bert.config import BertConfig
from .bert.embedder import POOLINGS, BertEmbedder
from .bert.network import BertNetwork
from .bert.tokens import BertTokens
from .checkpoint import Checkpoint
from .embedded import file_sha256
from .pretrained import tokenizer_file
from .qwen3.config import Qwen3Config
from .qwen3.embedder import Qwen3Embedder, TextEncoder
from .qwen3.network import Qwen3Network
from .qwen3.runner import Runner
from .sentence_encoder import SentenceEncoder, load_encoder
from .sentence_folder import SentenceFolder
from .source import (
    DEVICE_BATCH_TOKENS,
    LoadOptions,
    Source,
    find,
    load_tokenizer,
    num_bytes,
    tensors_of,
    weight_files,
)
from .tensors import Prefixed, SafetensorsFolder
from .text_model import EmbedderInfo, TextModel, fingerprint_of
from .text_prompts import QWEN3_QUERY, TextPrompts
from .weights_hash import hash_in_background

_log = logging.getLogger(__name__)

_HARMLESS: Final = ("max_length", "prefix_cache_bytes")
"""Limits of what would be computed here."""


@dataclass(frozen=True, slots=True)
class LoadedText:
    """batch_tokens: a sensible budget for a batch.   dimensions: that the folder asks for, None for all."""

    model: TextModel
    batch_tokens: int
    dimensions: int | None = None


def load_text_model(
    name: str | None, options: LoadOptions, *, base_url: str | None = None, api_key: str | None = None
) -> LoadedText:
    """name: as for `Embedder`.

    Raises ModelError (and its kinds) if the model cannot be used, SettingsError for an option that cannot, and what
    the provider of `openai:MODEL` is asked once and raises.
    """
    if name is not None and is_remote(name):
        return _load_remote(name, options, base_url, api_key)
    if base_url is not None or api_key is not None:
        raise SettingsError(
            f"base_url and api_key are for models behind an API, but {name or 'the embedded model'} is computed here; "
            "name it openai:MODEL, or leave them out"
        )
    source = find(name, options)
    if source.checkpoint.architecture != "embedder":
        raise NotAModelError(
            f"{source.name} is no embedding model but a reranker: it has no pooling; use an embedder such as "
            "Qwen/Qwen3-Embedding-0.6B, or leave the model out for the embedded one"
        )
    dimensions = SentenceFolder(source.checkpoint).saved_dimensions
    return LoadedText(local_text_model(source), DEVICE_BATCH_TOKENS[source.device.type], dimensions)


def local_text_model(source: Source) -> TextModel:
    """An embedder that is computed here.

    Raises UnsupportedError if its code must run and may not, DamagedError if it cannot be loaded.
    """
    folder = SentenceFolder(source.checkpoint)
    return _load_qwen3(source, folder) or _load_bert(source, folder) or _load_encoder(source, folder)


def _load_qwen3(source: Source, folder: SentenceFolder) -> Qwen3Embedder | None:
    """None for a folder that is more than a Qwen3 network whose last token is the vector."""
    if not folder.is_plain("qwen3") or folder.pooling != "lasttoken":
        return None
    checkpoint, options = source.checkpoint, source.options
    try:
        config = Qwen3Config.from_dict(checkpoint.config)
    except UnsupportedError:  # transformers may know it
        return None
    files = weight_files(checkpoint)
    weights = hash_in_background(files)
    max_length = min(options.max_length, config.max_positions, *folder.length_limits)
    encoder = TextEncoder(
        load_tokenizer(checkpoint.path, config.vocab_size),
        max_length=max_length,
        parse_control_tokens=options.parse_control_tokens,
    )
    network = Qwen3Network(config, Prefixed(tensors_of(checkpoint), "model."), source.device, source.dtype.dtype)
    prompts = TextPrompts.of_names(folder.prompts, QWEN3_QUERY)
    info = _info(
        source, weights.result(), prompts, max_length=max_length, dimensions=config.hidden_size, pooling="lasttoken"
    )
    runner = Runner(network, prefix_cache_bytes=options.prefix_cache_bytes, is_deterministic=options.is_deterministic)
    model = Qwen3Embedder(info, prompts, encoder, runner)
    model.num_bytes = num_bytes(files)
    return model


def _load_bert(source: Source, folder: SentenceFolder) -> BertEmbedder | None:
    """None for a folder that is more than a BERT network with a pooling that is computed here.

    On a CPU only: on a GPU its many small attention calls were not measured yet.
    """
    checkpoint, options = source.checkpoint, source.options
    is_plain = folder.is_plain("bert") and folder.pooling in POOLINGS and folder.pools_prompt
    is_plain = is_plain and (folder.path / "tokenizer.json").is_file()
    if not is_plain or source.device.type != "cpu" or checkpoint.adapter is not None:
        return None
    files = _all_weights(checkpoint)
    weights = hash_in_background(files)
    try:
        config = BertConfig.from_dict(checkpoint.config)
        tokenizer = load_tokenizer(checkpoint.path, config.vocab_size)
        tokens = BertTokens(tokenizer, folder.tokenizer_config, parse_control_tokens=options.parse_control_tokens)
        network = BertNetwork(config, SafetensorsFolder(checkpoint.path), source.device, source.dtype.dtype)
    except UnsupportedError as error:
        _log.info("%s is left to sentence-transformers: %s", source.name, error)
        return None
    prompts = TextPrompts.of_names(folder.prompts)
    info = _info(
        source,
        weights.result(),
        prompts,
        max_length=min(options.max_length, config.max_positions, *folder.length_limits),
        dimensions=config.hidden_size,
        pooling=folder.pooling,
        modules=folder.modules,
    )
    model = BertEmbedder(info, prompts, tokens, network, is_normalized=folder.is_normalized)
    model.num_bytes = num_bytes(files)
    return model


def _load_encoder(source: Source, folder: SentenceFolder) -> SentenceEncoder:
    checkpoint = source.checkpoint
    if checkpoint.adapter is not None:
        raise UnsupportedError(
            f"{source.name} is an adapter over an embedder that only sentence-transformers can run; merge the two and "
            "save the result"
        )
    files = _all_weights(checkpoint)
    weights = hash_in_background(files)
    encoder, max_length = load_encoder(source)
    encoder.truncate_dim = None  # cut by the Embedder, where a call may ask for fewer
    prompts = TextPrompts.of_names(encoder.prompts)
    dimensions = encoder.get_embedding_dimension()
    if dimensions is None:
        dimensions = encoder.encode(["a"], show_progress_bar=False).shape[1]
    info = _info(
        source,
        weights.result(),
        prompts,
        max_length=max_length,
        dimensions=dimensions,
        pooling=folder.pooling,
        modules=folder.modules,
        dtype=next((parameter.dtype for parameter in encoder.parameters()), source.dtype.dtype),
    )
    model = SentenceEncoder(info, prompts, encoder)
    model.num_bytes = num_bytes(files)
    return model


def _all_weights(checkpoint: Checkpoint) -> list[Path]:
    """Those of the modules after the network too."""
    return sorted(checkpoint.path.rglob("*.safetensors")) or weight_files(checkpoint)


def _info(
    source: Source,
    weights: str,
    prompts: TextPrompts,
    *,
    max_length: int,
    dimensions: int,
    pooling: str | None,
    modules: Any = None,
    dtype: torch.dtype | None = None,
) -> EmbedderInfo:
    tokenizer = tokenizer_file(source.checkpoint.path)
    digest = file_sha256(tokenizer) if tokenizer is not None else None
    fingerprint = fingerprint_of(weights, modules or pooling, prompts, dimensions, tokenizer=digest)
    return EmbedderInfo(
        name=source.name,
        fingerprint=fingerprint,
        dtype=source.dtype.name if dtype is None else str(dtype).removeprefix("torch."),
        device=str(source.device),
        max_length=max_length,
        dimensions=dimensions,
        default_instruction=prompts.default_instruction,
        is_default=source.is_default,
        revision=source.revision,
        pooling=pooling,
    )


def is_remote(name: str) -> bool:
    """Whether `name` is PROVIDER:MODEL of an embeddings API, and no folder here."""
    from ..client.providers import EMBEDDING_PROVIDERS, split_name

    return split_name(name, EMBEDDING_PROVIDERS) is not None and not Path(name).expanduser().is_dir()


def _load_remote(name: str, options: LoadOptions, base_url: str | None, api_key: str | None) -> LoadedText:
    from ..client.embeddings import EmbeddingClient
    from .remote_text import BATCH_TOKENS as REMOTE_BATCH_TOKENS
    from .remote_text import RemoteTextModel

    given = [
        each.name
        for each in fields(options)
        if each.name not in _HARMLESS and getattr(options, each.name) != each.default
    ]
    if given:
        raise SettingsError(f"{name} is computed by its provider, where {', '.join(given)} has no effect; leave it out")
    client = EmbeddingClient(name, base_url=base_url, api_key=api_key)
    try:
        return LoadedText(RemoteTextModel(client), REMOTE_BATCH_TOKENS)
    except BaseException:
        client.close()
        raise
