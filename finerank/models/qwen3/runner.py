"""`Runner`: prompts through the network, a part that several share computed once and kept between batches.

A prompt is a prefix in parts, which others may share, and a tail of its own. Parts that the cache knows are not
computed; what a batch computes of them is kept for the next one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import torch
from torch import Tensor

from ...engine.prefix_cache import PrefixCache
from ...hardware import is_out_of_memory
from ...prompt import TokenIds
from .network import Qwen3Network
from .segments import KeyValues, Segment

PartKey: TypeAlias = tuple[TokenIds, ...]
"""A part of a prefix with all that comes before it."""

Prompt: TypeAlias = tuple[PartKey, Sequence[int]]
"""(parts of the prefix, none or more; token ids of the tail, at least one)."""

_FEWEST_ROWS: Final = 64
_KEPT_SHARE: Final = 0.5
"""A prefix part is kept if it takes no more than so much of the prefix cache; longer ones are computed again."""


class Runner:
    """prefix_cache_bytes: most that kept keys and values may take.

    is_deterministic: every prefix part is computed alone, in shapes that depend on nothing else, so that a prompt that
    is alone in its batch too has the same result to the last bit whatever is cached.
    """

    def __init__(self, network: Qwen3Network, *, prefix_cache_bytes: int, is_deterministic: bool = False) -> None:
        self.network = network
        self.cache: PrefixCache[KeyValues] = PrefixCache(prefix_cache_bytes)
        self._is_deterministic = is_deterministic

    def run(self, prompts: Sequence[Prompt], on_pause: Callable[[], None] | None) -> tuple[Tensor, int]:
        """(final hidden states (B, D) of the last tokens, fp32; tokens that were computed).

        Raises torch's out-of-memory error if one prompt alone does not fit even in the smallest row blocks.
        """
        plan = _Plan(on_pause)
        tails = [self._tail(prompt, plan) for prompt in prompts]
        hidden = self._compute([*plan.segments, *tails], plan)
        for key, kept in plan.fresh.items():
            self.cache.put(key, kept)
        return hidden, plan.num_tokens

    def release_memory(self) -> None:
        """Gives back what is kept for speed only."""
        self.cache.clear()
        if self.network.device.type == "cuda":
            torch.cuda.empty_cache()

    def _compute(self, segments: Sequence[Segment], plan: "_Plan") -> Tensor:
        """Through the network; a single prompt that does not fit is tried again in ever smaller row blocks."""
        plan.num_tokens += sum(segment.num_tokens for segment in segments)
        block_rows = self.network.block_rows
        while True:
            try:
                return self.network.run(segments, block_rows, plan.on_pause)
            except (RuntimeError, MemoryError) as error:
                is_one_prompt = sum(segment.is_scored for segment in segments) <= 1
                if not (is_out_of_memory(error) and is_one_prompt and block_rows > _FEWEST_ROWS):
                    raise
            self.release_memory()
            block_rows //= 4
            for segment in segments:
                if segment.kept is not None:
                    segment.kept.clear()

    def _tail(self, prompt: Prompt, plan: "_Plan") -> Segment:
        """The prompt's own segment; parts of its prefix that are not known yet go into the plan."""
        parts, ids = prompt
        past: tuple[Segment | KeyValues, ...] = ()
        for end in range(1, len(parts) + 1):
            key = parts[:end]
            known = plan.parts.get(key) or self.cache.get(key)
            plan.parts[key] = known or self._missing_part(key, past, plan)
            past = (*past, plan.parts[key])
        return Segment(ids, past, is_scored=True)

    def _missing_part(self, key: PartKey, past: tuple[Segment | KeyValues, ...], plan: "_Plan") -> Segment | KeyValues:
        segment = Segment(key[-1], past)
        num_bytes = segment.num_tokens * self.network.config.kv_bytes_per_token
        if num_bytes <= _KEPT_SHARE * self.cache.max_bytes:
            segment.kept = plan.fresh[key] = KeyValues()
            if self._is_deterministic and all(isinstance(part, KeyValues) for part in past):
                self._compute([segment], plan)
                return segment.kept
        plan.segments.append(segment)
        return segment


@dataclass(slots=True)
class _Plan:
    """What one batch has to compute besides its tails.

    parts: prefix parts known so far.   segments: those to compute.   fresh: those to keep afterwards.
    """

    on_pause: Callable[[], None] | None
    parts: dict[PartKey, Segment | KeyValues] = field(default_factory=dict)
    segments: list[Segment] = field(default_factory=list)
    fresh: dict[PartKey, KeyValues] = field(default_factory=dict)
    num_tokens: int = 0
