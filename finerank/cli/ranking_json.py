"""A ranking as JSON on standard output. What has no value has no key; NaN never appears."""

from collections.abc import Sequence
from typing import Any

import typer

from ..types import AnswerFacts, RankedDocument, Ranking
from .console import to_json


def print_json(ranking: Ranking, originals: Sequence[Any], warnings: Sequence[str]) -> None:
    """One object: who answered, at what cost, and the results."""
    answer = facts_record(ranking.facts) | {
        "warnings": list(warnings),
        "results": [result_record(each, originals[each.index]) for each in ranking],
    }
    typer.echo(to_json(answer, indent=2))


def print_json_lines(ranking: Ranking, originals: Sequence[Any]) -> None:
    """One result a line."""
    for each in ranking:
        typer.echo(to_json(result_record(each, originals[each.index])))


def facts_record(facts: AnswerFacts) -> dict[str, Any]:
    model, usage = facts.model, facts.usage
    return {
        "model": model.name,
        **({"revision": model.revision} if model.revision else {}),
        "fingerprint": model.fingerprint,
        "dtype": model.dtype,
        "device": model.device,
        "instruction": facts.instruction,
        "usage": {
            "prompt_tokens": usage.prompt_tokens,
            "computed_tokens": usage.computed_tokens,
            "cached_tokens": usage.cached_tokens,
        },
        "seconds": round(facts.seconds, 6),
    }


def result_record(ranked: RankedDocument, original: Any) -> dict[str, Any]:
    record: dict[str, Any] = {"index": ranked.index}
    if ranked.error is None:
        record |= {"score": _shortest(ranked.score), "log_odds": _shortest(ranked.log_odds)}
    record |= {
        "num_tokens": ranked.num_tokens,
        "is_truncated": ranked.is_truncated,
        "is_blank": ranked.is_blank,
    }
    if ranked.window is not None:
        record["window"] = list(ranked.window)
    if ranked.error is not None:
        record["error"] = ranked.error
    return record | {"document": original}


def _shortest(number: float) -> float:
    """The same fp32 number in nine digits instead of the seventeen of its fp64 neighbour."""
    return float(f"{number:.9g}")
