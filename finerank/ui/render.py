"""Answers as HTML. Everything that a user or a model wrote is escaped here, and nowhere else."""

from collections.abc import Iterable
from html import escape
from typing import Final

from ..types import ModelInfo, RankedDocument, Ranking

_LONGEST_TEXT: Final = 2000
"""Characters of a document that are shown; a page of a thousand long ones would not scroll."""


def ranking_html(ranking: Ranking, notes: Iterable[str]) -> str:
    """The ranked list under a line of facts."""
    places = "".join(_document_html(place, each) for place, each in enumerate(ranking, 1))
    above = _facts_html(ranking) + _notes_html(notes)
    return f'<section class="fr-answer">{above}<ol class="fr-list">{places}</ol></section>'


def model_html(info: ModelInfo, better: str) -> str:
    """Which model is there, and, if it is the embedded one, how to get the `better` one."""
    ignored = "" if info.default_instruction is not None else "; it takes no instruction"
    advice = (
        '<p class="fr-advice">This is the small English model that comes with finerank. For better rankings and 100+ '
        f"languages start with <code>./start.sh --model {escape(better)}</code>, or load that model now:</p>"
    )
    return (
        f'<div class="fr-model"><p><strong>{escape(info.name)}</strong> <span>{escape(info.dtype)} on '
        f"{escape(info.device)}, fingerprint <code>{escape(info.fingerprint)}</code>{ignored}</span></p>"
        f"{advice if info.is_default else ''}</div>"
    )


def error_html(sentence: str) -> str:
    """What went wrong, as a sentence."""
    return f'<p class="fr-error" role="alert">{escape(_capitalised(sentence))}.</p>'


def status_html(sentence: str) -> str:
    return f'<p class="fr-status" role="status">{escape(sentence)}</p>'


def _document_html(place: int, document: RankedDocument) -> str:
    text = document.text
    shown = text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]} ..."
    flags = "".join(f'<span class="fr-flag">{escape(flag)}</span>' for flag in _flags(document))
    return (
        f'<li class="fr-document"><span class="fr-place">{place}</span><div class="fr-body">'
        f'{_score_html(document)}<p class="fr-text">{escape(shown)}</p>'
        f'<p class="fr-origin">line {document.index + 1} of the input{flags}</p></div></li>'
    )


def _score_html(document: RankedDocument) -> str:
    if document.error is not None:
        return f'<p class="fr-error">No score: {escape(document.error)}</p>'
    percent = f"{100 * document.score:.1f}%"
    return (
        f'<div class="fr-score" title="log-odds {document.log_odds:+.3f}"><span class="fr-bar">'
        f'<span style="width:{percent}"></span></span><span class="fr-number">{document.score:.4f}</span></div>'
    )


def _flags(document: RankedDocument) -> list[str]:
    flags = []
    if document.is_truncated:
        flags.append(f"truncated: {document.num_tokens:,} tokens are more than fit")
    if document.window is not None:
        flags.append(f"best window: characters {document.window[0]:,} to {document.window[1]:,}")
    if document.is_blank:
        flags.append("blank")
    return flags


def _facts_html(ranking: Ranking) -> str:
    facts, usage = ranking.facts, ranking.facts.usage
    saved = f", {usage.cached_tokens:,} saved by shared prefixes" if usage.cached_tokens else ""
    num_truncated = sum(each.is_truncated for each in ranking)
    truncated = f"; {num_truncated} truncated" if num_truncated else ""
    return (
        f'<p class="fr-facts">{len(ranking)} documents in {facts.seconds:.2f} s by <strong>{escape(facts.model.name)}'
        f"</strong> ({escape(facts.model.dtype)}, {escape(facts.model.device)}, <code>{escape(facts.model.fingerprint)}"
        f"</code>); {usage.computed_tokens:,} tokens computed{saved}{truncated}.</p>"
    )


def _notes_html(notes: Iterable[str]) -> str:
    return "".join(f'<p class="fr-note">{escape(_capitalised(note))}.</p>' for note in notes)


def _capitalised(sentence: str) -> str:
    """Unless it begins with a name, such as all-MiniLM-L6-v2."""
    first = sentence.split(" ", 1)[0]
    return sentence[:1].upper() + sentence[1:] if first.isalpha() else sentence
