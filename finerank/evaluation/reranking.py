"""The second stage: what the first stage really returned is scored, nothing added; and the order that makes."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import FinerankError, InputError
from .cache import EvaluationCache, KnownScore, key_of
from .files import named
from .known_scores import KnownScores
from .ordering import ranked
from .types import Cost, Dataset, Run

if TYPE_CHECKING:
    from ..reranker import Reranker

OnProgress = Callable[[int, int], None]


@dataclass(slots=True)
class Scored:
    """scores: query id -> document id -> log-odds, without those that could not be computed."""

    scores: Run = field(default_factory=dict)
    cost: Cost = field(default_factory=Cost)
    warnings: list[str] = field(default_factory=list)


def score_candidates(
    dataset: Dataset,
    candidates: Mapping[str, Sequence[str]],
    reranker: "Reranker",
    cache: EvaluationCache,
    *,
    instruction: str | None = None,
    on_progress: OnProgress | None = None,
) -> Scored:
    """Scores of each query's candidates, one query after the other; each is in the cache before the next begins.

    A query that cannot be asked (too long, blank) has no scores, a document that cannot be scored is left out; both
    are named in the warnings. Raises what `Reranker.rank` raises of the model itself, and FinerankError if there is no
    score at all, which would look like a reranker that changes nothing.
    """
    scorer = _Scorer(dataset, reranker, cache, instruction)
    num_pairs, num_done = sum(map(len, candidates.values())), 0
    for query_id, document_ids in candidates.items():
        readable = [each for each in document_ids if each in dataset.corpus]
        if readable and query_id in dataset.queries:
            scorer.score(query_id, readable)
        num_done += len(document_ids)
        if on_progress is not None:
            on_progress(num_done, num_pairs)
    return scorer.finished()


def reranked_run(first: Run, scores: Run, depth: int) -> Run:
    """The best `depth` of each query by their scores; those without a score, then the rest, in their old order."""
    return {query_id: _reranked(list(ranked(run)), scores.get(query_id, {}), depth) for query_id, run in first.items()}


def oracle_run(first: Run, qrels: Mapping[str, Mapping[str, int]], depth: int) -> Run:
    """The best order that any reranker could give the first `depth`: by grade."""
    grades = {
        query_id: {each: float(qrels.get(query_id, {}).get(each, 0)) for each in ranked(run)[:depth]}
        for query_id, run in first.items()
    }
    return reranked_run(first, grades, depth)


def _reranked(order: list[str], scores: Mapping[str, float], depth: int) -> dict[str, float]:
    scored = ranked({each: scores[each] for each in order[:depth] if each in scores})
    behind = [each for each in order[:depth] if each not in scores] + order[depth:]
    lowest = scores[scored[-1]] if scored else 0.0
    run = {each: scores[each] for each in scored}
    # Whole steps of 1 are told apart in fp32, which trec_eval compares in.
    return run | {each: lowest - place for place, each in enumerate(behind, start=1)}


class _Scorer:
    def __init__(self, dataset: Dataset, reranker: "Reranker", cache: EvaluationCache, instruction: str | None) -> None:
        self._known = {
            each: KnownScores(reranker, cache, each) for each in {instruction, *dataset.instructions.values()}
        }
        self._dataset, self._reranker, self._instruction = dataset, reranker, instruction
        self._tokens = 0.0
        self._num_asked = 0
        self._num_truncated = 0
        self._failed: dict[str, str] = {}
        self._refused: dict[str, str] = {}
        self._notes: dict[str, None] = {}
        self._is_warm = reranker.info.kind == "remote"
        self._scored = Scored()

    def score(self, query_id: str, document_ids: Sequence[str]) -> None:
        query, known_scores = self._dataset.queries[query_id], self._known[self._instruction_of(query_id)]
        self._num_asked += len(document_ids)
        texts = {each: self._dataset.corpus[each].full_text for each in document_ids}
        keys = dict(zip(document_ids, known_scores.keys(query, list(texts.values())), strict=True))
        call = key_of("call", *(key.hex() for key in keys.values()))
        known = known_scores.of(list(keys.values()))
        missing = [each for each in document_ids if keys[each] not in known]
        cost = self._scored.cost
        cost.num_cached += len(document_ids) - len(missing)
        if missing:
            known |= self._computed(query_id, missing, texts, keys, call if len(missing) == len(keys) else None)
        else:
            seconds = known_scores.seconds(call)
            if seconds is not None:
                cost.earlier_seconds[query_id] = seconds
        found = {each: known[keys[each]] for each in document_ids if keys[each] in known}
        self._scored.scores[query_id] = {each: score.log_odds for each, score in found.items()}
        self._tokens += sum(score.tokens for score in found.values())
        self._num_truncated += sum(score.is_truncated for score in found.values())

    def finished(self) -> Scored:
        scored, warnings = self._scored, self._scored.warnings
        if self._num_asked and not any(scored.scores.values()):
            raise self._without_any_score()
        scored.cost.tokens = round(self._tokens)
        for what, found in (("queries were refused and keep their order", self._refused),
                            ("documents have no score and stand behind the others", self._failed)):  # fmt: skip
            if found:
                name, reason = next(iter(found.items()))
                warnings.append(f"{len(found):,} {what}: {named(list(found))}; {name}: {reason}")
        if self._num_truncated:
            warnings.append(
                f"{self._num_truncated:,} of {sum(map(len, scored.scores.values())):,} documents were longer than the "
                f"model reads ({self._reranker.info.max_length:,} tokens) and cut"
            )
        said = [each for known in self._known.values() for each in known.warnings(scored.cost.num_cached)]
        warnings += [*dict.fromkeys(said), *self._notes]
        return scored

    def _without_any_score(self) -> FinerankError:
        """The first reason stands for all."""
        reason = next(iter((self._refused or self._failed).values()), "no reason was given")
        kind = InputError if self._refused else FinerankError
        return kind(f"{self._reranker.info.name} scored none of the {self._num_asked:,} candidates: {reason}")

    def _computed(
        self, query_id: str, missing: list[str], texts: Mapping[str, str], keys: Mapping[str, bytes], call: bytes | None
    ) -> dict[bytes, KnownScore]:
        """Scores of the missing ones, put into the cache.   call: its key if they are all, so that its time counts."""
        self._warm_up()
        instruction = self._instruction_of(query_id)
        started = time.perf_counter()
        try:
            ranking = self._reranker.rank(
                self._dataset.queries[query_id], [texts[each] for each in missing], instruction=instruction
            )
        except InputError as error:
            self._refused[query_id] = str(error)
            return {}
        seconds = time.perf_counter() - started
        usage = ranking.facts.usage
        self._notes |= dict.fromkeys(ranking.facts.warnings)
        share = usage.computed_tokens / len(missing)
        fresh = {}
        for each in ranking:
            document_id = missing[each.index]
            if each.error is None:
                fresh[keys[document_id]] = KnownScore(each.log_odds, share, each.is_truncated)
            else:
                self._failed[f"{query_id} {document_id}"] = each.error
        is_measured = call is not None and not usage.result_cache_hits
        self._known[instruction].add(fresh, (call, seconds) if call is not None and is_measured else None)
        self._scored.cost.num_computed += len(missing)
        if is_measured:
            self._scored.cost.seconds[query_id] = seconds
        return fresh

    def _instruction_of(self, query_id: str) -> str | None:
        return self._dataset.instructions.get(query_id, self._instruction)

    def _warm_up(self) -> None:
        """A first call pays for what later ones find ready; a provider would charge for it."""
        if not self._is_warm:
            self._is_warm = True
            # With the instruction: a calibrated reranker takes no other.
            self._reranker.rank("Is it warm?", ["It is warm now."], instruction=self._instruction)
