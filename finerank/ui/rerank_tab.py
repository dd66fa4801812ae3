"""The Rerank tab: a query, documents typed or from a file, and the ranking."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ..server.service import RerankCall
from .downloads import ranking_csv, ranking_json
from .examples import EXAMPLES, Example
from .form import about_file_html, check_query, failure_html, given_documents
from .parts import IN_BROWSER, QUIET, Parts, html, origin_of
from .render import placeholder_html, status_html
from .render_page import hint_html, label_html
from .render_ranking import ranking_html
from .texts import language_of, say

_ASKED = "finerank.askWhy(element, trigger)"


@dataclass(frozen=True, slots=True)
class RerankTab:
    """What other tabs take from it."""

    query: Any
    documents: Any
    file: Any
    field: Any
    answer: Any
    files: Any


def make_rerank_tab(parts: Parts) -> RerankTab:
    actions = _Actions(parts)
    with gr.Row(elem_classes="fr-columns"):
        with gr.Column():
            query = parts.query("query", autofocus=True)
            documents = parts.documents("documents", lines=8)
            file = parts.picker("file")
            about = parts.about("about-file")
            with parts.words.make(gr.Accordion, {"label": "options"}, open=False):
                instruction, batch_size, field = _options(parts)
            submit = parts.submit("submit", "submit")
            html(hint_html("hint"))
            _example_buttons([query, documents, instruction, file])
        with gr.Column():
            row, files = parts.downloads("save", "csv", "json")
            answer = html(placeholder_html("rerank.empty"), elem_id="answer", js_on_load=_ASKED)
    inputs = [parts.language, parts.model, query, documents, file, field, instruction, batch_size]
    gr.on([submit.click, query.submit], actions.rank, inputs, [answer, row, files], **QUIET)
    submit.click(None, js="() => finerank.scrollTo('answer')", **IN_BROWSER)
    about_inputs = [parts.language, file, field, parts.model]
    gr.on([file.change, field.submit], actions.about_file, about_inputs, [documents, about], **QUIET)
    return RerankTab(query, documents, file, field, answer, files)


class _Actions:
    """What happens on a click."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._service = parts.service

    async def rank(
        self,
        request: gr.Request,
        spoken: str,
        model: str | None,
        query: str,
        typed: str,
        sent: Any,
        field: str,
        instruction: str,
        batch_size: float | None,
    ) -> AsyncIterator[tuple[str, Any, Any]]:
        """First that it is being done, then the answer; an error is a sentence in its place."""
        language = language_of(spoken)
        try:
            check_query(query)
            upload = await self._parts.read_documents(sent, model)
            given = given_documents(typed, upload, field, self._service.settings.max_documents)
            waiting = say(language, "waiting", count=f"{len(given.documents):,}")
            yield status_html(waiting), gr.update(visible=False), None
            call = RerankCall(
                query=query,
                documents=given.documents,
                instruction=instruction,
                model=model or None,
                batch_size=int(batch_size or 0),
            )
            ranking = await self._service.rank(call, origin_of(request))
        except Exception as error:
            yield failure_html(language, error), gr.update(visible=False), None
            return
        notes = [*given.said(language), *ranking.facts.warnings]
        files = {
            "name": "finerank-ranking",
            "csv": ranking_csv(ranking),
            "json": ranking_json(query, ranking, given.originals, notes),
            "instruction": instruction or "",
            "field": (field or "").strip() or "text",
        }
        yield ranking_html(language, ranking, notes, from_file=given.is_file), gr.update(visible=True), files

    async def about_file(self, spoken: str, sent: Any, field: str, model: str | None) -> tuple[Any, str]:
        """(the text box, away while there is a file; a line about the file)."""
        language = language_of(spoken)
        try:
            upload = await self._parts.read_documents(sent, model)
            if upload is None:
                return gr.update(visible=True), ""
            return gr.update(visible=False), about_file_html(language, upload, field)
        except Exception as error:
            return gr.update(visible=True), failure_html(language, error)


def _options(parts: Parts) -> tuple[Any, Any, Any]:
    instruction = parts.instruction("instruction")
    parts.preset("preset", instruction)
    batch_size = parts.words.make(
        gr.Slider, {"label": "batch_size"}, minimum=0, maximum=64, value=0, step=1, elem_id="batch-size"
    )
    field = parts.words.make(gr.Textbox, {"label": "field"}, value="text", elem_id="field", max_lines=1)
    return instruction, batch_size, field


def _example_buttons(boxes: list[Any]) -> None:
    html(label_html("examples"))
    with gr.Row(elem_classes="fr-examples"):
        for number, example in enumerate(EXAMPLES):
            button = gr.Button(example.title, size="sm", elem_id=f"example-{number}")
            button.click(_fill(example), None, boxes, **QUIET)


def _fill(example: Example) -> Any:
    def fill() -> tuple[str, str, str, None]:
        return example.query, "\n".join(example.documents), example.instruction, None

    return fill
