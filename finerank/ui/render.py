"""Answers as HTML. Everything that a user or a model wrote is escaped by `element`, and nowhere else.

This file has what all tabs share; the tabs' own parts are in render_*.py and are made of `element` too.
"""

from collections.abc import Iterable
from html import escape
from typing import Final

from ..types import ModelInfo
from .texts import TEXTS, Language, Said, say

_VOID: Final = frozenset({"input", "br"})
_FIRST_WIDE: Final = "\u2e80"
"""Letters from here on are Chinese, Japanese or Korean."""


class Html(str):
    """Markup that may be shown as it is. Only `element` and `joined` make it."""

    __slots__ = ()


def element(name: str, *children: str | None, **attributes: str | int | float | bool | None) -> Html:
    """One element. Children and attributes that are not Html are escaped; None is left out.

    `class_` is class, `data_x` is data-x; an attribute that is True has no value, one that is False is left out.
    """
    start = f"<{name}{''.join(map(_attribute, attributes.items()))}>"
    return Html(start if name in _VOID else f"{start}{joined(*children)}</{name}>")


def joined(*children: str | None) -> Html:
    """The children one behind the other, escaped unless they are Html."""
    return Html("".join(child if isinstance(child, Html) else _escaped(child) for child in children if child))


def error_html(sentence: str) -> Html:
    """What went wrong, as a sentence."""
    return element("p", _sentence(sentence), class_="fr-error", role="alert")


def status_html(sentence: str) -> Html:
    """What is going on."""
    return element(
        "p", element("span", class_="fr-spinner", aria_hidden="true"), sentence, class_="fr-status", role="status"
    )


def line_html(sentence: str) -> Html:
    """Something worth knowing, quietly."""
    return element("p", sentence, class_="fr-facts")


def notes_html(notes: Iterable[str]) -> Html:
    """What the reader should know about the answer."""
    return joined(*(element("p", _sentence(note), class_="fr-note") for note in notes))


def said_html(language: Language, notices: Iterable[Said]) -> Html:
    return notes_html(say(language, notice.key, **notice.values) for notice in notices)


def placeholder_html(key: str) -> Html:
    """What stands where an answer will be."""
    return element("div", both(key), class_="fr-empty")


def both(key: str, **values: object) -> Html:
    """A text of the page itself in all languages; page.css shows the one that is spoken."""
    spoken = (element("span", say(each, key, **values), class_=f"fr-{each}", lang=each) for each in TEXTS)
    return joined(*spoken)


def model_html(language: Language, info: ModelInfo, better: str, *, may_change: bool) -> Html:
    """Which model is there, and, if it is the embedded one, how to get the `better` one."""
    takes_none = say(language, "model.no_instruction") if info.default_instruction is None else ""
    line = element(
        "p",
        element("strong", info.name),
        " ",
        element(
            "span",
            say(language, "model.line", dtype=info.dtype, device=info.device),
            " ",
            element("code", info.fingerprint),
            takes_none,
        ),
    )
    return element(
        "div", line, _advice_html(language, better, may_change) if info.is_default else None, class_="fr-model"
    )


def score_html(language: Language, score: float, log_odds: float) -> Html:
    """A bar and its number."""
    bar = element("span", element("span", style=f"width:{100 * score:.1f}%"), class_="fr-bar", aria_hidden="true")
    number = element("span", f"{score:.4f}", class_="fr-number")
    return element(
        "div", bar, number, class_="fr-score", title=say(language, "rerank.log_odds", value=f"{log_odds:+.3f}")
    )


def clipped(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most].rstrip()} ..."


def _advice_html(language: Language, better: str, may_change: bool) -> Html:
    command = element("code", f"./start.sh --model {better}")
    rest = say(language, "model.load_now" if may_change else "model.restart")
    return element("p", say(language, "model.advice"), " ", command, rest, class_="fr-advice")


def _attribute(attribute: tuple[str, str | int | float | bool | None]) -> str:
    name, value = attribute
    if value is None or value is False:
        return ""
    name = name.removesuffix("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{_escaped(str(value))}"'


def _escaped(text: str) -> str:
    """A lone surrogate, which is no text and cannot be sent, becomes a question mark."""
    return escape(text.encode("utf-8", "replace").decode())


def _sentence(text: str) -> str:
    """With a capital, unless it begins with a name such as all-MiniLM-L6-v2, and with a full stop."""
    first = text.split(" ", 1)[0]
    text = text[:1].upper() + text[1:] if first.isalpha() else text
    if text.endswith((".", "\N{IDEOGRAPHIC FULL STOP}", "!", "?", "\N{FULLWIDTH RIGHT PARENTHESIS}")):
        return text
    return text + ("." if text[-1:] < _FIRST_WIDE else "\N{IDEOGRAPHIC FULL STOP}")
