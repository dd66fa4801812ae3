"""A model that learns: transformers' network, which PEFT can adapt, asked exactly as finerank asks it to rank."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..prompt import PromptEncoder
from .packed_attention import spans_of


@dataclass(frozen=True, slots=True)
class TokenSequence:
    """One (query, document) as the network reads it.   types: token types, where the network has such."""

    ids: tuple[int, ...]
    types: tuple[int, ...] | None = None


class Trainee(ABC):
    """network: what is trained; PEFT's wrapper around transformers' if it is adapted."""

    network: nn.Module

    @abstractmethod
    def encode(self, query: str, documents: Sequence[str], instruction: str | None) -> list[TokenSequence]:
        """As the reranker encodes them to rank, cut at the same length."""

    @abstractmethod
    def log_odds(self, sequences: Sequence[TokenSequence]) -> Tensor:
        """(B,) fp32, with gradients."""


class PackedBatch:
    """Sequences one after another, as arguments of a network."""

    def __init__(self, sequences: Sequence[TokenSequence], device: torch.device) -> None:
        self.spans = spans_of([len(each.ids) for each in sequences])
        self.ids = _row([each.ids for each in sequences], device)
        self.positions = _row([range(len(each.ids)) for each in sequences], device)
        self.types = _row([each.types for each in sequences if each.types is not None], device)
        self.first = torch.tensor([start for start, _ in self.spans], device=device)
        self.last = torch.tensor([end - 1 for _, end in self.spans], device=device)


def _row(parts: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    return torch.tensor([[number for part in parts for number in part]], device=device)


class YesNoTrainee(Trainee):
    """A Qwen3 yes/no reranker: log-odds are (last hidden state) · (row of "yes" - row of "no"), in fp32."""

    def __init__(self, network: nn.Module, body: Any, encoder: PromptEncoder, direction: Callable[[], Tensor]) -> None:
        """body: the part of `network` that gives hidden states.   direction: (D,) whose product with one is the log-odds."""
        self.network = network
        self._body = body
        self._encoder = encoder
        self._direction = direction

    def encode(self, query: str, documents: Sequence[str], instruction: str | None) -> list[TokenSequence]:
        prefix = self._encoder.prefix(query, instruction)
        before = tuple(token for part in prefix.parts for token in part)
        return [TokenSequence(before + tail.ids) for tail in self._encoder.tails(documents, prefix)]

    def log_odds(self, sequences: Sequence[TokenSequence]) -> Tensor:
        batch = PackedBatch(sequences, next(self.network.parameters()).device)
        hidden = self._body(
            input_ids=batch.ids, position_ids=batch.positions, spans=batch.spans, use_cache=False
        ).last_hidden_state[0]
        log_odds: Tensor = hidden[batch.last].float() @ self._direction()
        return log_odds


class PairTrainee(Trainee):
    """A classic cross-encoder of one label, or of two."""

    def __init__(
        self, network: nn.Module, classifier: Any, tokenizer: Any, max_length: int, labels: int, yes_label: int
    ) -> None:
        """classifier: transformers' network inside `network`."""
        self.network = network
        self._classifier = classifier
        self._tokenizer = tokenizer
        self._max_length = max_length
        self._labels = labels
        self._yes_label = yes_label

    def encode(self, query: str, documents: Sequence[str], instruction: str | None) -> list[TokenSequence]:
        features = self._tokenizer(
            [query] * len(documents), list(documents), truncation="only_second", max_length=self._max_length
        )
        types = features.get("token_type_ids") or [None] * len(documents)
        return [
            TokenSequence(tuple(ids), None if of is None else tuple(of))
            for ids, of in zip(features["input_ids"], types, strict=True)
        ]

    def log_odds(self, sequences: Sequence[TokenSequence]) -> Tensor:
        batch = PackedBatch(sequences, next(self.network.parameters()).device)
        types = {"token_type_ids": batch.types} if batch.types.numel() else {}
        hidden = self._classifier.base_model(
            input_ids=batch.ids, position_ids=batch.positions, spans=batch.spans, **types
        ).last_hidden_state[0]
        logits = self._head(hidden[batch.first][:, None]).float()
        if self._labels == 1:
            return logits[:, 0]
        return logits[:, self._yes_label] - logits[:, 1 - self._yes_label]

    def _head(self, first: Tensor) -> Tensor:
        """(B, 1, D) of the first tokens -> (B, labels). A head looks at the first token only, so no other is given."""
        pooler = getattr(self._classifier.base_model, "pooler", None)
        logits: Tensor = self._classifier.classifier(first if pooler is None else pooler(first))
        return logits
