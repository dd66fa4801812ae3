"""An evaluation as tables for people: stages side by side, differences with their certainty, what it cost."""

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from .console import on_one_line, show

if TYPE_CHECKING:
    from ..evaluation.types import Cost, Evaluation, PairedTest, Stage


def print_evaluation(evaluation: "Evaluation") -> None:
    """Metrics down, stages across, and the difference that the reranker made."""
    show(_title(evaluation), _by_metric(evaluation), _costs(evaluation), *_notes(evaluation))


def print_comparison(evaluation: "Evaluation") -> None:
    """Stages down, metrics across; then every test of the first metric."""
    show(_title(evaluation), _by_stage(evaluation), _tests(evaluation), _costs(evaluation), *_notes(evaluation))


def verdict(test: "PairedTest") -> str:
    """Did it help? In a sentence."""
    certainty = f"p {_p(test.p_decisive)}{'' if test.p_holm is None else ' after Holm'}"
    if not test.is_significant:
        found = f"{test.difference:+.4f} {test.metric}, {certainty}"
        return f"no significant difference between {test.a} and {test.b} ({found})"
    direction = "better" if test.difference > 0 else "worse"
    return (
        f"{test.b} is significantly {direction} than {test.a} by {abs(test.difference):.4f} {test.metric}, {certainty}"
    )


def _title(evaluation: "Evaluation") -> Text:
    dataset = evaluation.dataset
    split = f" ({dataset.split})" if dataset.split else ""
    documents = f"{len(dataset.corpus):,} documents" if dataset.corpus else "no texts"
    return Text(
        f"{dataset.name}{split}: {len(dataset.qrels):,} queries, {documents}, {evaluation.num_candidates:.4g} "
        f"candidates a query, rerank depth {evaluation.depth}",
        "bold",
    )


def _by_metric(evaluation: "Evaluation") -> Table:
    table = _table("metric", *(on_one_line(stage.name) for stage in evaluation.stages))
    tests = {test.metric: test for test in evaluation.tests}
    if tests:
        for name in ("difference", "95 % interval", "p"):
            table.add_column(name, justify="right", no_wrap=True)
    for metric in evaluation.metrics:
        cells: list[RenderableType] = [f"{stage.means[metric]:.4f}" for stage in evaluation.stages]
        if metric in tests:
            test = tests[metric]
            cells += [_difference(test), _interval(test), _p(test.p_value)]
        table.add_row(metric, *cells)
    return table


def _by_stage(evaluation: "Evaluation") -> Table:
    table = _table("stage", *evaluation.metrics)
    for stage in evaluation.stages:
        table.add_row(on_one_line(stage.name), *(f"{stage.means[metric]:.4f}" for metric in evaluation.metrics))
    return table


def _tests(evaluation: "Evaluation") -> Table:
    metric = evaluation.metrics[0]
    table = _table(metric, "difference", "95 % interval", "p", "p (Holm)", "better / worse / equal")
    for test in evaluation.tests:
        if test.metric == metric:
            holm = "" if test.p_holm is None else _p(test.p_holm)
            counts = f"{test.wins} / {test.losses} / {test.ties}"
            name = on_one_line(f"{test.b} over {test.a}")
            table.add_row(name, _difference(test), _interval(test), _p(test.p_value), holm, counts)
    return table


def _costs(evaluation: "Evaluation") -> Table:
    stages = [stage for stage in evaluation.stages if stage.kind != "oracle"]
    has_price = any(stage.cost.price is not None for stage in stages)
    table = _table("cost", "ms a query (p50)", "(p95)", "tokens", *(["price"] if has_price else []), "from cache")
    for stage in stages:
        price = "" if stage.cost.price is None else f"{stage.cost.price:,.4f}"
        cells = [*_times(stage.cost), f"{stage.cost.tokens:,}" if stage.kind == "reranked" else ""]
        table.add_row(on_one_line(stage.name), *cells, *([price] if has_price else []), _from_cache(stage))
    return table


def _times(cost: "Cost") -> tuple[str, str]:
    """Of this run, or in parentheses those of the run that the cache is from."""
    from ..evaluation.records import latency

    measured, earlier = latency(cost.seconds), latency(cost.earlier_seconds)
    if measured is not None:
        return f"{measured[0] * 1000:,.1f}", f"{measured[1] * 1000:,.1f}"
    if earlier is not None:
        return f"({earlier[0] * 1000:,.1f})", f"({earlier[1] * 1000:,.1f})"
    return "not measured", ""


def _from_cache(stage: "Stage") -> str:
    cost = stage.cost
    if stage.kind == "first":
        return "the run" if cost.earlier_seconds and not cost.seconds else ""
    return f"{cost.num_cached:,} of {cost.num_cached + cost.num_computed:,} pairs" if cost.num_cached else ""


def _notes(evaluation: "Evaluation") -> list[Text]:
    notes: list[str] = []
    costs = [stage.cost for stage in evaluation.stages]
    if any(cost.earlier_seconds and not cost.seconds for cost in costs):
        notes.append("times in parentheses were measured by the earlier run whose results came from the cache")
    elif any(cost.seconds and cost.num_cached for cost in costs):
        notes.append("times are of the queries that this run computed; the others came from the cache")
    for stage in evaluation.stages:
        if stage.model is not None:
            instruction = f", instruction: {stage.instruction}" if stage.instruction else ""
            model = f"{stage.model.name} | {stage.model.dtype} | {stage.model.device} | {stage.model.fingerprint}"
            notes.append(on_one_line(f"{stage.name}: {model}{instruction}"))
    return [Text(note, "dim") for note in notes]


def _table(first: str, *others: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _difference(test: "PairedTest") -> Text:
    style = "" if not test.is_significant else "green" if test.difference > 0 else "red"
    return Text(f"{test.difference:+.4f}", style)


def _interval(test: "PairedTest") -> str:
    return f"{test.low:+.4f} to {test.high:+.4f}"


def _p(p_value: float) -> str:
    return f"{p_value:.4f}"
