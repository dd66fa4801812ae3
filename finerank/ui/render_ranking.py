"""The ranked list of the Rerank tab."""

from collections.abc import Iterable
from typing import Final

from ..types import RankedDocument, Ranking, Usage
from .passages import page_of
from .render import Html, element, error_html, joined, notes_html, score_html
from .texts import Language, say

_SHOWN: Final = 500
"""Characters of a document that are shown at once; a page of a thousand long ones would not scroll."""
_UNFOLDED: Final = 4000
"""Characters that can be unfolded."""


def ranking_html(language: Language, ranking: Ranking, notes: Iterable[str], *, from_file: bool = False) -> Html:
    """The ranked list under a line of facts."""
    places = (_document_html(language, place, each, from_file) for place, each in enumerate(ranking, 1))
    above = joined(facts_html(language, ranking), notes_html(notes))
    return element("section", above, element("ol", *places, class_="fr-list"), class_="fr-answer")


def facts_html(language: Language, ranking: Ranking) -> Html:
    """Who answered, how fast, at what cost."""
    facts, usage = ranking.facts, ranking.facts.usage
    num_truncated = sum(each.is_truncated for each in ranking)
    return element(
        "p",
        say(language, "rerank.facts", count=f"{len(ranking):,}", seconds=f"{facts.seconds:.2f}"),
        " ",
        element("strong", facts.model.name),
        f" ({facts.model.dtype}, {facts.model.device}, ",
        element("code", facts.model.fingerprint),
        "); ",
        say(language, "rerank.tokens", computed=f"{usage.computed_tokens:,}"),
        _saved(language, usage),
        say(language, "rerank.truncated", count=f"{num_truncated:,}") if num_truncated else None,
        say(language, "rerank.stop"),
        class_="fr-facts",
    )


def _saved(language: Language, usage: Usage) -> str | None:
    if usage.result_cache_hits:
        return say(language, "rerank.known", count=f"{usage.result_cache_hits:,}")
    return say(language, "rerank.saved", saved=f"{usage.cached_tokens:,}") if usage.cached_tokens else None


def text_html(language: Language, text: str) -> Html:
    """The beginning of a text, the rest behind a fold."""
    if len(text) <= _SHOWN + 100:
        return element("p", text, class_="fr-text")
    rest = text[_SHOWN:]
    shown = rest if len(rest) <= _UNFOLDED else f"{rest[:_UNFOLDED]} ..."
    fold = element(
        "details",
        element("summary", say(language, "rerank.more", count=f"{len(rest):,}")),
        element("p", shown, class_="fr-text"),
        class_="fr-more",
    )
    return joined(element("p", text[:_SHOWN], " ...", class_="fr-text"), fold)


def _document_html(language: Language, place: int, document: RankedDocument, from_file: bool) -> Html:
    flags = (element("span", flag, class_="fr-flag") for flag in _flags(language, document))
    where = _where(language, document, from_file)
    origin = element("p", element("span", where), *flags, _why_button(language, place, document), class_="fr-origin")
    score = (
        error_html(say(language, "rerank.no_score", error=document.error))
        if document.error is not None
        else score_html(language, document.score, document.log_odds)
    )
    body = element("div", score, text_html(language, document.text), origin, class_="fr-body")
    return element("li", element("span", str(place), class_="fr-place"), body, class_="fr-document")


def _where(language: Language, document: RankedDocument, from_file: bool) -> str:
    page = page_of(document.document)
    if page is not None:
        return place_of(language, *page)
    return say(language, "rerank.origin_file" if from_file else "rerank.origin", number=document.index + 1)


def place_of(language: Language, source: str, page: int | None, last_page: int | None) -> str:
    """File and pages, for people."""
    if page is None:
        return source
    if last_page in (None, page):
        return say(language, "place.page", source=source, page=page)
    return say(language, "place.pages", source=source, page=page, last=last_page)


def _why_button(language: Language, place: int, document: RankedDocument) -> Html | None:
    if document.error is not None or document.is_blank:
        return None
    label = say(language, "rerank.why_label", place=place)
    return element(
        "button", say(language, "rerank.why"), type="button", class_="fr-why", data_why=document.index, aria_label=label
    )


def _flags(language: Language, document: RankedDocument) -> list[str]:
    flags = []
    if document.is_truncated:
        flags.append(say(language, "flag.truncated", tokens=f"{document.num_tokens:,}"))
    if document.window is not None:
        start, end = document.window
        flags.append(say(language, "flag.window", start=f"{start:,}", end=f"{end:,}"))
    if document.is_blank:
        flags.append(say(language, "flag.blank"))
    return flags
