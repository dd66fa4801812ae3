"""What the engine needs of a model, whatever is behind it: a Qwen3 network, a classic cross-encoder, a provider's API.

BatchModel   computes batches of encoded items: all that the engine knows of a model
PairModel    an item is a (query, document), its result the log-odds: what `Reranker` runs
TextModel    an item is a text, its result a vector: what `Embedder` runs (text_model.py)
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from ..scores import FloatArray
from ..selftest import Check
from ..texts import Window
from ..types import ModelInfo


@dataclass(slots=True)  # not frozen: that makes it four times as slow to build, and there is one for every document
class EncodedPair:
    """One item as a model wants it: a (query, document), or a text to embed.

    payload: the model's own form of it; nobody else looks inside.
    own_tokens: tokens that this item adds to a batch.
    shared_key, shared_tokens: what items with the same key need only once in a batch (their prefix).
    num_tokens: tokens of the document, or the text, before truncation.
    """

    payload: Any
    own_tokens: int
    num_tokens: int
    is_truncated: bool
    shared_key: Hashable = None
    shared_tokens: int = 0

    @property
    def prompt_tokens(self) -> int:
        return self.own_tokens + self.shared_tokens


class BatchResult(NamedTuple):
    """values: (B,) log-odds or (B, D) vectors, fp32, in the order of the batch.

    computed_tokens: tokens that went through the network.
    errors: why an item has no value (NaN), by its place in the batch; only where the model knows a reason.
    """

    values: FloatArray
    computed_tokens: int
    errors: Mapping[int, str] = MappingProxyType({})


class BatchModel(ABC):
    """A model that computes batches. `compute` runs in one thread at a time."""

    num_bytes: int = 0
    """Of the weights, as far as whoever loaded them knows."""
    on_pause: Callable[[], None] | None = None
    """Set by the engine. A model whose batches take long calls it between layers, with nothing of its own in flight:
    the engine may then run another `compute` inside the call."""

    @abstractmethod
    def compute(self, pairs: Sequence[EncodedPair]) -> BatchResult:
        """One batch through the network."""

    def release_memory(self) -> None:  # noqa: B027  (most models keep nothing)
        """Give back what is kept for speed only; called before a failed batch is tried again in halves."""

    def close(self) -> None:  # noqa: B027  (most models hold nothing)
        """Ends what it holds open."""


class PairModel(BatchModel):
    """A model that gives log-odds to encoded pairs. `encode` may run in any thread."""

    info: ModelInfo

    @abstractmethod
    def encode(self, query: str, documents: Sequence[str], instruction: str | None) -> list[EncodedPair]:
        """Valid, checked texts to pairs, in order. Raises InputError if query and instruction leave no room."""

    @abstractmethod
    def windows(
        self, query: str, document: str, instruction: str | None, max_tokens: int | None, overlap: float
    ) -> list[Window]:
        """Character spans of windows over `document` that each can be encoded without truncation."""

    def self_checks(self) -> list[Check]:
        """What this kind of model can check of itself without scoring; see selftest.py."""
        return []
