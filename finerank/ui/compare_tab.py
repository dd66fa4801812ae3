"""The Compare tab: two instructions, models or precisions side by side on the same documents."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import gradio as gr

from ..server.model_pool import ModelSpec
from ..server.service import Origin, RerankCall, RerankService
from ..types import ModelInfo, Ranking
from .examples import COMPARISON
from .form import about_file_html, check_query, failure_html, given_documents, sentence_of
from .parts import IN_BROWSER, QUIET, Parts, html, model_choices, origin_of
from .render import placeholder_html, status_html
from .render_compare import Column, comparison_html
from .render_page import intro_html, side_html
from .rerank_tab import RerankTab
from .texts import Language, PageError, language_of, say

DTYPES: Final = ("float32", "bfloat16", "float16")


@dataclass(frozen=True, slots=True)
class Side:
    """What one side is asked for.   dtype: empty = as the model is loaded."""

    letter: str
    model: str | None
    instruction: str
    dtype: str


def make_compare_tab(parts: Parts, rerank: RerankTab) -> list[Any]:
    """Returns the choices of models, which follow the pool."""
    actions = _Actions(parts)
    html(intro_html("compare.intro"))
    with gr.Row(elem_classes="fr-examples"):
        take = parts.button("compare-take", "compare.take")
        example = parts.button("compare-example", "example")
    query = parts.query("compare-query")
    documents = parts.documents("compare-documents", lines=4)
    file = parts.picker("compare-file")
    about = parts.about("compare-about")
    field = parts.words.make(gr.Textbox, {"label": "field"}, value="text", elem_id="compare-field", visible=False)
    with gr.Row(elem_classes="fr-sides"):
        left, right = (_side(parts, letter, key) for letter, key in (("A", "compare.left"), ("B", "compare.right")))
    submit = parts.submit("compare-submit", "compare.submit")
    answer = html(placeholder_html("compare.empty"), elem_id="comparison")
    inputs = [parts.language, query, documents, file, field, *left, *right]
    gr.on([submit.click, query.submit], actions.compare, inputs, answer, **QUIET)
    submit.click(None, js="() => finerank.scrollTo('comparison')", **IN_BROWSER)
    about_inputs = [parts.language, file, field]
    gr.on([file.change, field.submit], actions.about_file, about_inputs, [documents, about, field], **QUIET)
    taken = [rerank.query, rerank.documents, rerank.file, rerank.field]
    take.click(None, taken, [query, documents, file, field], js="(...taken) => taken", **IN_BROWSER)
    example.click(actions.example, None, [query, documents, file, left[1], right[1], right[2]], **QUIET)
    return [left[0], right[0]]


class _Actions:
    """What happens on a click."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._service = parts.service
        self._models = Precisions(parts.service)

    async def compare(
        self, request: gr.Request, spoken: str, query: str, typed: str, sent: Any, field: str, *choices: Any
    ) -> AsyncIterator[str]:
        """What is being done, then the comparison; an error is a sentence in its place."""
        language = language_of(spoken)
        sides = [Side("A", *_chosen(choices[:3])), Side("B", *_chosen(choices[3:]))]
        columns: list[Column] = []
        try:
            check_query(query)
            given = given_documents(
                typed, await self._parts.read_documents(sent, None), field, self._service.settings.max_documents
            )
            self._check_different(sides)
            # One after the other: the server counts what it has taken on, and would refuse the second large call.
            for side in sides:
                name = ""
                async for shown in self._models.bring(side):
                    name = shown.name
                    if not shown.is_ready:
                        yield status_html(say(language, "compare.loading", name=name, seconds=shown.seconds))
                count = f"{len(given.documents):,}"
                yield status_html(say(language, "compare.waiting", count=count, side=side.letter))
                call = RerankCall(query=query, documents=given.documents, instruction=side.instruction, model=name)
                ranking = await self._ranking(language, call, origin_of(request), side)
                columns.append(Column(side.letter, ranking, [*given.said(language), *ranking.facts.warnings]))
        except Exception as error:
            yield failure_html(language, error)
            return
        yield comparison_html(language, *columns)

    async def _ranking(self, language: Language, call: RerankCall, origin: Origin, side: Side) -> Ranking:
        """Raises PageError that names the side."""
        try:
            return await self._service.rank(call, origin)
        except Exception as error:
            sentence = sentence_of(language, error)
            raise PageError("compare.side_error", side=side.letter, error=sentence) from error

    async def about_file(self, spoken: str, sent: Any, field: str) -> tuple[Any, str, Any]:
        """(the text box, away while there is a file; a line about the file; the box for its column)."""
        language = language_of(spoken)
        try:
            upload = await self._parts.read_documents(sent, None)
            if upload is None:
                return gr.update(visible=True), "", gr.update(visible=False)
            has_fields = gr.update(visible=upload.suffix != ".txt" and upload.passages is None)
            return gr.update(visible=False), about_file_html(language, upload, field), has_fields
        except Exception as error:
            return gr.update(visible=True), failure_html(language, error), gr.update(visible=bool(sent))

    def example(self) -> tuple[str, str, None, str, str, str]:
        """Two instructions; two precisions, where the model takes no instruction."""
        default = self._service.pool.default
        is_deaf = default.is_ready and default.reranker.info.default_instruction is None
        dtype = "bfloat16" if is_deaf and self._service.may_change_models else ""
        return COMPARISON.query, "\n".join(COMPARISON.documents), None, "", COMPARISON.instruction, dtype

    def _check_different(self, sides: Sequence[Side]) -> None:
        left, right = ((self._service.pool.slot_of(side.model), side.instruction, side.dtype) for side in sides)
        if left == right:
            raise PageError("compare.same")


@dataclass(frozen=True, slots=True)
class Bringing:
    """A model on its way.   name: under which it is, or will be, served."""

    name: str
    seconds: int = 0
    is_ready: bool = False


class Precisions:
    """Other precisions of the pool's models, each loaded once, beside the model that it belongs to."""

    def __init__(self, service: RerankService) -> None:
        self._service = service
        self._loading: dict[str, asyncio.Task[Any]] = {}

    async def bring(self, side: Side) -> AsyncIterator[Bringing]:
        """Says every second that it is still being loaded; at last that it is there.

        Raises NotReadyError, UnknownModelError, PageError if this server loads no other models, ModelError.
        """
        slot = await self._service.pool.ready_slot(side.model)
        name, info = slot.name, slot.reranker.info
        if side.dtype not in ("", info.dtype):
            name = _variant(slot.name, side.dtype)
            async for shown in self._load(name, slot.wanted, info, side.dtype):
                yield shown
        yield Bringing(name, is_ready=True)

    async def _load(self, name: str, wanted: str, info: ModelInfo, dtype: str) -> AsyncIterator[Bringing]:
        if name in self._service.pool.slots:
            return
        if not self._service.may_change_models:
            raise PageError("compare.may_not")
        if info.revision is not None and self._service.settings.revision is not None:
            raise PageError("compare.revision")
        spec = ModelSpec(name=name, model=None if info.is_default else wanted, dtype=dtype)
        task = self._loading.get(name)
        if task is None:
            task = self._loading[name] = asyncio.create_task(self._service.pool.put(spec))
            task.add_done_callback(lambda _: self._loading.pop(name, None))
        seconds = 0
        while not task.done():
            yield Bringing(name, seconds)
            await asyncio.wait({task}, timeout=1)
            seconds += 1
        task.result()


def _side(parts: Parts, letter: str, key: str) -> tuple[Any, Any, Any]:
    """(model, instruction, precision) of one side."""
    low = letter.lower()
    with gr.Column(elem_classes="fr-card"):
        html(side_html(letter, key))
        model = parts.words.make(
            gr.Dropdown,
            {"label": lambda language: say(language, "compare.model", side=letter)},
            choices=model_choices(parts.service),
            value=parts.service.pool.default.name,
            elem_id=f"model-{low}",
        )
        instruction = parts.instruction(f"instruction-{low}")
        dtype = parts.words.make(
            gr.Dropdown,
            {
                "label": lambda language: say(language, "compare.dtype", side=letter),
                "choices": _precisions,
            },
            value="",
            elem_id=f"dtype-{low}",
            visible=parts.service.may_change_models,
        )
    return model, instruction, dtype


def _precisions(language: Language) -> list[list[str]]:
    return [[say(language, "compare.as_loaded"), ""], *([each, each] for each in DTYPES)]


def _chosen(choices: Sequence[Any]) -> tuple[str | None, str, str]:
    model, instruction, dtype = choices
    return model or None, (instruction or "").strip(), dtype or ""


def _variant(name: str, dtype: str) -> str:
    """Name of another precision of the model `name`, which may itself be one."""
    base, _, known = name.rpartition("@")
    return f"{base if known in DTYPES else name}@{dtype}"
