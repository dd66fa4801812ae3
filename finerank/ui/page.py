"""The form and what its buttons do. How an answer looks is in render.py, what it may load from where in mount.py."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import gradio as gr

from ..errors import FinerankError
from ..instructions import PRESETS
from ..server.problems import problem_of
from ..server.service import RerankCall, RerankService, notes_of
from . import render
from .examples import EXAMPLES, Example

BETTER_MODEL: Final = "Qwen/Qwen3-Reranker-0.6B"
_HEAD: Final = (
    '<div class="fr-head"><h1>finerank</h1><p>A second, careful look at search results: '
    "the documents that answer the query come first.</p></div>"
)
_HINT: Final = (
    '<p class="fr-hint">10 to 50 good candidates beat 200 poor ones: let a search engine find them, then rank them '
    "here.</p>"
)
_EMPTY: Final = '<p class="fr-empty">The ranking appears here.</p>'
_SHOW_ANSWER: Final = """() => {
  if (window.innerWidth < 700) document.querySelector("#answer").scrollIntoView({behavior: "smooth"});
}"""
"""On a phone the answer is below the form."""


def make_page(service: RerankService) -> gr.Blocks:
    """The page over `service`; nothing is wired to anything outside this process."""
    actions = _Actions(service)
    with gr.Blocks(analytics_enabled=False, title="finerank") as page:
        gr.HTML(_HEAD, padding=False)
        model, better = _model_row()
        with gr.Row(elem_classes="fr-columns"):
            with gr.Column():
                query, documents, instruction, batch_size = _form()
                submit = gr.Button("Submit (Ctrl+Enter)", variant="primary", elem_id="submit")
                gr.HTML(_HINT, padding=False)
                _example_buttons([query, documents, instruction])
            with gr.Column():
                answer = gr.HTML(_EMPTY, elem_id="answer", padding=False)
        quiet: dict[str, Any] = {"api_visibility": "private", "concurrency_limit": None}
        submit.click(actions.rank, [query, documents, instruction, batch_size], answer, **quiet)
        query.submit(actions.rank, [query, documents, instruction, batch_size], answer, **quiet)
        answer.change(None, js=_SHOW_ANSWER)
        better.click(actions.load_better, None, [model, better], show_progress="hidden", **quiet)
        page.load(actions.follow, None, [model, better], show_progress="hidden", **quiet)
    return page


class _Actions:
    """What happens on a click."""

    def __init__(self, service: RerankService) -> None:
        self._service = service

    async def rank(self, query: str, documents: str, instruction: str, batch_size: float | None) -> str:
        """The answer as HTML; an error is a sentence in its place."""
        lines = [line.strip() for line in (documents or "").split("\n")]
        call = RerankCall(
            query=query or "",
            documents=[line for line in lines if line],
            instruction=instruction,
            batch_size=int(batch_size or 0),
        )
        try:
            ranking = await self._service.rank(call)
        except Exception as error:
            return render.error_html(problem_of(error).message)
        return render.ranking_html(ranking, notes_of(call, ranking))

    async def load_better(self) -> AsyncIterator[tuple[str, Any]]:
        """Starts to load the better model, then shows how that goes."""
        self._service.slot.change_to(BETTER_MODEL)
        async for shown in self.follow():
            yield shown

    async def follow(self) -> AsyncIterator[tuple[str, Any]]:
        """The model's line, until nothing is being loaded any more; and whether there is a better one to offer."""
        slot, seconds = self._service.slot, 0
        while slot.is_changing and not slot.is_closed:
            yield self._model_line(seconds), gr.update(visible=False)
            await asyncio.sleep(1)
            seconds += 1
        yield self._model_line(seconds), gr.update(visible=self._has_better())

    def _model_line(self, seconds: int) -> str:
        slot = self._service.slot
        try:
            line = render.model_html(slot.reranker.info, BETTER_MODEL)
        except FinerankError as error:
            return render.status_html(str(error))
        if slot.change is None:
            return line
        if slot.change.error is not None:
            return line + render.error_html(slot.change.error)
        return line + render.status_html(
            f"{slot.change.model} is being fetched and loaded ({seconds} s); the first time it downloads 1.2 GB. "
            "You can go on meanwhile."
        )

    def _has_better(self) -> bool:
        return self._service.slot.is_ready and self._service.slot.reranker.info.is_default


def _model_row() -> tuple[gr.HTML, gr.Button]:
    model = gr.HTML(elem_id="model", padding=False)
    better = gr.Button(f"Load {BETTER_MODEL} (1.2 GB)", size="sm", elem_id="better", visible=False)
    return model, better


def _form() -> tuple[gr.Textbox, gr.Textbox, gr.Textbox, gr.Slider]:
    query = gr.Textbox(label="Query", placeholder="What are you looking for?", elem_id="query", lines=1, autofocus=True)
    documents = gr.Textbox(
        label="Documents, one a line", placeholder="One candidate a line", elem_id="documents", lines=8, max_lines=18
    )
    with gr.Accordion("Instruction and batch size", open=False):
        preset = gr.Dropdown(list(PRESETS), value="web", label="Instruction for this kind of search", elem_id="preset")
        instruction = gr.Textbox(
            label="Instruction, in English", placeholder=f"Empty: {PRESETS['web']}", elem_id="instruction", lines=2
        )
        batch_size = gr.Slider(0, 64, value=0, step=1, label="Batch size (0 = automatic)", elem_id="batch-size")
    preset.input(PRESETS.__getitem__, preset, instruction, api_visibility="private", show_progress="hidden")
    return query, documents, instruction, batch_size


def _example_buttons(boxes: list[Any]) -> None:
    gr.HTML('<p class="fr-label">Examples</p>', padding=False)
    with gr.Row(elem_classes="fr-examples"):
        for number, example in enumerate(EXAMPLES):
            button = gr.Button(example.title, size="sm", elem_id=f"example-{number}")
            button.click(_fill(example), None, boxes, api_visibility="private", show_progress="hidden")


def _fill(example: Example) -> Any:
    def fill() -> tuple[str, str, str]:
        return example.query, "\n".join(example.documents), example.instruction

    return fill
