"""The model's opinion of labelled pairs. What the cache knows is not computed again, so a killed run goes on."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from ..reranker import Reranker
from .cache import EvaluationCache, KnownScore
from .calibration_curve import Bools, Floats, Ints
from .calibration_pairs import LabelledPairs
from .known_scores import KnownScores

OnProgress: TypeAlias = Callable[[int, int], None]

_PAIRS_AT_ONCE = 512
"""Packed together and written before the next: where progress shows, and what a kill can cost."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Pairs with the model's opinion: log_odds, labels, queries (N,).

    num_failed: pairs that it had none of.   error: the first reason.   warnings: of scores that the cache knew.
    """

    log_odds: Floats
    labels: Bools
    queries: Ints
    num_failed: int = 0
    error: str | None = None
    warnings: tuple[str, ...] = ()


def judge(
    reranker: Reranker,
    pairs: LabelledPairs,
    instruction: str | None,
    cache: EvaluationCache,
    on_progress: OnProgress | None = None,
) -> Judged:
    """The pairs that the model has an opinion of."""
    known = KnownScores(reranker, cache, instruction)
    log_odds = np.full(len(pairs), math.nan)
    error, num_cached = None, 0
    for start in range(0, len(pairs), _PAIRS_AT_ONCE):
        stop = min(len(pairs), start + _PAIRS_AT_ONCE)
        asked = list(zip(pairs.queries[start:stop], pairs.documents[start:stop], strict=True))
        keys = [known.keys(query, [document])[0] for query, document in asked]
        found = known.of(keys)
        missing = [position for position, key in enumerate(keys) if key not in found]
        num_cached += len(asked) - len(missing)
        if missing:
            fresh, trouble = _computed(reranker, instruction, asked, keys, missing)
            known.add(fresh)
            found |= fresh
            error = error or trouble
        log_odds[start:stop] = [found[key].log_odds if key in found else math.nan for key in keys]
        if on_progress is not None:
            on_progress(stop, len(pairs))
    is_known = np.isfinite(log_odds)
    numbers: dict[str, int] = {}
    queries = np.array([numbers.setdefault(query, len(numbers)) for query in pairs.queries], dtype=np.intp)
    labels = np.array(pairs.labels, dtype=np.bool_)
    num_failed = int((~is_known).sum())
    said = tuple(known.warnings(num_cached))
    return Judged(log_odds[is_known], labels[is_known], queries[is_known], num_failed, error, said)


def _computed(
    reranker: Reranker,
    instruction: str | None,
    asked: Sequence[tuple[str, str]],
    keys: Sequence[bytes],
    missing: Sequence[int],
) -> tuple[dict[bytes, KnownScore], str | None]:
    """(scores of the missing ones, why the first of those without one has none)."""
    judged = reranker.assess([asked[position] for position in missing], instruction=instruction)
    share = judged.facts.usage.computed_tokens / len(missing)
    scores = {
        keys[missing[each.index]]: KnownScore(each.log_odds, share, each.is_truncated)
        for each in judged
        if each.error is None
    }
    return scores, next((each.error for each in judged if each.error is not None), None)
