"""`TextModel`: what `Embedder` needs of a model, and `EmbedderInfo`: what is told of it."""

import hashlib
import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from ..scores import FloatArray
from ..texts import Window
from ..types import ModelInfo
from .base import BatchModel, EncodedPair
from .text_prompts import TextKind, TextPrompts

_SHORTEST: Final = 1e-12
"""As in torch's `normalize`."""


@dataclass(frozen=True, slots=True)
class EmbedderInfo:
    """Which model embeds.

    name: a hub id, a folder or the embedded model's; PROVIDER:MODEL behind an API. What `Embedder` takes to load it.
    fingerprint: 16 hex digits over weights, tokenizer, pooling, prompts and dimensions: vectors of two embedders with
    the same one may be compared. Device, dtype and length limits are not in it, so that an index made in fp32 on one
    machine can be searched in bf16 on another: rounding moves a cosine by some 0.001, a wrong model by anything.
    max_length: tokens that are read of a text, its prompt and special tokens included; 0 = not known.
    dimensions: length of the vectors.
    default_instruction: what `instruction=None` means for queries; None if the model takes no instruction.
    is_default: the embedded model, because none was named.
    pooling: what a vector is made of: "lasttoken", "mean", "cls" and so on; None if not known.
    counts_tokens: False where tokens are estimated, rather high, because the tokenizer is out of reach.
    base_url: the address given for it; None for models that are computed here, and for the provider's own address or
    the one that its variable names (OPENAI_BASE_URL), which is read again wherever the model is opened.
    """

    name: str
    fingerprint: str
    dtype: str
    device: str
    max_length: int
    dimensions: int
    default_instruction: str | None = None
    is_default: bool = False
    revision: str | None = None
    pooling: str | None = None
    counts_tokens: bool = True
    base_url: str | None = None

    def as_model_info(self) -> ModelInfo:
        """For answers, which name their model alike whatever it does."""
        return ModelInfo(
            name=self.name,
            kind="bi_encoder" if self.counts_tokens else "remote",
            fingerprint=self.fingerprint,
            dtype=self.dtype,
            device=self.device,
            max_length=self.max_length,
            revision=self.revision,
            default_instruction=self.default_instruction,
            is_default=self.is_default,
        )


class TextModel(BatchModel):
    """A model that gives vectors (B, D) to encoded texts, not yet of length 1. All but `compute` may run in any thread.

    info: of its whole vectors.   prompts: what stands before texts.
    """

    info: EmbedderInfo
    prompts: TextPrompts

    @abstractmethod
    def encode(self, texts: Sequence[str], kind: TextKind, instruction: str | None) -> list[EncodedPair]:
        """Valid texts to items, in order. Raises TooLongError if the prompt leaves no room for a text."""

    @abstractmethod
    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without special ones, prompts and limits."""

    @abstractmethod
    def token_offsets(self, text: str) -> list[Window]:
        """Characters of each token of `text`. Raises UnsupportedError if the tokenizer does not tell."""


def of_length_1(vectors: FloatArray) -> FloatArray:
    """(N, D) -> (N, D); a vector of zeros stays one of zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, _SHORTEST), dtype=np.float32)


def fingerprint_of(weights: str, pooling: object, prompts: TextPrompts, dimensions: int, **more: Any) -> str:
    """See EmbedderInfo.   weights: hash over the weight files."""
    said = {"query": prompts.query, "document": prompts.document}
    facts: Mapping[str, Any] = {
        "weights": weights,
        "pooling": pooling,
        "prompts": said,
        "dimensions": dimensions,
        **more,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def cut_to(info: EmbedderInfo, dimensions: int) -> EmbedderInfo:
    """`info` of vectors that are cut to their first `dimensions` numbers."""
    if dimensions == info.dimensions:
        return info
    fingerprint = hashlib.sha256(f"{info.fingerprint} cut to {dimensions}".encode()).hexdigest()[:16]
    return EmbedderInfo(**(asdict(info) | {"dimensions": dimensions, "fingerprint": fingerprint}))
