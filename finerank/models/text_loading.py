"""From a name to a model of texts: Qwen3-Embedding on our network, another embedder, or one behind an API."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from ..errors import NotAModelError, SettingsError, UnsupportedError
from .checkpoint import Checkpoint
from .embedded import file_sha256
from .loading import (
    DEVICE_BATCH_TOKENS,
    LoadOptions,
    Source,
    find,
    hash_in_background,
    load_tokenizer,
    tensors_of,
    weight_files,
)
from .qwen3.config import Qwen3Config
from .qwen3.embedder import Qwen3Embedder, TextEncoder
from .qwen3.network import Qwen3Network
from .qwen3.runner import Runner
from .sentence_encoder import SentenceEncoder, load_encoder, modules_of
from .tensors import Prefixed, read_json
from .text_model import EmbedderInfo, TextModel, fingerprint_of
from .text_prompts import QWEN3_QUERY, TextPrompts

_TOKENIZER_FILES: Final = ("tokenizer.json", "vocab.txt", "vocab.json", "sentencepiece.bpe.model", "spiece.model")
_SURPRISES: Final = ("do_lower_case", "query_expansion", "query_length", "document_length")
"""Settings of sentence-transformers that our network does not follow."""
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
    model = _load_qwen3(source) or _load_encoder(source)
    config = _sentence_config(source.checkpoint)
    return LoadedText(model, DEVICE_BATCH_TOKENS[source.device.type], _saved_dimensions(config))


def _load_qwen3(source: Source) -> Qwen3Embedder | None:
    """None for a folder that is more than a Qwen3 network whose last token is the vector."""
    checkpoint, options = source.checkpoint, source.options
    if not _is_plain_qwen3(checkpoint):
        return None
    try:
        config = Qwen3Config.from_dict(checkpoint.config)
    except UnsupportedError:  # transformers may know it
        return None
    weights = hash_in_background(weight_files(checkpoint))
    max_length = min(options.max_length, config.max_positions, *_length_limits(checkpoint))
    encoder = TextEncoder(
        load_tokenizer(checkpoint.path, config.vocab_size),
        max_length=max_length,
        parse_control_tokens=options.parse_control_tokens,
    )
    network = Qwen3Network(config, Prefixed(tensors_of(checkpoint), "model."), source.device, source.dtype.dtype)
    prompts = TextPrompts.of_names(_sentence_config(checkpoint).get("prompts") or {}, QWEN3_QUERY)
    info = _info(
        source, weights.result(), prompts, max_length=max_length, dimensions=config.hidden_size, pooling="lasttoken"
    )
    runner = Runner(network, prefix_cache_bytes=options.prefix_cache_bytes, is_deterministic=options.is_deterministic)
    model = Qwen3Embedder(info, prompts, encoder, runner)
    model.num_bytes = _num_bytes(weight_files(checkpoint))
    return model


def _load_encoder(source: Source) -> SentenceEncoder:
    checkpoint = source.checkpoint
    if checkpoint.adapter is not None:
        raise UnsupportedError(
            f"{source.name} is an adapter over an embedder that only sentence-transformers can run; merge the two and "
            "save the result"
        )
    files = sorted(checkpoint.path.rglob("*.safetensors")) or weight_files(checkpoint)
    weights = hash_in_background(files)
    encoder = load_encoder(source)
    encoder.truncate_dim = None  # cut by the Embedder, where a call may ask for fewer
    modules = modules_of(checkpoint)
    prompts = TextPrompts.of_names(encoder.prompts)
    dimensions = encoder.get_embedding_dimension()
    if dimensions is None:
        dimensions = encoder.encode(["a"], show_progress_bar=False).shape[1]
    info = _info(
        source,
        weights.result(),
        prompts,
        max_length=encoder.max_seq_length,
        dimensions=dimensions,
        pooling=_pooling_name(modules),
        modules=modules,
    )
    model = SentenceEncoder(info, prompts, encoder)
    model.num_bytes = _num_bytes(files)
    return model


def _info(
    source: Source,
    weights: str,
    prompts: TextPrompts,
    *,
    max_length: int,
    dimensions: int,
    pooling: str | None,
    modules: Any = None,
) -> EmbedderInfo:
    path = source.checkpoint.path
    tokenizer = next((file_sha256(path / name) for name in _TOKENIZER_FILES if (path / name).is_file()), None)
    fingerprint = fingerprint_of(weights, modules or pooling, prompts, dimensions, tokenizer=tokenizer)
    return EmbedderInfo(
        name=source.name,
        fingerprint=fingerprint,
        dtype=source.dtype.name,
        device=str(source.device),
        max_length=max_length,
        dimensions=dimensions,
        default_instruction=prompts.default_instruction,
        is_default=source.is_default,
        revision=source.revision,
        pooling=pooling,
    )


def _is_plain_qwen3(checkpoint: Checkpoint) -> bool:
    """Qwen3, last token, nothing after it but a norm; and no code of its own."""
    config = checkpoint.config
    if config.get("model_type") != "qwen3" or config.get("auto_map"):
        return False
    modules = modules_of(checkpoint)
    kinds = [kind for kind, _ in modules]
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        return False
    settings = _transformer_settings(checkpoint)
    return _pooling_name(modules) == "lasttoken" and not any(settings.get(name) for name in _SURPRISES)


def _pooling_name(modules: list[Any]) -> str | None:
    """Such as "lasttoken" or "mean", in both spellings of sentence-transformers; several joined with +."""
    config = next((config for kind, config in modules if kind == "Pooling"), None)
    if not isinstance(config, dict):
        return None
    named = config.get("pooling_mode")
    if named is None:
        flags = {"pooling_mode_cls_token": "cls", "pooling_mode_max_tokens": "max", "pooling_mode_mean_tokens": "mean"}
        flags |= {"pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens"}
        flags |= {"pooling_mode_weightedmean_tokens": "weightedmean", "pooling_mode_lasttoken": "lasttoken"}
        named = [name for flag, name in flags.items() if config.get(flag)] or ["mean"]
    return named if isinstance(named, str) else "+".join(map(str, named))


def _sentence_config(checkpoint: Checkpoint) -> dict[str, Any]:
    return _optional(checkpoint.path / "config_sentence_transformers.json")


def _transformer_settings(checkpoint: Checkpoint) -> dict[str, Any]:
    return _optional(checkpoint.path / "sentence_bert_config.json")


def _saved_dimensions(config: dict[str, Any]) -> int | None:
    saved = config.get("truncate_dim")
    return saved if isinstance(saved, int) and not isinstance(saved, bool) and saved > 0 else None


def _length_limits(checkpoint: Checkpoint) -> list[int]:
    """What the folder says beside the network's own limit."""
    found = (
        _transformer_settings(checkpoint).get("max_seq_length"),
        _optional(checkpoint.path / "tokenizer_config.json").get("model_max_length"),
    )
    return [int(limit) for limit in found if isinstance(limit, int | float) and 0 < limit < 1e9]


def _optional(file: Path) -> dict[str, Any]:
    return read_json(file) if file.is_file() else {}


def _num_bytes(files: list[Path]) -> int:
    return sum(file.stat().st_size for file in files)


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
