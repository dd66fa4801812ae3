"""BERT embedders (MiniLM, BGE, E5, GTE and others): a vector is made of the hidden states of its text's tokens."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

import torch
from torch import Tensor

from ...errors import TooLongError
from ...texts import Window
from ..base import BatchResult, EncodedPair
from ..text_model import EmbedderInfo, TextModel, of_length_1
from ..text_prompts import TextKind, TextPrompts
from .network import BertNetwork
from .rows import Rows
from .tokens import BertTokens

Pool: TypeAlias = Callable[[Tensor], Tensor]

_POOLS: Final[Mapping[str, Pool]] = {"mean": lambda states: states.mean(1), "max": lambda states: states.amax(1)}
"""Hidden states (B, T, D) of texts of one length to vectors (B, D)."""
POOLINGS: Final = ("cls", *_POOLS)
"""By their names in sentence-transformers."""


class BertEmbedder(TextModel):
    """Texts of any number of callers in packed batches.   is_normalized: the model itself gives vectors of length 1."""

    def __init__(
        self, info: EmbedderInfo, prompts: TextPrompts, tokens: BertTokens, network: BertNetwork, *, is_normalized: bool
    ) -> None:
        self.info = info
        self.prompts = prompts
        self.tokens = tokens
        self.network = network
        self._pooling = info.pooling or "mean"
        self._is_normalized = is_normalized

    def encode(self, texts: Sequence[str], kind: TextKind, instruction: str | None) -> list[EncodedPair]:
        prompt = self.prompts.before(kind, instruction)
        prompt_tokens = len(self.tokens.ids([prompt])[0]) if prompt else 0
        room = self.info.max_length - self.tokens.num_special
        if room <= prompt_tokens:
            raise TooLongError(
                f"the prompt takes {prompt_tokens + self.tokens.num_special} tokens with the special ones, but the "
                f"model reads {self.info.max_length}; shorten the instruction"
            )
        items = []
        for ids in self.tokens.ids([prompt + text for text in texts] if prompt else texts):
            framed = self.tokens.framed(ids[:room])
            items.append(EncodedPair(framed, len(framed), max(0, len(ids) - prompt_tokens), len(ids) > room))
        return items

    def compute(self, pairs: Sequence[EncodedPair]) -> BatchResult:
        rows = Rows([pair.payload for pair in pairs])
        with torch.inference_mode():
            vectors = rows.in_callers_order(self._pooled(rows)).cpu().numpy()
        return BatchResult(of_length_1(vectors) if self._is_normalized else vectors, rows.num_rows)

    def release_memory(self) -> None:
        self.network.release_memory()

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self.tokens.counter.counts(texts)

    def token_offsets(self, text: str) -> list[Window]:
        return self.tokens.counter.offsets(text)

    def _pooled(self, rows: Rows) -> Tensor:
        """(B, D) in the order of the layout."""
        if self._pooling == "cls":
            return self.network.run(rows, first_only=True, on_pause=self.on_pause)
        hidden = self.network.run(rows, on_pause=self.on_pause)
        pool = _POOLS[self._pooling]
        return torch.cat(
            [pool(hidden[each.start : each.end].view(each.num_texts, each.length, -1)) for each in rows.groups]
        )
