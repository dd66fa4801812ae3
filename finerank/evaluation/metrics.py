"""Figures of a run, by ir_measures: trec_eval's, through its pytrec_eval provider."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from ..errors import InputError
from .types import PerQuery, Qrels, Run

DEFAULT_METRICS: Final = ("nDCG@10", "RR@10", "AP@100", "R@100", "P@10")
"""As ir_measures writes them; the first one is what tests and plots are about."""


def parse_metrics(names: Sequence[str]) -> list[str]:
    """`names` as ir_measures writes them ("MRR@10" is "RR@10"), each once, in order.

    Raises InputError for one that it does not know, or that no installed package computes.
    """
    metrics = list(dict.fromkeys(str(_measure(name)) for name in names))
    if not metrics:
        raise InputError(f"no metrics; give at least one, such as {DEFAULT_METRICS[0]}")
    return metrics


def largest_cutoff(metrics: Sequence[str]) -> int:
    """The deepest rank that a metric looks at; 1,000, trec_eval's own, if one has no cutoff."""
    cutoffs = []
    for name in metrics:
        cutoff = _measure(name).params.get("cutoff")
        cutoffs.append(cutoff if isinstance(cutoff, int) else 1000)
    return max(cutoffs)


def per_query(qrels: Qrels, run: Run, metrics: Sequence[str]) -> PerQuery:
    """Each metric for each judged query; a query without results has 0."""
    found = {query_id: run[query_id] for query_id in qrels if run.get(query_id)}
    values: PerQuery = {name: dict.fromkeys(qrels, 0.0) for name in metrics}
    if not found:
        return values
    judged = {query_id: qrels[query_id] for query_id in found}
    asked = {name: _measure(name) for name in metrics}
    computed = {name: _without_cutoff(measure) for name, measure in asked.items()}
    results: dict[str, dict[str, float]] = {}
    for each in _provider(computed.values()).iter_calc(list(dict.fromkeys(computed.values())), judged, found):
        results.setdefault(str(each.measure), {})[each.query_id] = float(each.value)
    for name, measure in computed.items():
        limit = _reciprocal_limit(asked[name])
        for query_id, value in results.get(str(measure), {}).items():
            values[name][query_id] = value if value >= limit else 0.0
    return values


def means(values: PerQuery) -> dict[str, float]:
    """Over all judged queries."""
    return {name: math.fsum(of.values()) / len(of) if of else 0.0 for name, of in values.items()}


def _measure(name: str) -> Any:
    import ir_measures

    try:
        measure = ir_measures.parse_measure(name)
        measure.validate_params()
    except (NameError, ValueError, SyntaxError, TypeError, AssertionError) as error:
        raise InputError(
            f"{name!r} is no metric of ir_measures ({error}); give names such as {', '.join(DEFAULT_METRICS)}"
        ) from None
    if not (_is_reciprocal(measure) or ir_measures.DefaultPipeline.supports(measure)):
        raise InputError(
            f"{name!r} is computed by no installed package; ir_measures' documentation says which one does"
        )
    return measure


def _provider(measures: Iterable[Any]) -> Any:
    """pytrec_eval where it knows all of them, else ir_measures' own choice for each."""
    import ir_measures

    knows_all = all(ir_measures.pytrec_eval.supports(measure) for measure in measures)
    return ir_measures.pytrec_eval if knows_all else ir_measures.DefaultPipeline


def _is_reciprocal(measure: Any) -> bool:
    return measure.NAME == "RR" and isinstance(measure.params.get("cutoff"), int)


def _without_cutoff(measure: Any) -> Any:
    """trec_eval has no RR@k: it is RR where the first relevant document is among the first k, else 0."""
    if not _is_reciprocal(measure):
        return measure
    import ir_measures

    others: Mapping[str, Any] = {name: value for name, value in measure.params.items() if name != "cutoff"}
    return ir_measures.RR(**others) if others else ir_measures.RR


def _reciprocal_limit(measure: Any) -> float:
    """Smallest value that is within the cutoff; between 1/k and 1/(k+1), so that no rounding matters."""
    return 1.0 / (measure.params["cutoff"] + 0.5) if _is_reciprocal(measure) else -math.inf
