"""The plots of an evaluation's report, each with what it shows in words."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from . import plots
from .report_words import counted, figure, gains, milliseconds, signed
from .types import Evaluation, Qrels, Run, Stage


@dataclass(frozen=True, slots=True)
class Figure:
    """A plot.   summary: what is seen, for those who do not see it.   names: of its series, in order."""

    title: str
    caption: str
    summary: str
    svg: Markup
    names: tuple[str, ...] = ()
    kind: str = "lines"


def figures(evaluation: Evaluation, first: Stage | None, reranked: list[Stage]) -> Iterable[Figure]:
    """Those that there is something for."""
    if not evaluation.metrics:
        return
    if first is not None and reranked:
        yield from _gains_figure(evaluation, first, reranked)
    yield from _score_figures(evaluation, reranked)
    yield from _depth_figure(evaluation, first)
    yield from _latency_figure(evaluation)


def _gains_figure(evaluation: Evaluation, first: Stage, reranked: list[Stage]) -> Iterable[Figure]:
    metric = evaluation.metrics[0]
    found = [list(gains(evaluation, first, stage).values()) for stage in reranked]
    if not any(found):
        return
    summary = "; ".join(
        f"{stage.name}: {sum(gain > 0 for gain in values)} of {counted(len(values), 'query')} better, "
        f"{sum(gain < 0 for gain in values)} worse, from {signed(min(values))} to {signed(max(values))}"
        for stage, values in zip(reranked, found, strict=True)
        if values
    )
    yield Figure(
        "Gain per query",
        f"{metric} of each query after reranking, less that of {first.name}.",
        summary,
        plots.gains_plot(found),
        tuple(stage.name for stage in reranked),
        "lines" if len(reranked) > 1 else "signs",
    )


def _score_figures(evaluation: Evaluation, reranked: list[Stage]) -> Iterable[Figure]:
    for number, stage in enumerate(reranked):
        relevant, others = _scores(stage.scores or stage.run, evaluation.dataset.qrels)
        if not relevant and not others:
            continue
        sides = [
            f"{counted(len(values), 'document')} {what}, half of them below {figure(float(np.median(values)))}"
            for what, values in (("judged relevant", relevant), ("not judged relevant", others))
            if values
        ]
        of_which = f" of {stage.name}" if len(reranked) > 1 else ""
        yield Figure(
            f"Scores{of_which}",
            "The further apart the two, the easier it is to say where good answers end.",
            "; ".join(sides),
            plots.scores_plot(relevant, others, f"scores-{number}", "log-odds" if stage.scores else "score"),
            ("relevant", "others"),
            "areas",
        )


def _scores(run: Run, qrels: Qrels) -> tuple[list[float], list[float]]:
    """Of the relevant and of the other documents of queries that have judgements."""
    relevant: list[float] = []
    others: list[float] = []
    for query, scores in run.items():
        grades = qrels.get(query, {})
        for document, score in scores.items():
            if math.isfinite(score):
                (relevant if grades.get(document, 0) > 0 else others).append(score)
    return relevant, others


def _depth_figure(evaluation: Evaluation, first: Stage | None) -> Iterable[Figure]:
    curves = {name: curve for name, curve in evaluation.by_depth.items() if curve and is_reranked(evaluation, name)}
    if not curves:
        return
    metric = evaluation.metrics[0]
    oracle = next((stage for stage in evaluation.stages if stage.kind == "oracle"), None)
    summary = "; ".join(
        f"{name}: " + ", ".join(f"{figure(value)} at {depth}" for depth, value in sorted(curve.items()))
        for name, curve in curves.items()
    )
    yield Figure(
        f"{metric} against depth",
        "How many candidates the reranker has to read.",
        summary,
        plots.depth_plot(
            list(curves.values()),
            first.means.get(metric) if first else None,
            oracle.means.get(metric) if oracle else None,
            metric,
        ),
        tuple(curves),
    )


def is_reranked(evaluation: Evaluation, name: str) -> bool:
    """Is that the name of a reranked stage, or of none that is there?"""
    kinds = {stage.name: stage.kind for stage in evaluation.stages}
    return kinds.get(name, "reranked") == "reranked"


def _latency_figure(evaluation: Evaluation) -> Iterable[Figure]:
    timed = [stage for stage in evaluation.stages if _seconds(stage)]
    if not timed:
        return
    timings = [(stage.name, *quantiles(stage)) for stage in timed]
    summary = "; ".join(
        f"{name}: half of the queries within {milliseconds(p50)}, 95 % within {milliseconds(p95)}"
        for name, p50, p95 in timings
    )
    yield Figure(
        "Latency",
        "Wall time of a stage, each query alone. Dotted: half, and 95 % of the queries."
        + (" Some were timed by an earlier run." if any(stage.cost.earlier_seconds for stage in timed) else ""),
        summary,
        plots.latency_plot([[1000 * value for value in _seconds(stage)] for stage in timed]),
        tuple(stage.name for stage in timed),
    )


def _seconds(stage: Stage) -> list[float]:
    """Of each query that was timed, also of those that an earlier run timed."""
    return [value for value in (stage.cost.earlier_seconds | stage.cost.seconds).values() if math.isfinite(value)]


def quantiles(stage: Stage) -> tuple[float | None, float | None]:
    """(median, 95th percentile) of the seconds a query; None if none was timed."""
    seconds = _seconds(stage)
    if not seconds:
        return None, None
    p50, p95 = np.quantile(seconds, (0.5, 0.95))
    return float(p50), float(p95)
