"""An evaluation as plain records, for JSON and CSV. What has no value has no key; NaN never appears."""

import csv
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from .regression import Regression, regressions
from .types import Cost, Evaluation, Stage


def evaluation_record(evaluation: Evaluation) -> dict[str, Any]:
    """All but texts, runs and per-query values."""
    dataset = evaluation.dataset
    return {
        "dataset": {
            "name": dataset.name,
            **({"split": dataset.split} if dataset.split else {}),
            "queries": len(dataset.qrels),
            "documents": len(dataset.corpus),
            "fingerprint": dataset.fingerprint,
            "warnings": dataset.warnings,
        },
        "metrics": evaluation.metrics,
        "depth": evaluation.depth,
        "candidates_per_query": round(evaluation.num_candidates, 2),
        "stages": [_stage_record(stage) for stage in evaluation.stages],
        "tests": [_without_none(asdict(test)) for test in evaluation.tests],
        "by_depth": {
            name: {str(depth): value for depth, value in curve.items()} for name, curve in evaluation.by_depth.items()
        },
        "settings": evaluation.settings,
        "warnings": evaluation.warnings,
        "seconds": round(evaluation.seconds, 3),
    }


def regression_records(evaluation: Evaluation, a: str, b: str, num: int) -> list[dict[str, Any]]:
    """The queries that lost most from stage `a` to `b`, with the texts of the documents."""
    return [_regression_record(evaluation, each) for each in regressions(evaluation, a, b, num)]


def query_records(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    """One for each query and stage: its value of every metric, and its time where this run measured it."""
    for query_id in evaluation.dataset.qrels:
        for stage in evaluation.stages:
            record = {
                "query_id": query_id,
                "query": evaluation.dataset.queries.get(query_id, ""),
                "stage": stage.name,
                **{metric: stage.per_query[metric][query_id] for metric in evaluation.metrics},
            }
            if query_id in stage.cost.seconds:
                record["seconds"] = round(stage.cost.seconds[query_id], 6)
            yield record


def write_per_query(evaluation: Evaluation, file: Path) -> None:
    """`query_records` as CSV, or as JSON Lines by the file's suffix."""
    if file.suffix.lower() in (".jsonl", ".ndjson"):
        with file.open("w", encoding="utf-8", newline="\n") as out:
            for record in query_records(evaluation):
                out.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")
        return
    columns = ["query_id", "query", "stage", *evaluation.metrics, "seconds"]
    with file.open("w", encoding="utf-8", newline="") as out:
        table = csv.DictWriter(out, columns)
        table.writeheader()
        table.writerows(query_records(evaluation))


def latency(seconds: dict[str, float]) -> tuple[float, float] | None:
    """(50th, 95th percentile) in seconds; None without a measurement."""
    if not seconds:
        return None
    p50, p95 = np.percentile(list(seconds.values()), [50, 95])
    return float(p50), float(p95)


def _stage_record(stage: Stage) -> dict[str, Any]:
    record: dict[str, Any] = {"name": stage.name, "kind": stage.kind, "means": stage.means}
    if stage.model is not None:
        record["model"] = _without_none(asdict(stage.model))
    if stage.instruction is not None:
        record["instruction"] = stage.instruction
    if stage.kind != "oracle":
        record["cost"] = _cost_record(stage.cost)
    return record


def _cost_record(cost: Cost) -> dict[str, Any]:
    """Times of an earlier run are beside those of this one, never among them."""
    record: dict[str, Any] = {
        "tokens": cost.tokens,
        "pairs_computed": cost.num_computed,
        "pairs_from_cache": cost.num_cached,
        "price": cost.price,
    }
    for name, seconds in (("latency", cost.seconds), ("latency_of_earlier_runs", cost.earlier_seconds)):
        found = latency(seconds)
        if found is not None:
            p50, p95 = found
            record[name] = {"p50_s": round(p50, 6), "p95_s": round(p95, 6), "queries": len(seconds)}
    return _without_none(record)


def _regression_record(evaluation: Evaluation, each: Regression) -> dict[str, Any]:
    corpus = evaluation.dataset.corpus

    def named(document_id: str) -> dict[str, Any]:
        return {"id": document_id, "text": corpus[document_id].full_text if document_id in corpus else ""}

    return {
        "query_id": each.query_id,
        "query": each.query,
        each.metric: {"before": each.a_value, "after": each.b_value},
        "fallen": [
            _without_none(
                {
                    **named(fallen.document_id),
                    "grade": fallen.grade,
                    "rank_before": fallen.a_rank,
                    "rank_after": fallen.b_rank,
                    "went_above": [named(above) for above in fallen.above],
                }
            )
            for fallen in each.fallen
        ],
    }


def _without_none(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if value is not None}
