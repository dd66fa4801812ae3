"""Two rankings beside each other, and a line from each document's place in one to its place in the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ..types import RankedDocument, Ranking
from .ranks import Move, agreement, moves_between
from .render import Html, clipped, element, joined, notes_html
from .texts import Language, say

_PITCH: Final = 88
"""Pixels from one row to the next; page.css gives the rows this height (--fr-pitch)."""
_LONGEST_TEXT: Final = 160
_WIDTH: Final = 100


@dataclass(frozen=True, slots=True)
class Column:
    """One side.   letter: A or B.   notes: what its reader should know."""

    letter: str
    ranking: Ranking
    notes: Sequence[str]


def comparison_html(language: Language, left: Column, right: Column) -> Html:
    """What moved, in a sentence, then the two rankings with the lines between them."""
    moves = moves_between([each.index for each in left.ranking], [each.index for each in right.ranking])
    by_index = {move.index: move for move in moves}
    graph = element(
        "div",
        _list_html(language, left, {}),
        lines_svg(language, moves),
        _list_html(language, right, by_index),
        class_="fr-graph",
        style=f"--fr-rows:{len(moves)}; --fr-pitch:{_PITCH}px",
    )
    heads = element("div", _heading(language, left), _heading(language, right), class_="fr-heads")
    notes = [f"{side.letter}: {note}" for side in (left, right) for note in side.notes]
    return element(
        "section",
        element("p", _summary(language, left, moves), class_="fr-summary"),
        notes_html(notes),
        heads,
        graph,
        _texts_html(language, left),
        class_="fr-comparison",
    )


def lines_svg(language: Language, moves: Sequence[Move]) -> Html:
    """A curve for each document, from its place on the left to its place on the right, with a title for readers."""
    height = max(1, len(moves)) * _PITCH
    # Those that moved most are drawn last, on top of the others.
    curves = (_curve(language, move) for move in sorted(moves, key=lambda each: abs(each.gain)))
    return element(
        "svg",
        *curves,
        class_="fr-lines",
        viewBox=f"0 0 {_WIDTH} {height}",
        height=height,
        preserveAspectRatio="none",
        aria_hidden="true",
    )


def _curve(language: Language, move: Move) -> Html:
    start, end, middle = _middle(move.left), _middle(move.right), _WIDTH / 2
    path = f"M0 {start} C{middle:g} {start} {middle:g} {end} {_WIDTH} {end}"
    title = element("title", say(language, "compare.places", left=move.left, right=move.right))
    return element("path", title, d=path, class_=_direction(move), data_doc=move.index)


def _middle(place: int) -> int:
    """Height of the middle of a row."""
    return (place - 1) * _PITCH + _PITCH // 2


def _direction(move: Move) -> str:
    return "fr-up" if move.gain > 0 else "fr-down" if move.gain < 0 else "fr-still"


def _summary(language: Language, left: Column, moves: Sequence[Move]) -> str:
    moved = sum(move.gain != 0 for move in moves)
    if not moved:
        return say(language, "compare.still")
    share = f"{100 * agreement(moves):.0f} %"
    sentence = say(language, "compare.summary", moved=f"{moved:,}", count=f"{len(moves):,}", share=share)
    if moves[0].right != 1:
        return f"{sentence} {say(language, 'compare.new_top')}"
    return f"{sentence} {say(language, 'compare.top', text=clipped(left.ranking[0].text, 80))}"


def _heading(language: Language, side: Column) -> Html:
    facts = side.ranking.facts
    if facts.model.default_instruction is None:
        instruction = say(language, "compare.no_instruction")
    elif facts.instruction in (None, facts.model.default_instruction):
        instruction = say(language, "compare.default_instruction")
    else:
        instruction = clipped(facts.instruction or "", 120)
    return element(
        "div",
        element("span", side.letter, class_="fr-letter"),
        element("p", element("strong", facts.model.name), f" {facts.model.dtype}, {facts.seconds:.2f} s"),
        element("p", instruction, class_="fr-quiet"),
        class_="fr-heading",
    )


def _list_html(language: Language, side: Column, moves: Mapping[int, Move]) -> Html:
    rows = (_row(language, place, each, moves.get(each.index)) for place, each in enumerate(side.ranking, 1))
    return element("ol", *rows, class_="fr-column", aria_label=side.letter)


def _row(language: Language, place: int, document: RankedDocument, move: Move | None) -> Html:
    number = document.error if document.error is not None else f"{document.score:.4f}"
    width = 0.0 if document.error is not None else 100 * document.score
    head = element(
        "span",
        element("b", str(place)),
        element("span", number, class_="fr-number"),
        _badge(language, move) if move is not None else None,
        class_="fr-row-head",
    )
    bar = element("span", element("span", style=f"width:{width:.1f}%"), class_="fr-bar", aria_hidden="true")
    text = element("span", clipped(document.text, _LONGEST_TEXT), class_="fr-row-text")
    return element("li", head, bar, text, class_="fr-row", data_doc=document.index)


def _badge(language: Language, move: Move) -> Html:
    places = abs(move.gain)
    key = "compare.up" if move.gain > 0 else "compare.down" if move.gain < 0 else "compare.not_moved"
    sign = "\N{BLACK UP-POINTING TRIANGLE}" if move.gain > 0 else "\N{BLACK DOWN-POINTING TRIANGLE}"
    label = say(language, key, places=places)
    shown = f"{sign}{places}" if places else "="
    return element("span", shown, class_=f"fr-badge {_direction(move)}", title=label, aria_label=label, role="img")


def _texts_html(language: Language, left: Column) -> Html:
    """For whoever wants more than the beginnings, and for fingers, which cannot hover."""
    texts = (element("li", clipped(each.text, 2000)) for each in left.ranking)
    summary = element("summary", f"{say(language, 'compare.texts')} ({left.letter})")
    return joined(element("details", summary, element("ol", *texts, class_="fr-texts"), class_="fr-more"))
