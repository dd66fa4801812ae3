"""A model that learns: transformers' network, which PEFT can adapt, asked exactly as finerank asks it to rank."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..models.pretrained import check_room, count_tokens
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

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    @abstractmethod
    def encode(self, query: str, documents: Sequence[str], instruction: str | None) -> list[TokenSequence]:
        """As the reranker encodes them to rank, cut at the same length. Raises TooLongError for a query too long."""

    @abstractmethod
    def log_odds(self, sequences: Sequence[TokenSequence]) -> Tensor:
        """(B,) fp32, with gradients."""


class PackedBatch:
    """Sequences one after another, as arguments of a network.

    first_position: of each sequence; RoBERTa's kind counts from behind its padding row.
    """

    def __init__(self, sequences: Sequence[TokenSequence], device: torch.device, *, first_position: int = 0) -> None:
        lengths = [len(each.ids) for each in sequences]
        self.spans = spans_of(lengths)
        self.last = torch.tensor([end - 1 for _, end in self.spans], device=device)
        positions = [range(first_position, first_position + length) for length in lengths]
        self.arguments: dict[str, Any] = {
            "input_ids": _row([each.ids for each in sequences], device),
            "position_ids": _row(positions, device),
            "spans": self.spans,
        }
        types = [each.types for each in sequences if each.types is not None]
        if types:
            self.arguments["token_type_ids"] = _row(types, device)


def _row(parts: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    return torch.tensor([[number for part in parts for number in part]], device=device)


class YesNoTrainee(Trainee):
    """A Qwen3 yes/no reranker: log-odds are (last hidden state) · (row of "yes" - row of "no"), in fp32."""

    def __init__(self, network: nn.Module, body: Any, encoder: PromptEncoder, direction: Callable[[], Tensor]) -> None:
        """body: what of `network` gives hidden states.   direction: (D,) whose product with one is the log-odds."""
        self.network = network
        self._body = body
        self._encoder = encoder
        self._direction = direction

    def encode(self, query: str, documents: Sequence[str], instruction: str | None) -> list[TokenSequence]:
        prefix = self._encoder.prefix(query, instruction)
        before = tuple(token for part in prefix.parts for token in part)
        return [TokenSequence(before + tail.ids) for tail in self._encoder.tails(documents, prefix)]

    def log_odds(self, sequences: Sequence[TokenSequence]) -> Tensor:
        batch = PackedBatch(sequences, self.device)
        hidden = self._body(**batch.arguments, use_cache=False).last_hidden_state[0]
        log_odds: Tensor = hidden[batch.last].float() @ self._direction()
        return log_odds


class PairTrainee(Trainee):
    """A classic cross-encoder of one label, or of two.

    is_packed: sequences go through one after another; where the network cannot, padded as transformers does.
    """

    def __init__(
        self, network: nn.Module, classifier: Any, tokenizer: Any, max_length: int, labels: int, yes_label: int
    ) -> None:
        """classifier: transformers' network inside `network`."""
        self.network = network
        self.is_packed = False
        self._classifier = classifier
        self._tokenizer = tokenizer
        self._max_length = max_length
        self._labels = labels
        self._yes_label = yes_label

    def encode(self, query: str, documents: Sequence[str], instruction: str | None) -> list[TokenSequence]:
        special = self._tokenizer.num_special_tokens_to_add(pair=True)
        check_room(count_tokens(self._tokenizer, [query])[0] + special, self._max_length)
        features = self._tokenizer(
            [query] * len(documents), list(documents), truncation="only_second", max_length=self._max_length
        )
        types = features.get("token_type_ids") or [None] * len(documents)
        return [
            TokenSequence(tuple(ids), None if of is None else tuple(of))
            for ids, of in zip(features["input_ids"], types, strict=True)
        ]

    def log_odds(self, sequences: Sequence[TokenSequence]) -> Tensor:
        logits = (self._packed(sequences) if self.is_packed else self._padded(sequences)).float()
        if self._labels == 1:
            return logits[:, 0]
        return logits[:, self._yes_label] - logits[:, 1 - self._yes_label]

    def _packed(self, sequences: Sequence[TokenSequence]) -> Tensor:
        """(B, labels) through transformers' own head."""
        batch = PackedBatch(sequences, self.device, first_position=first_position(self._classifier.base_model))
        is_mean = getattr(self._classifier.config, "classifier_pooling", None) == "mean"
        with _one_row_each(self._classifier.base_model, batch, is_mean=is_mean):
            logits: Tensor = self._classifier(**batch.arguments).logits
        return logits

    def _padded(self, sequences: Sequence[TokenSequence]) -> Tensor:
        features = [
            {"input_ids": list(each.ids)} | ({} if each.types is None else {"token_type_ids": list(each.types)})
            for each in sequences
        ]
        batch = self._tokenizer.pad(features, return_tensors="pt").to(self.device)
        logits: Tensor = self._classifier(**batch).logits
        return logits


def first_position(body: Any) -> int:
    """Where a network's positions begin: at 0, or behind the row of its learned positions that padding has."""
    positions = getattr(getattr(body, "embeddings", None), "position_embeddings", None)
    padding = getattr(positions, "padding_idx", None)
    return 0 if padding is None else int(padding) + 1


@contextmanager
def _one_row_each(body: Any, batch: PackedBatch, *, is_mean: bool) -> Iterator[None]:
    """What follows `body` gets a batch of sequences of one row each: what classifiers look at, first token or mean."""

    def reshape(module: nn.Module, arguments: Any, output: Any) -> Any:
        hidden = output.last_hidden_state[0]
        rows = [hidden[start:end].mean(0) if is_mean else hidden[start] for start, end in batch.spans]
        output["last_hidden_state"] = torch.stack(rows)[:, None]
        if output.get("pooler_output") is not None:
            output["pooler_output"] = body.pooler(output["last_hidden_state"])
        return output

    hook = body.register_forward_hook(reshape)
    try:
        yield
    finally:
        hook.remove()
