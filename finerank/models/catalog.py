"""Known models, as data: how large they are, what they read, what they need, and what to ask of which machine.

Any checkpoint that finerank can load may be used, listed here or not. This module knows neither torch nor a network.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from ..errors import ModelError
from . import embedded
from .hub import cached_bytes
from .qwen3.config import Qwen3Config

BYTES_PER_NUMBER: Final[Mapping[str, int]] = MappingProxyType({"bfloat16": 2, "float32": 4})

_BATCH_TOKENS: Final = 32_768
_BLOCK_ROWS: Final = 8192
"""Batch budget and row block on a GPU (models/loading.py, models/qwen3/network.py); a CPU's are smaller."""
_RUNTIME_BYTES: Final = 500_000_000
"""Python with torch on a CPU, or the CUDA context on a GPU: about as much."""
_PREFIX_CACHE_BYTES: Final = 256 << 20


@dataclass(frozen=True, slots=True)
class KnownModel:
    """name: what to give as --model; None as `model` of a Reranker for the embedded one.

    parameters: of the whole checkpoint.   hidden_size: of the network, for the working memory.
    max_length: most tokens of a prompt.   shape: of a Qwen3 network, None for others.
    """

    name: str
    parameters: int
    hidden_size: int
    languages: str
    max_length: int
    licence: str
    shape: Qwen3Config | None = None
    takes_instruction: bool = False
    needs_remote_code: bool = False
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class CardAdvice:
    """What to ask of a machine: documents at once (`--batch-size`) and in a call, both (from, to)."""

    card: str
    batch_size: tuple[int, int]
    documents: tuple[int, int]


def memory_bytes(model: KnownModel, dtype: str) -> int:
    """About how much memory a model takes while it ranks with the default limits.

    weights + working memory of a batch of N = 32,768 tokens + 0.5 GB for torch itself, where, with b bytes a number
    (2 for bfloat16, 4 for float32):

        Qwen3     weights = b * layers * linear parameters of a layer + 2 * vocabulary * hidden (stays bfloat16;
                            of an untied head only two rows are read)
                  working = N * (4 * hidden + (4 + b) * kv heads * head_dim)             states, keys and values
                          + 8,192 * ((4 + b) * hidden + (8 + b) * heads * head_dim + 2 * b * intermediate)    a block
                          + 256 MiB prefix cache
        others    weights = b * parameters
                  working = N * 12 * b * hidden                       a padded batch: states, projections, wide layer
    """
    size = BYTES_PER_NUMBER[dtype]
    if model.shape is None:
        return _RUNTIME_BYTES + size * model.parameters + _BATCH_TOKENS * 12 * size * model.hidden_size
    return _RUNTIME_BYTES + _qwen3_weights(model.shape, size) + _qwen3_working(model.shape, size)


def bytes_on_this_machine(model: KnownModel) -> int | None:
    """Bytes of a model that need not be downloaded any more, None if it is not here. Never touches the network."""
    if not model.is_default:
        return cached_bytes(model.name)
    try:
        files = list(embedded.embedded_path().rglob("*"))
    except ModelError:
        return None
    return sum(file.stat().st_size for file in files if file.is_file())


def _qwen3_weights(shape: Qwen3Config, size: int) -> int:
    return size * shape.num_layers * shape.linear_parameters + 2 * shape.vocab_size * shape.hidden_size


def _qwen3_working(shape: Qwen3Config, size: int) -> int:
    keys, queries = shape.num_kv_heads * shape.head_dim, shape.num_heads * shape.head_dim
    states = _BATCH_TOKENS * (4 * shape.hidden_size + (4 + size) * keys)
    row = (4 + size) * shape.hidden_size + (8 + size) * queries + 2 * size * shape.intermediate_size
    return states + _BLOCK_ROWS * row + _PREFIX_CACHE_BYTES


def _qwen3_parameters(shape: Qwen3Config) -> int:
    """Every number of the checkpoint: products, norms, embedding, and the head if it is not tied."""
    norms = shape.num_layers * (2 * shape.hidden_size + 2 * shape.head_dim) + shape.hidden_size
    tables = shape.vocab_size * shape.hidden_size * (1 if shape.has_tied_head else 2)
    return shape.num_layers * shape.linear_parameters + norms + tables


def _qwen3_shape(
    hidden_size: int, num_layers: int, num_heads: int, intermediate_size: int, *, has_tied_head: bool
) -> Qwen3Config:
    """What differs between the three sizes; the rest is common to them (their config.json)."""
    return Qwen3Config(
        hidden_size=hidden_size,
        intermediate_size=intermediate_size,
        num_layers=num_layers,
        num_heads=num_heads,
        num_kv_heads=8,
        head_dim=128,
        vocab_size=151_669,
        max_positions=40_960,
        rope_theta=1e6,
        rms_eps=1e-6,
        has_tied_head=has_tied_head,
    )


def _qwen3(size: str, shape: Qwen3Config) -> KnownModel:
    return KnownModel(
        name=f"Qwen/Qwen3-Reranker-{size}",
        parameters=_qwen3_parameters(shape),
        hidden_size=shape.hidden_size,
        languages="100+",
        max_length=32_768,
        licence="Apache-2.0",
        shape=shape,
        takes_instruction=True,
    )


KNOWN_MODELS: Final = (
    _qwen3("0.6B", _qwen3_shape(1024, 28, 16, 3072, has_tied_head=True)),
    _qwen3("4B", _qwen3_shape(2560, 36, 32, 9728, has_tied_head=True)),
    _qwen3("8B", _qwen3_shape(4096, 36, 32, 12_288, has_tied_head=False)),
    KnownModel("BAAI/bge-reranker-base", 278_000_000, 768, "Chinese, English", 512, "MIT"),
    KnownModel("BAAI/bge-reranker-v2-m3", 568_000_000, 1024, "100+", 8192, "Apache-2.0"),
    KnownModel(
        "Alibaba-NLP/gte-multilingual-reranker-base",
        306_000_000,
        768,
        "70+",
        8192,
        "Apache-2.0",
        needs_remote_code=True,
    ),
    KnownModel("cross-encoder/ms-marco-MiniLM-L6-v2", 22_700_000, 384, "English", 512, "Apache-2.0"),
    KnownModel(embedded.NAME, 22_700_000, 384, "English", 256, "Apache-2.0", is_default=True),
)
"""Sizes of the Qwen3 models are computed from their shapes, the others' are those of their model cards."""

CARDS: Final = (
    CardAdvice("CPU only (laptop)", (1, 1), (10, 20)),
    CardAdvice("12 GB card", (4, 4), (10, 50)),
    CardAdvice("A10G, 24 GB", (16, 16), (10, 50)),
    CardAdvice("RTX 3090 or 4090, 24 GB", (16, 32), (10, 50)),
    CardAdvice("A100 or H100, 80 GB", (32, 32), (10, 100)),
)

ADVICE: Final = (
    "Leave the batch size at 0: batches are then packed by tokens, which fits every card. The numbers above are for "
    "those who must bound how many documents run at once.",
    "10 to 50 good candidates a call rank best, 100 is plenty: retrieve fewer but better ones instead of more.",
)
