"""A ranking as JSON on standard output. What has no value has no key; NaN never appears."""

from collections.abc import Sequence
from typing import Any

import typer

from ..records import facts_record, result_record
from ..types import Ranking
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
