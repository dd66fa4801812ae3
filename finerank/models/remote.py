"""A provider's API as a model: what `Reranker("siliconflow:Qwen/Qwen3-Reranker-8B")` runs.

Texts are kept as they are; a batch of the engine becomes one call for each query in it. Tokens are estimates here.
"""

import logging
import math
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import fields
from typing import TYPE_CHECKING, Final

import numpy as np

from ..client.client import Client
from ..client.limits import estimate_tokens
from ..errors import SettingsError
from ..texts import Window, windows_of
from ..types import Ranking
from .base import BatchResult, EncodedPair, PairModel

if TYPE_CHECKING:
    from .source import LoadOptions

_log = logging.getLogger(__name__)

BATCH_TOKENS: Final = 1 << 22
"""So much that a call travels in as few requests as its provider allows, which the client sees to."""

_HARMLESS: Final = ("max_length", "prefix_cache_bytes")
"""Limits of what would be computed here."""

_Question = tuple[str, str | None]


class RemoteModel(PairModel):
    """Asks a `Client`, which it does not close. A ProviderError fails the calls in the batch."""

    def __init__(self, client: Client) -> None:
        self.info = client.info
        self._client = client
        self._warned: set[str] = set()

    def encode(self, query: str, documents: Sequence[str], instruction: str | None) -> list[EncodedPair]:
        question, shared_tokens = (query, instruction), estimate_tokens(query)
        return [
            EncodedPair((query, document, instruction), count, count, False, question, shared_tokens)
            for document, count in zip(documents, map(estimate_tokens, documents), strict=True)
        ]

    def windows(
        self, query: str, document: str, instruction: str | None, max_tokens: int | None, overlap: float
    ) -> list[Window]:
        """By estimated tokens; one window without `max_tokens`, since the provider's limit is not known."""
        if max_tokens is None:
            return [(0, len(document))]
        size = max(1, len(document) // estimate_tokens(document))
        pieces = [(start, min(start + size, len(document))) for start in range(0, len(document), size)]
        return windows_of(pieces, len(document), max_tokens, overlap)

    def compute(self, pairs: Sequence[EncodedPair]) -> BatchResult:
        groups: dict[_Question, list[int]] = {}
        for position, pair in enumerate(pairs):
            query, _, instruction = pair.payload
            groups.setdefault((query, instruction), []).append(position)
        log_odds = np.full(len(pairs), math.nan, dtype=np.float32)
        computed_tokens = 0
        errors: dict[int, str] = {}
        for positions, ranking in zip(groups.values(), self._ask(groups, pairs), strict=True):
            self._warn(ranking)
            computed_tokens += ranking.facts.usage.computed_tokens
            for ranked in ranking:
                log_odds[positions[ranked.index]] = ranked.log_odds
                if ranked.error is not None:
                    errors[positions[ranked.index]] = ranked.error
        return BatchResult(log_odds, computed_tokens, errors)

    def _ask(self, groups: dict[_Question, list[int]], pairs: Sequence[EncodedPair]) -> list[Ranking]:
        """A ranking for each group, asked for at the same time; the first failure ends the others."""
        futures: list[Future[Ranking]] = []
        try:
            for (query, instruction), positions in groups.items():
                texts = [pairs[position].payload[1] for position in positions]
                futures.append(self._client.submit(query, texts, instruction=instruction, return_documents=False))
            return [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()

    def _warn(self, ranking: Ranking) -> None:
        """A batch belongs to many callers, so the provider's warnings go to the log, each once."""
        for warning in ranking.facts.warnings:
            if warning not in self._warned:
                self._warned.add(warning)
                _log.warning("%s: %s", self.info.device, warning)


def load_remote(name: str, options: "LoadOptions") -> RemoteModel:
    """The model PROVIDER:MODEL, at the provider's own address, with the key of the environment.

    Raises SettingsError for options of a model that is computed here, and what `Client` raises.
    """
    given = [
        each.name
        for each in fields(options)
        if each.name not in _HARMLESS and getattr(options, each.name) != each.default
    ]
    if given:
        raise SettingsError(f"{name} is computed by its provider, where {', '.join(given)} has no effect; leave it out")
    return RemoteModel(Client(name))
