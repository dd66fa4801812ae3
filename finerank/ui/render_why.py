"""A document with its sentences coloured by what they add to its score."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ..texts import Window
from ..types import RankedDocument
from .render import Html, clipped, element, joined, notes_html, score_html
from .texts import Language, say

_LEAST_SPREAD: Final = 0.5
"""Log-odds between no colour and full colour at least, so that mere noise stays pale."""
_LEAST_CHANGE: Final = 0.1
"""The same for the change that a sentence makes."""
_LISTED: Final = 12


@dataclass(frozen=True, slots=True)
class Scored:
    """A sentence.   window: where it lies.   opinion: of the sentence alone, or of the document without it."""

    window: Window
    opinion: RankedDocument


@dataclass(frozen=True, slots=True)
class _Shade:
    """heat: from -1 to 1.   title: the numbers behind it."""

    window: Window
    heat: float
    title: str


@dataclass(frozen=True, slots=True)
class _Key:
    """What the colours mean.   sort: class of the scale, one colour or two."""

    caption: str
    low: str
    high: str
    sort: str


def alone_html(
    language: Language, text: str, whole: RankedDocument, sentences: Sequence[Scored], notes: Iterable[str]
) -> Html:
    """Colour = log-odds of each sentence alone, between the lowest and the highest of this document."""
    known = [each.opinion for each in sentences if each.opinion.error is None]
    low = min((each.log_odds for each in known), default=0.0)
    spread = max(max((each.log_odds for each in known), default=0.0) - low, _LEAST_SPREAD)
    shades = [
        _Shade(each.window, (each.opinion.log_odds - low) / spread, _alone(language, each.opinion))
        if each.opinion.error is None
        else _Shade(each.window, 0.0, each.opinion.error)
        for each in sentences
    ]
    scores = [each.score for each in known] or [0.0]
    caption = say(language, "why.alone_caption", low=f"{min(scores):.4f}", high=f"{max(scores):.4f}")
    key = _Key(caption, say(language, "why.low"), say(language, "why.high"), "fr-one")
    return _picture(language, text, whole, shades, key, notes)


def without_html(
    language: Language, text: str, whole: RankedDocument, sentences: Sequence[Scored], notes: Iterable[str]
) -> Html:
    """Colour = how far the document's log-odds fall when the sentence is taken out, green, or rise, red."""
    changes = [0.0 if each.opinion.error is not None else whole.log_odds - each.opinion.log_odds for each in sentences]
    most = max(map(abs, changes), default=0.0)
    shades = [
        _Shade(each.window, change / max(most, _LEAST_CHANGE), _without(language, change, each.opinion))
        for change, each in zip(changes, sentences, strict=True)
    ]
    caption = say(language, "why.without_caption", most=f"{most:.3f}")
    key = _Key(caption, say(language, "why.hurts"), say(language, "why.helps"), "fr-two")
    return _picture(language, text, whole, shades, key, notes)


def _picture(
    language: Language, text: str, whole: RankedDocument, shades: Sequence[_Shade], key: _Key, notes: Iterable[str]
) -> Html:
    """The score, the coloured text, what the colours mean, the strongest sentences."""
    several = len(shades) > 1
    return element(
        "section",
        element("p", say(language, "why.whole"), class_="fr-label"),
        score_html(language, whole.score, whole.log_odds),
        notes_html(notes),
        _text_html(text, shades),
        _key_html(key) if several else element("p", say(language, "why.one"), class_="fr-caption"),
        _list_html(language, text, shades) if several else None,
        class_=f"fr-explained {key.sort}",
    )


def _text_html(text: str, shades: Sequence[_Shade]) -> Html:
    """The whole text as it is, each sentence in a mark; what lies between them is kept."""
    parts: list[str] = []
    position = 0
    for number, shade in enumerate(shades, 1):
        start, end = shade.window
        parts += [text[position:start], _mark(text[start:end], shade, number)]
        position = end
    return element("div", *parts, text[position:], class_="fr-heat")


def _mark(sentence: str, shade: _Shade, number: int) -> Html:
    sort = "fr-helps" if shade.heat >= 0 else "fr-hurts"
    heat = f"--heat:{abs(shade.heat):.3f}"
    return element("mark", sentence, class_=sort, style=heat, title=shade.title, data_sentence=number)


def _list_html(language: Language, text: str, shades: Sequence[_Shade]) -> Html:
    """The strongest sentences first, with their numbers: for those who see no colours, and on a phone."""
    strongest = sorted(enumerate(shades, 1), key=lambda each: -abs(each[1].heat))[:_LISTED]
    rows = [
        element(
            "li",
            _mark(clipped(text[shade.window[0] : shade.window[1]], 200), shade, number),
            element("span", shade.title, class_="fr-quiet"),
        )
        for number, shade in strongest
    ]
    heading = element("p", say(language, "why.list"), class_="fr-label")
    return joined(heading, element("ol", *rows, class_="fr-sentences"))


def _key_html(key: _Key) -> Html:
    scale = element("span", class_="fr-scale", aria_hidden="true")
    legend = element("div", element("span", key.low), scale, element("span", key.high), class_="fr-legend")
    return element("div", element("p", key.caption), legend, class_="fr-caption")


def _alone(language: Language, opinion: RankedDocument) -> str:
    return say(language, "why.alone_value", score=f"{opinion.score:.4f}", log_odds=f"{opinion.log_odds:+.3f}")


def _without(language: Language, change: float, opinion: RankedDocument) -> str:
    if opinion.error is not None:
        return opinion.error
    return say(language, "why.without_value", change=f"{change:+.3f}", score=f"{opinion.score:.4f}")
