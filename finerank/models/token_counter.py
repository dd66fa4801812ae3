"""Counting tokens in any thread, while a model's own tokenizer is at work in the engine's.

transformers' tokenizers set padding and truncation on one shared object for every call; two threads at once would
change each other's texts. So counting has a copy of its own, which nobody changes.
"""

import json
import threading
from collections.abc import Sequence
from typing import Any, Protocol

from tokenizers import Tokenizer

from ..errors import UnsupportedError
from ..prompt import TokenIds
from ..texts import Window


class TokenCounter(Protocol):
    """Thread-safe."""

    def counts(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without special ones and without a limit."""

    def offsets(self, text: str) -> list[Window]:
        """Characters of each token. Raises UnsupportedError if the tokenizer does not tell."""


class FastCounter:
    """Over a tokenizer that is set to neither cut nor pad, and is not set to anything else."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def counts(self, texts: Sequence[str]) -> list[int]:
        return [len(each) for each in self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]

    def offsets(self, text: str) -> list[Window]:
        found: list[Window] = self._tokenizer.encode(text, add_special_tokens=False).offsets
        return found


class SlowCounter:
    """Over one of transformers' tokenizers in Python, one caller at a time."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._lock = threading.Lock()

    def counts(self, texts: Sequence[str]) -> list[int]:
        if not texts:
            return []
        with self._lock:
            encoded = self._tokenizer(list(texts), add_special_tokens=False, truncation=False, verbose=False)
        return [len(ids) for ids in encoded["input_ids"]]

    def offsets(self, text: str) -> list[Window]:
        raise UnsupportedError("this model's tokenizer tells no positions, so texts cannot be cut by its tokens")


def counter_of(tokenizer: Any) -> TokenCounter:
    """Of one of transformers' tokenizers, or of a bare one from tokenizers, which static models have.

    Raises UnsupportedError for any other.
    """
    backend = tokenizer if isinstance(tokenizer, Tokenizer) else getattr(tokenizer, "backend_tokenizer", None)
    if backend is None and not hasattr(tokenizer, "num_special_tokens_to_add"):
        raise UnsupportedError(
            f"this model's tokenizer is a {type(tokenizer).__name__}, with which tokens cannot be counted; use a model "
            "with a tokenizer.json"
        )
    if backend is None:
        return SlowCounter(tokenizer)
    state = json.loads(backend.to_str())
    state["truncation"] = state["padding"] = None
    return FastCounter(Tokenizer.from_str(json.dumps(state)))


def special_ids(tokenizer: Tokenizer) -> tuple[TokenIds, TokenIds]:
    """(before, after) a text: what the post-processor of tokenizer.json adds."""
    encoding = tokenizer.encode("a", add_special_tokens=True)
    own = [position for position, is_special in enumerate(encoding.special_tokens_mask) if not is_special]
    ids = encoding.ids
    return (tuple(ids[: own[0]]), tuple(ids[own[-1] + 1 :])) if own else ((), tuple(ids))
