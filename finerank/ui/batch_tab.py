"""The Batch tab: a file of queries with their candidates in, a file of rankings out."""

import base64
import secrets
from collections.abc import AsyncIterator
from typing import Any, Final

import gradio as gr

from .batch_file import csv_of, items_of, jsonl_of
from .batch_run import BatchRun
from .examples import BATCH
from .form import failure_html
from .parts import BATCH_KINDS, IN_BROWSER, QUIET, Parts, html, origin_of
from .render import joined, line_html, placeholder_html, said_html
from .render_batch import batch_html, progress_html
from .render_page import batch_forms_html, intro_html
from .texts import Language, PageError, language_of, say

_SAMPLE: Final = "finerank-sample.jsonl"


def make_batch_tab(parts: Parts) -> None:
    actions = _Actions(parts)
    with gr.Row(elem_classes="fr-columns"):
        with gr.Column():
            html(intro_html("batch.intro"))
            html(batch_forms_html())
            file = parts.picker("batch-file", BATCH_KINDS, "file.batch_kinds")
            about = parts.about("about-batch")
            instruction = parts.instruction("batch-instruction", "batch.instruction")
            with gr.Row(elem_classes="fr-buttons"):
                submit = parts.submit("batch-submit", "batch.submit")
                cancel = parts.words.make(
                    gr.Button, {"value": "batch.cancel"}, variant="stop", elem_id="batch-cancel", interactive=False
                )
            with gr.Row(elem_classes="fr-examples"):
                sample = parts.button("batch-sample", "batch.sample")
        with gr.Column():
            row, files = parts.downloads("batch-save", "jsonl", "csv")
            answer = html(placeholder_html("batch.empty"), elem_id="batch-answer")
    token = gr.Textbox(visible=False)
    inputs = [parts.language, parts.model, file, instruction]
    submit.click(actions.run, inputs, [answer, row, files, cancel, token], **QUIET)
    submit.click(None, js="() => finerank.scrollTo('batch-answer')", **IN_BROWSER)
    cancel.click(actions.cancel, token, cancel, **QUIET)
    file.change(actions.about_file, [parts.language, file], about, **QUIET)
    sample.click(_sample, None, file, **QUIET)


class _Actions:
    """What happens on a click.

    A run is cancelled by a token that only its own page knows.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._runs: dict[str, BatchRun] = {}

    async def run(
        self, request: gr.Request, spoken: str, model: str | None, sent: Any, instruction: str
    ) -> AsyncIterator[tuple[str, Any, Any, Any, str]]:
        """(progress, then results; row of downloads; the files; the cancel button; the run's token)."""
        language, token = language_of(spoken), secrets.token_urlsafe(16)
        nothing = (gr.update(visible=False), None, gr.update(interactive=False), "")
        try:
            upload = self._parts.read(sent)
            if upload is None:
                raise PageError("batch.no_file")
            items = items_of(upload)
            # A model that is not there is one sentence, not an error in every row.
            await self._parts.service.pool.ready_slot(model or None)
        except Exception as error:
            yield failure_html(language, error), *nothing
            return
        run = self._runs[token] = BatchRun(
            self._parts.service, origin_of(request), items, instruction or "", model or None
        )
        try:
            can_stop = gr.update(interactive=True)
            yield _progress(language, run, len(items), None), gr.update(visible=False), None, can_stop, token
            async for seconds_left in run.run():
                yield _progress(language, run, len(items), seconds_left), gr.skip(), gr.skip(), gr.skip(), gr.skip()
        finally:
            del self._runs[token]
        outcomes = run.outcomes
        files = {"name": "finerank-batch", "jsonl": jsonl_of(outcomes), "csv": csv_of(outcomes)}
        shown = batch_html(language, _headline(language, run, len(items)), outcomes)
        yield shown, gr.update(visible=True), files, gr.update(interactive=False), ""

    def cancel(self, token: str) -> Any:
        run = self._runs.get(token or "")
        if run is not None:
            run.cancel()
        return gr.update(interactive=False)

    def about_file(self, spoken: str, sent: Any) -> str:
        """How many queries there are, and how many lines cannot be used."""
        language = language_of(spoken)
        try:
            upload = self._parts.read(sent)
            if upload is None:
                return ""
            items = items_of(upload)
        except Exception as error:
            return failure_html(language, error)
        good = [item for item in items if item.error is None]
        bad, documents = len(items) - len(good), sum(len(item.documents) for item in good)
        line = say(
            language,
            "batch.read_bad" if bad else "batch.read",
            name=upload.name,
            count=f"{len(good):,}",
            documents=f"{documents:,}",
            bad=f"{bad:,}",
        )
        return joined(line_html(line), said_html(language, upload.notices))


def _progress(language: Language, run: BatchRun, count: int, seconds_left: float | None) -> str:
    return progress_html(language, len(run.outcomes), count, run.num_errors, seconds_left)


def _headline(language: Language, run: BatchRun, count: int) -> str:
    if run.is_cancelled:
        return say(language, "batch.cancelled", done=f"{len(run.outcomes):,}", count=f"{count:,}")
    return say(language, "batch.done", count=f"{count:,}", seconds=f"{run.seconds:.1f}")


def _sample() -> dict[str, Any]:
    """As if it had been opened."""
    content = BATCH.encode()
    return {"name": _SAMPLE, "size": len(content), "data": base64.b64encode(content).decode()}
