"""`KnownScores`: what the cache knows of one reranker under one instruction, whichever command computed it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from ..engine.result_cache import cache_keys
from .cache import EvaluationCache, KnownScore, key_of

if TYPE_CHECKING:
    from ..reranker import Reranker


class KnownScores:
    """`finerank eval`, `compare` and `calibrate` find each other's scores through it."""

    def __init__(self, reranker: "Reranker", cache: EvaluationCache, instruction: str | None) -> None:
        info = reranker.info
        # The fingerprint covers weights, dtype, lengths and prompt; how long documents are read is the reranker's.
        self._scope = (info.fingerprint, reranker.windows, reranker.effective_instruction(instruction))
        self._day = key_of("day", *map(repr, self._scope))
        self._cache, self._info = cache, info

    def keys(self, query: str, documents: Sequence[str]) -> list[bytes]:
        return cache_keys(self._scope, query, documents)

    def of(self, keys: Sequence[bytes]) -> dict[bytes, KnownScore]:
        """Those there are."""
        return self._cache.scores(keys)

    def seconds(self, call: bytes) -> float | None:
        """See `EvaluationCache.seconds`."""
        return self._cache.seconds(call)

    def add(self, scores: Mapping[bytes, KnownScore], call: tuple[bytes, float] | None = None) -> None:
        """See `EvaluationCache.add_scores`."""
        self._cache.add_scores(scores, call)
        if self._info.kind == "remote":
            self._cache.mark_day(self._day)

    def warnings(self, num_cached: int) -> Iterable[str]:
        """A provider may put another model behind a name, which no fingerprint of ours would show."""
        if num_cached and self._info.kind == "remote":
            day = self._cache.first_day(self._day)
            yield (
                f"{num_cached:,} scores of {self._info.name} are what its provider answered "
                f"{f'from {day} on' if day else 'at some earlier time'}; if another model is behind that name by now, "
                "measure again with --cache off or another folder"
            )
