"""The Why tab: which sentences of a document carry its score."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import gradio as gr

from ..sentences import sentence_windows
from ..server.service import RerankCall
from ..texts import Window
from ..types import RankedDocument, Ranking
from .examples import EXPLAINED
from .form import check_query, failure_html
from .parts import IN_BROWSER, QUIET, Parts, html, origin_of
from .render import Html, error_html, placeholder_html, status_html
from .render_page import intro_html
from .render_why import Scored, alone_html, without_html
from .rerank_tab import RerankTab
from .texts import Language, PageError, language_of, say

_MOST_ALONE: Final = 400
_MOST_WITHOUT: Final = 60
"""Windows at most: each of these is a prompt as long as the document."""


def make_why_tab(parts: Parts, rerank: RerankTab, tabs: Any) -> None:
    actions = _Actions(parts)
    with gr.Row(elem_classes="fr-columns"):
        with gr.Column():
            html(intro_html("why.intro"))
            query = parts.query("why-query")
            texts = {"label": "why.document", "placeholder": "why.document.hint"}
            document = parts.words.make(gr.Textbox, texts, elem_id="why-document", lines=8, max_lines=18)
            measure = parts.words.make(
                gr.Radio,
                {"label": "why.measure", "choices": _measures},
                value="alone",
                elem_id="measure",
            )
            with parts.words.make(gr.Accordion, {"label": "options"}, open=False):
                instruction = parts.instruction("why-instruction")
                parts.preset("why-preset", instruction)
            submit = parts.submit("why-submit", "why.submit")
            with gr.Row(elem_classes="fr-examples"):
                example = parts.button("why-example", "example")
        with gr.Column():
            answer = html(placeholder_html("why.empty"), elem_id="explanation")
    inputs = [parts.language, parts.model, query, document, instruction, measure]
    gr.on([submit.click, query.submit], actions.explain, inputs, answer, **QUIET)
    measure.input(actions.explain_again, inputs, answer, **QUIET)
    submit.click(None, js="() => finerank.scrollTo('explanation')", **IN_BROWSER)
    example.click(_example, None, [query, document, instruction], **QUIET)
    asked = rerank.answer.select(
        None,
        rerank.files,
        [tabs, query, document, instruction],
        js="(files) => [{__type__: 'update', selected: 'why'}, ...finerank.askedDocument(files)]",
        **IN_BROWSER,
    )
    asked.then(actions.explain, inputs, answer, **QUIET)


class _Actions:
    """What happens on a click."""

    def __init__(self, parts: Parts) -> None:
        self._service = parts.service

    async def explain_again(
        self,
        request: gr.Request,
        spoken: str,
        model: str | None,
        query: str,
        document: str,
        instruction: str,
        measure: str,
    ) -> AsyncIterator[str]:
        """Another measure was chosen: the same again, if the form is filled in at all."""
        if (query or "").strip() and (document or "").strip():
            async for shown in self.explain(request, spoken, model, query, document, instruction, measure):
                yield shown
        else:
            yield placeholder_html("why.empty")

    async def explain(
        self,
        request: gr.Request,
        spoken: str,
        model: str | None,
        query: str,
        document: str,
        instruction: str,
        measure: str,
    ) -> AsyncIterator[str]:
        """That it is being done, then the coloured document; an error is a sentence in its place."""
        language = language_of(spoken)
        try:
            check_query(query)
            if not (document or "").strip():
                raise PageError("why.no_document")
            is_alone = measure != "without"
            windows, has_joined = self._windows(document, is_alone)
            yield status_html(say(language, "why.waiting", count=f"{len(windows):,}"))
            texts = [_alone(document, each) if is_alone else _without(document, each) for each in windows]
            call = RerankCall(query=query, documents=[document, *texts], instruction=instruction, model=model or None)
            ranking = await self._service.rank(call, origin_of(request))
        except Exception as error:
            yield failure_html(language, error)
            return
        notes = list(ranking.facts.warnings) + ([say(language, "why.joined")] if has_joined else [])
        yield _answer(language, document, windows, ranking, notes, is_alone)

    def _windows(self, document: str, is_alone: bool) -> tuple[list[Window], bool]:
        """(sentences, were neighbours joined?). The whole document takes one place of the call."""
        most = min(_MOST_ALONE if is_alone else _MOST_WITHOUT, self._service.settings.max_documents - 1)
        every = sentence_windows(document, len(document))
        return sentence_windows(document, max(1, most)), len(every) > max(1, most)


def _answer(
    language: Language, document: str, windows: Sequence[Window], ranking: Ranking, notes: list[str], is_alone: bool
) -> Html:
    whole, *others = sorted(ranking, key=lambda each: each.index)
    if whole.error is not None:
        return error_html(say(language, "rerank.no_score", error=whole.error))
    if whole.is_truncated:
        notes.append(say(language, "why.truncated"))
    notes += _failures(language, others)
    scored = [Scored(window, opinion) for window, opinion in zip(windows, others, strict=True)]
    return (alone_html if is_alone else without_html)(language, document, whole, scored, notes)


def _failures(language: Language, opinions: Sequence[RankedDocument]) -> list[str]:
    """The first is enough."""
    failed = next((each.error for each in opinions if each.error is not None), None)
    return [] if failed is None else [say(language, "why.failed", error=failed)]


def _alone(document: str, window: Window) -> str:
    return document[window[0] : window[1]]


def _without(document: str, window: Window) -> str:
    """What is left of it; a document of one sentence has nothing left, which a dot stands for."""
    rest = f"{document[: window[0]].rstrip()} {document[window[1] :].lstrip()}".strip()
    return rest or "."


def _measures(language: Language) -> list[list[str]]:
    return [[say(language, f"why.{each}"), each] for each in ("alone", "without")]


def _example() -> tuple[str, str, str]:
    return EXPLAINED.query, EXPLAINED.documents[0], EXPLAINED.instruction
