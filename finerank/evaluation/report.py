"""The report of an evaluation: one HTML file that says first whether reranking helped, and then shows why."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .report_figures import Figure, figures, is_reranked, quantiles
from .report_page import origin, render, write_page
from .report_queries import ChangedQuery, most_changed
from .report_words import Answer, answers, as_words, figure, milliseconds, paired_test, share
from .types import Evaluation, PairedTest, Stage

_SHOWN_WARNINGS: Final = 20


@dataclass(frozen=True, slots=True)
class Row:
    """A stage in the table.   difference: to the first stage, in the first metric.   p50, p95: seconds a query."""

    name: str
    kind: str
    is_best: bool
    means: list[float | None]
    difference: float | None
    test: PairedTest | None
    p50: float | None
    p95: float | None
    tokens: int
    price: float | None


@dataclass(frozen=True, slots=True)
class Changes:
    """What a reranked stage did to single queries."""

    name: str
    lost: list[ChangedQuery]
    gained: list[ChangedQuery]


def write_report(evaluation: Evaluation, file: Path, more: Iterable[Figure] = ()) -> None:
    """Writes the report.   more: plots besides the evaluation's own.

    Raises SettingsError if the file cannot be written.
    """
    write_page(report_html(evaluation, more), file)


def report_html(evaluation: Evaluation, more: Iterable[Figure] = ()) -> str:
    """The whole page."""
    first = next((stage for stage in evaluation.stages if stage.kind == "first"), None)
    reranked = [stage for stage in evaluation.stages if stage.kind == "reranked"]
    found: list[Answer] = answers(evaluation)
    warnings = [*evaluation.dataset.warnings, *evaluation.warnings]
    return render(
        "evaluation.html",
        title=f"{evaluation.dataset.name} {evaluation.dataset.split}".strip(),
        answer=found[0],
        others=found[1:],
        room=_room(evaluation, first, reranked),
        metrics=evaluation.metrics,
        rows=_rows(evaluation, first),
        tests=evaluation.tests,
        figures=[*figures(evaluation, first, reranked), *more],
        depths=_depths(evaluation),
        changes=_changes(evaluation, first, reranked),
        facts=_facts(evaluation),
        models=[stage for stage in evaluation.stages if stage.model is not None],
        warnings=warnings[:_SHOWN_WARNINGS],
        num_hidden_warnings=max(0, len(warnings) - _SHOWN_WARNINGS),
    )


def _rows(evaluation: Evaluation, first: Stage | None) -> list[Row]:
    metric = evaluation.metrics[0] if evaluation.metrics else ""
    compared = [stage for stage in evaluation.stages if stage.kind != "oracle"]
    best = max((stage.means.get(metric, -math.inf) for stage in compared), default=0.0)
    return [
        Row(
            stage.name,
            stage.kind,
            stage.kind != "oracle" and stage.means.get(metric) == best and len(compared) > 1,
            [stage.means.get(each) for each in evaluation.metrics],
            stage.means[metric] - first.means[metric] if _both(first, stage, metric) and first else None,
            paired_test(evaluation, first.name, stage.name) if first and stage is not first and metric else None,
            *quantiles(stage),
            stage.cost.tokens,
            stage.cost.price,
        )
        for stage in evaluation.stages
    ]


def _both(first: Stage | None, stage: Stage, metric: str) -> bool:
    return first is not None and stage is not first and metric in first.means and metric in stage.means


def _room(evaluation: Evaluation, first: Stage | None, reranked: list[Stage]) -> str:
    """How much of what was to be had the best stage took; empty where that cannot be said."""
    oracle = next((stage for stage in evaluation.stages if stage.kind == "oracle"), None)
    if first is None or oracle is None or not evaluation.metrics:
        return ""
    metric = evaluation.metrics[0]
    best = max((stage.means.get(metric, math.nan) for stage in reranked), default=math.nan)
    low, high = first.means.get(metric, math.nan), oracle.means.get(metric, math.nan)
    if not math.isfinite(high - low):
        return ""
    words = f"A perfect order of the same candidates would reach {figure(high)}"
    if not math.isfinite(best) or best <= low or high <= low:
        return f"{words}."
    return f"{words}; {share((best - low) / (high - low))} of that gain was had."


def _depths(evaluation: Evaluation) -> dict[str, Any]:
    """The plot of depths as a table."""
    curves = {name: curve for name, curve in evaluation.by_depth.items() if curve and is_reranked(evaluation, name)}
    return {"depths": sorted({depth for curve in curves.values() for depth in curve}), "curves": curves}


def _changes(evaluation: Evaluation, first: Stage | None, reranked: list[Stage]) -> list[Changes]:
    if first is None or not evaluation.metrics:
        return []
    found = [Changes(stage.name, *most_changed(evaluation, first, stage)) for stage in reranked]
    return [each for each in found if each.lost or each.gained]


def _facts(evaluation: Evaluation) -> list[tuple[str, str]]:
    """What was run, apart from the models."""
    dataset = evaluation.dataset
    made = dict(origin()) | {
        key: as_words(evaluation.settings[key]) for key in ("date", "machine") & evaluation.settings.keys()
    }
    listed = [
        ("dataset", dataset.name),
        ("split", dataset.split or "none"),
        ("queries", f"{len(dataset.qrels):,}"),
        ("documents", f"{len(dataset.corpus):,}" if dataset.corpus else "not at hand, only a run and judgements"),
        ("depth", f"{evaluation.depth:,}"),
        ("candidates", f"{figure(evaluation.num_candidates, 1)} a query on average"),
        ("time", milliseconds(evaluation.seconds)),
        *made.items(),
    ]
    known = {name for name, _ in listed}
    return [*listed, *((key, as_words(value)) for key, value in evaluation.settings.items() if key not in known)]
