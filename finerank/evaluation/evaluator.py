"""`evaluate` and `compare`: a first stage, one or more rerankers over it, and what can be said of the difference."""

import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .. import __version__
from ..errors import InputError
from .cache import EvaluationCache
from .datasets import fingerprint_of
from .first_stage import Retrieved, Retriever, stage_name
from .metrics import DEFAULT_METRICS, largest_cutoff, means, parse_metrics, per_query
from .ordering import ranked
from .reranking import oracle_run, reranked_run, score_candidates
from .significance import RESAMPLES, paired_test, with_holm
from .types import Dataset, Evaluation, PairedTest, Run, Stage

if TYPE_CHECKING:
    from ..embedder import Embedder
    from ..reranker import Reranker

DEFAULT_DEPTH: Final = 100
DEPTHS: Final = (10, 20, 30, 50, 100)
"""Where the curve over the rerank depth is computed, as far as the depth goes."""

OnProgress = Callable[[str, int, int], None]
"""Called with (what is done, how much of it, of how much)."""


@dataclass(slots=True)
class Contender:
    """One way to rerank.

    name: what its stage is called.   reranker: a loaded one, which stays open; or how to load one, when its turn
    comes, which is closed after it, so that no two models need be in memory.   price_per_million: of its tokens.
    """

    name: str
    reranker: "Reranker | Callable[[], Reranker]"
    instruction: str | None = None
    price_per_million: float | None = None


@dataclass(slots=True)
class _Bench:
    """What every stage of one evaluation is measured against."""

    dataset: Dataset
    metrics: list[str]
    depth: int
    first: Run
    by_depth: dict[str, dict[int, float]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def stage(self, name: str, kind: Any, run: Run, **more: Any) -> Stage:
        values = per_query(self.dataset.qrels, run, self.metrics)
        return Stage(name, kind, run, values, means(values), **more)


def evaluate(
    dataset: Dataset,
    reranker: "Reranker | None" = None,
    *,
    first_stage: str = "bm25",
    depth: int = DEFAULT_DEPTH,
    metrics: Sequence[str] = DEFAULT_METRICS,
    instruction: str | None = None,
    num_results: int | None = None,
    language: str | None = None,
    embedder: "Embedder | Callable[[], Embedder] | None" = None,
    cache: EvaluationCache | Path | None = None,
    price_per_million: float | None = None,
    seed: int = 0,
    on_progress: OnProgress | None = None,
) -> Evaluation:
    """The first stage, the reranker's order of its best `depth`, and the best order that these could have.

    reranker: None measures the first stage alone.
    first_stage: "bm25", "dense", "hybrid" or "run:FILE".   num_results: how many documents it gives for a query;
    None = as many as depth and metrics look at, at least 100.
    metrics: names of ir_measures; the first is the one that the depth curve is about.
    language: of the corpus, for BM25; None = guessed.   embedder: for vectors; None = the embedded model.
    cache: an open one, or its folder; None = nothing is kept.
    Documents below the depth follow the reranked ones in the first stage's order. Queries without results count 0.
    Raises InputError for what cannot be measured, and what `Reranker.rank` raises of the model itself; what was
    computed until then is in the cache.
    """
    contenders = []
    if reranker is not None:
        contenders = [Contender(reranker.info.name, reranker, instruction, price_per_million)]
    return compare(
        dataset,
        contenders,
        first_stage=first_stage,
        depth=depth,
        metrics=metrics,
        num_results=num_results,
        language=language,
        embedder=embedder,
        cache=cache,
        seed=seed,
        on_progress=on_progress,
    )


def compare(
    dataset: Dataset,
    contenders: Sequence[Contender],
    *,
    first_stage: str = "bm25",
    depth: int = DEFAULT_DEPTH,
    metrics: Sequence[str] = DEFAULT_METRICS,
    num_results: int | None = None,
    language: str | None = None,
    embedder: "Embedder | Callable[[], Embedder] | None" = None,
    cache: EvaluationCache | Path | None = None,
    seed: int = 0,
    on_progress: OnProgress | None = None,
) -> Evaluation:
    """As `evaluate`, of several contenders over the same candidates.

    Tests: each contender against the first stage, then against each one before it; with more than one, Holm's
    correction over all tests of a metric.
    """
    started = time.perf_counter()
    names = parse_metrics(metrics)
    _check(dataset, contenders, depth, num_results, seed)
    _check_names(contenders, stage_name(first_stage))
    if not dataset.fingerprint:
        dataset = replace(dataset, fingerprint=fingerprint_of(dataset))
    num_results = num_results or max(depth, largest_cutoff(names), 100)
    opened = cache if isinstance(cache, EvaluationCache) else EvaluationCache(cache)
    try:
        retrieved = _retrieve(dataset, first_stage, opened, num_results, language, embedder, on_progress)
        bench = _Bench(dataset, names, depth, retrieved.run, warnings=retrieved.warnings)
        first = bench.stage(retrieved.name, "first", retrieved.run, cost=retrieved.cost)
        reranked = [_rerank(bench, contender, opened, on_progress) for contender in contenders]
    finally:
        if opened is not cache:
            opened.close()
    oracle = bench.stage("oracle", "oracle", oracle_run(retrieved.run, dataset.qrels, depth))
    return Evaluation(
        dataset=dataset,
        metrics=names,
        depth=depth,
        stages=[first, *reranked, oracle],
        tests=_tests(names, first, reranked, seed),
        by_depth=bench.by_depth,
        num_candidates=_num_candidates(dataset, retrieved.run, depth),
        seconds=time.perf_counter() - started,
        settings=_settings(first_stage, retrieved, depth, num_results, seed),
        warnings=bench.warnings,
    )


def _check(dataset: Dataset, contenders: Sequence[Contender], depth: int, num_results: int | None, seed: int) -> None:
    if depth < 1:
        raise InputError(f"depth is {depth}; rerank at least 1 document of each query")
    if num_results is not None and num_results < depth:
        raise InputError(f"the first stage gives {num_results} documents and {depth} shall be reranked; give it more")
    if seed < 0:
        raise InputError(f"the seed is {seed}; give 0 or more")
    if contenders and not dataset.corpus:
        raise InputError(f"{dataset.name} has no texts for a reranker to read; give --queries and --corpus")


def _check_names(contenders: Sequence[Contender], first_stage: str) -> None:
    """Figures, tests and reports know a stage by its name."""
    taken = {first_stage, "oracle"}
    for contender in contenders:
        if contender.name in taken:
            raise InputError(
                f"two stages are called {contender.name!r}; give each contender a name of its own (the first stage is "
                f"called {first_stage!r}, the best possible order 'oracle')"
            )
        taken.add(contender.name)


def _retrieve(
    dataset: Dataset,
    first_stage: str,
    cache: EvaluationCache,
    num_results: int,
    language: str | None,
    embedder: "Embedder | Callable[[], Embedder] | None",
    on_progress: OnProgress | None,
) -> Retrieved:
    loaded: list[Embedder] = []

    def load() -> "Embedder":
        from ..embedder import Embedder

        if embedder is not None and not callable(embedder):
            return embedder
        loaded.append(embedder() if embedder is not None else Embedder())
        return loaded[-1]

    progress = None if on_progress is None else lambda done, total: on_progress("embedding", done, total)
    try:
        return Retriever(dataset, cache, num_results, load, language, progress).retrieve(first_stage)
    finally:
        for each in loaded:
            each.close()


def _rerank(bench: _Bench, contender: Contender, cache: EvaluationCache, on_progress: OnProgress | None) -> Stage:
    reranker = contender.reranker
    is_ours = callable(reranker)
    loaded = reranker() if callable(reranker) else reranker
    progress = None if on_progress is None else lambda done, total: on_progress(contender.name, done, total)
    candidates = {query_id: ranked(run)[: bench.depth] for query_id, run in bench.first.items()}
    try:
        scored = score_candidates(
            bench.dataset, candidates, loaded, cache, instruction=contender.instruction, on_progress=progress
        )
        info, effective = loaded.info, loaded.effective_instruction(contender.instruction)
    finally:
        if is_ours:
            loaded.close()
    bench.warnings += [f"{contender.name}: {warning}" for warning in scored.warnings]
    scored.cost.price_per_million = contender.price_per_million
    bench.by_depth[contender.name] = _by_depth(bench, scored.scores)
    return bench.stage(
        contender.name,
        "reranked",
        reranked_run(bench.first, scored.scores, bench.depth),
        cost=scored.cost,
        model=info,
        instruction=effective,
        scores=scored.scores,
    )


def _by_depth(bench: _Bench, scores: Run) -> dict[int, float]:
    """The first metric when only the best k are reranked, from the scores at hand."""
    metric = bench.metrics[0]
    depths = sorted({*(depth for depth in DEPTHS if depth <= bench.depth), bench.depth})
    return {
        depth: means(per_query(bench.dataset.qrels, reranked_run(bench.first, scores, depth), [metric]))[metric]
        for depth in depths
    }


def _tests(metrics: Sequence[str], first: Stage, reranked: Sequence[Stage], seed: int) -> list[PairedTest]:
    pairs = [(first, stage) for stage in reranked] + list(combinations(reranked, 2))
    return with_holm(
        [
            paired_test(metric, a.name, b.name, a.per_query[metric], b.per_query[metric], seed=seed)
            for a, b in pairs
            for metric in metrics
        ]
    )


def _num_candidates(dataset: Dataset, run: Run, depth: int) -> float:
    return sum(min(depth, len(run.get(query_id, {}))) for query_id in dataset.qrels) / max(1, len(dataset.qrels))


def _settings(first_stage: str, retrieved: Retrieved, depth: int, num_results: int, seed: int) -> dict[str, object]:
    return {
        "first_stage": first_stage,
        **retrieved.settings,
        "depth": depth,
        "num_results": num_results,
        "seed": seed,
        "resamples": RESAMPLES,
        "finerank": __version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
    }
