"""Progress of a batch and its first results."""

from collections.abc import Sequence
from typing import Final

from .batch_file import Outcome
from .render import Html, clipped, element, error_html, joined, score_html
from .texts import Language, say

_SHOWN: Final = 50


def progress_html(language: Language, done: int, count: int, errors: int, seconds_left: float | None) -> Html:
    """A bar with its numbers."""
    share = 100 * done / max(1, count)
    line = [say(language, "batch.progress", done=f"{done:,}", count=f"{count:,}")]
    if errors:
        line.append(say(language, "batch.errors", count=f"{errors:,}"))
    if seconds_left is not None:
        line.append(say(language, "batch.left", seconds=f"{seconds_left:,.0f}"))
    bar = element(
        "div",
        element("span", style=f"width:{share:.1f}%"),
        class_="fr-progress",
        role="progressbar",
        aria_valuemin=0,
        aria_valuemax=count,
        aria_valuenow=done,
        aria_label=line[0],
    )
    return joined(bar, element("p", "; ".join(line), class_="fr-facts"))


def batch_html(language: Language, headline: str, outcomes: Sequence[Outcome]) -> Html:
    """What became of the batch, and the best document of each of the first queries."""
    errors = sum(each.ranking is None for each in outcomes)
    counted = say(language, "batch.errors", count=f"{errors:,}") if errors else None
    rows = (_row(language, each) for each in outcomes[:_SHOWN])
    more = say(language, "batch.first", count=_SHOWN) if len(outcomes) > _SHOWN else None
    return element(
        "section",
        element("p", headline, " " if counted else None, counted, "." if counted else None, class_="fr-summary"),
        element("p", more, class_="fr-quiet") if more else None,
        element("ol", *rows, class_="fr-list"),
        class_="fr-answer",
    )


def _row(language: Language, outcome: Outcome) -> Html:
    item = outcome.item
    where = element("span", say(language, "batch.line", line=item.line), class_="fr-quiet")
    head = element("p", element("strong", clipped(item.query, 200)) if item.query else None, " ", where)
    return element(
        "li", element("div", head, _best(language, outcome), class_="fr-body"), class_="fr-document fr-plain"
    )


def _best(language: Language, outcome: Outcome) -> Html:
    if outcome.ranking is None:
        return error_html(outcome.error or "")
    if not outcome.ranking:
        return joined()
    best = outcome.ranking[0]
    if best.error is not None:
        return error_html(say(language, "rerank.no_score", error=best.error))
    return joined(
        score_html(language, best.score, best.log_odds), element("p", clipped(best.text, 300), class_="fr-text")
    )
