"""A ranking as a table for people."""

import sys
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from ..types import AnswerFacts, RankedDocument, Ranking
from .console import on_one_line, show

_BAR_CELLS: Final = 10
_SHOWN_CHARACTERS: Final = 2000
"""More of a text than any terminal shows on a line."""


def print_table(ranking: Ranking) -> None:
    """The table on standard output, and under it one line that says who answered."""
    show(_table(ranking), Text(facts_line(ranking.facts), "dim"))


def facts_line(facts: AnswerFacts) -> str:
    model, usage = facts.model, facts.usage
    computed = f" ({usage.computed_tokens:,} computed)" if usage.cached_tokens else ""
    return " | ".join(
        [
            model.name,
            model.dtype,
            model.device,
            f"fingerprint {model.fingerprint}",
            f"{usage.prompt_tokens:,} tokens{computed}",
            f"{facts.seconds:.2f} s",
        ]
    )


def _table(ranking: Ranking) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("rank", justify="right", no_wrap=True)
    table.add_column("score", no_wrap=True)
    table.add_column("no.", justify="right", no_wrap=True)
    table.add_column("document", max_width=_SHOWN_CHARACTERS)  # the only one that gives way; its texts do not wrap
    notes = [_notes(each) for each in ranking]
    if any(notes):
        table.add_column("notes", no_wrap=True)
    for rank, (each, note) in enumerate(zip(ranking, notes, strict=True), start=1):
        last = [Text(note)] if any(notes) else []
        table.add_row(str(rank), _score(each), str(each.index + 1), _excerpt(each), *last)
    return table


def _score(ranked: RankedDocument) -> Text:
    if ranked.error is not None:
        return Text("error", "red")
    full, empty = ("█", "░") if (sys.stdout.encoding or "").lower().startswith("utf") else ("#", ".")
    num_full = round(ranked.score * _BAR_CELLS)
    bar = full * num_full + empty * (_BAR_CELLS - num_full)
    return Text.assemble(f"{ranked.score:.4f} ", (bar, "cyan"))


def _excerpt(ranked: RankedDocument) -> Text:
    """The beginning of the text, or of the window that scored best, or why there is no score."""
    if ranked.error is not None:
        return Text(on_one_line(ranked.error), "red")
    start = ranked.window[0] if ranked.window else 0
    shown = on_one_line(ranked.text[start : start + _SHOWN_CHARACTERS])
    return Text(f"... {shown}" if start else shown, no_wrap=True, overflow="ellipsis")


def _notes(ranked: RankedDocument) -> str:
    notes = [
        "truncated" if ranked.is_truncated else "",
        "blank" if ranked.is_blank else "",
        f"window {ranked.window[0]}-{ranked.window[1]}" if ranked.window else "",
    ]
    return ", ".join(note for note in notes if note)
