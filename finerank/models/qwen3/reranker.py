"""A yes/no reranker on the Qwen3 network: prompts to segments, hidden states to log-odds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import torch
from torch import Tensor

from ...engine.prefix_cache import PrefixCache
from ...hardware import is_out_of_memory
from ...prompt import DocumentTail, PromptEncoder, PromptPrefix, TokenIds
from ...selftest import Check
from ...texts import Window
from ...types import ModelInfo
from ..base import BatchResult, EncodedPair, PairModel
from .network import Qwen3Network
from .segments import KeyValues, Segment

PartKey: TypeAlias = tuple[TokenIds, ...]
"""A part of a prefix with all that comes before it."""

_FEWEST_ROWS: Final = 64
_KEPT_SHARE: Final = 0.5
"""A prefix part is kept if it takes no more than so much of the prefix cache; longer ones are computed again."""


class Qwen3Reranker(PairModel):
    """log_odds = (final hidden state of the last token) · head, in fp32.

    head: (D,) fp32, row("yes") - row("no") of the language-model head.
    is_deterministic: every prefix part and every pair is computed alone, in shapes that depend on nothing else, so
    that a pair's score is the same to the last bit in any company.
    """

    def __init__(
        self,
        info: ModelInfo,
        encoder: PromptEncoder,
        network: Qwen3Network,
        head: Tensor,
        *,
        prefix_cache_bytes: int,
        is_deterministic: bool = False,
    ) -> None:
        self.info = info
        self.encoder = encoder
        self.network = network
        self._head = head.to(network.device)
        self._cache: PrefixCache[KeyValues] = PrefixCache(prefix_cache_bytes)
        self._is_deterministic = is_deterministic

    def encode(self, query: str, documents: Sequence[str], instruction: str | None) -> list[EncodedPair]:
        prefix = self.encoder.prefix(query, instruction)
        return [_pair(prefix, tail) for tail in self.encoder.tails(documents, prefix)]

    def windows(
        self, query: str, document: str, instruction: str | None, max_tokens: int | None, overlap: float
    ) -> list[Window]:
        return self.encoder.windows(document, self.encoder.prefix(query, instruction), max_tokens, overlap)

    def compute(self, pairs: Sequence[EncodedPair]) -> BatchResult:
        """Raises torch's out-of-memory error if one pair alone does not fit even in the smallest row blocks."""
        plan = _Plan()
        tails = [self._tail(pair, plan) for pair in pairs]
        hidden = self._run([*plan.segments, *tails], plan)
        for key, kept in plan.fresh.items():
            self._cache.put(key, kept)
        log_odds = hidden @ self._head
        return BatchResult(log_odds.cpu().numpy(), plan.num_tokens)

    def self_checks(self) -> list[Check]:
        encoder, text = self.encoder, "A text of a few words."
        prefix = encoder.prefix("a query")
        (tail,) = encoder.tails([text], prefix)
        split = [token for part in prefix.parts for token in part] + list(tail.ids)
        whole = encoder.reference_ids("a query", text)
        (cut,) = encoder.tails([text * encoder.max_length], prefix)
        is_kept = cut.is_truncated and cut.ids[-len(encoder.suffix_ids) :] == encoder.suffix_ids
        norm = float(self._head.norm())
        return [
            Check("prompt ids", split == whole, f"{len(whole)} ids, in parts and in one piece"),
            Check("prompt end survives truncation", is_kept, f"last {len(encoder.suffix_ids)} ids of a cut prompt"),
            Check("yes and no differ", 0.0 < norm < float("inf"), f"their rows of the head are {norm:.3g} apart"),
        ]

    def release_memory(self) -> None:
        self._cache.clear()
        if self.network.device.type == "cuda":
            torch.cuda.empty_cache()

    def _run(self, segments: Sequence[Segment], plan: "_Plan") -> Tensor:
        """Through the network; a single pair that does not fit is tried again in ever smaller row blocks."""
        plan.num_tokens += sum(segment.num_tokens for segment in segments)
        block_rows = self.network.block_rows
        while True:
            try:
                return self.network.run(segments, block_rows, self.on_pause)
            except (RuntimeError, MemoryError) as error:
                is_one_pair = sum(segment.is_scored for segment in segments) <= 1
                if not (is_out_of_memory(error) and is_one_pair and block_rows > _FEWEST_ROWS):
                    raise
            self.release_memory()
            block_rows //= 4
            for segment in segments:
                if segment.kept is not None:
                    segment.kept.clear()

    def _tail(self, pair: EncodedPair, plan: "_Plan") -> Segment:
        """The pair's own segment; parts of its prefix that are not known yet go into the plan."""
        prefix, tail = pair.payload
        past: tuple[Segment | KeyValues, ...] = ()
        for end in range(1, len(prefix.parts) + 1):
            key = prefix.parts[:end]
            known = plan.parts.get(key) or self._cache.get(key)
            plan.parts[key] = known or self._missing_part(key, past, plan)
            past = (*past, plan.parts[key])
        return Segment(tail.ids, past, is_scored=True)

    def _missing_part(self, key: PartKey, past: tuple[Segment | KeyValues, ...], plan: "_Plan") -> Segment | KeyValues:
        segment = Segment(key[-1], past)
        num_bytes = segment.num_tokens * self.network.config.kv_bytes_per_token
        if num_bytes <= _KEPT_SHARE * self._cache.max_bytes:
            segment.kept = plan.fresh[key] = KeyValues()
            if self._is_deterministic and all(isinstance(part, KeyValues) for part in past):
                self._run([segment], plan)
                return segment.kept
        plan.segments.append(segment)
        return segment


@dataclass(slots=True)
class _Plan:
    """What one batch has to compute besides its tails.

    parts: prefix parts known so far.   segments: those to compute.   fresh: those to keep afterwards.
    """

    parts: dict[PartKey, Segment | KeyValues] = field(default_factory=dict)
    segments: list[Segment] = field(default_factory=list)
    fresh: dict[PartKey, KeyValues] = field(default_factory=dict)
    num_tokens: int = 0


def _pair(prefix: PromptPrefix, tail: DocumentTail) -> EncodedPair:
    return EncodedPair(
        payload=(prefix, tail),
        own_tokens=len(tail.ids),
        num_tokens=tail.num_tokens,
        is_truncated=tail.is_truncated,
        shared_key=prefix.parts,
        shared_tokens=prefix.num_tokens,
    )
