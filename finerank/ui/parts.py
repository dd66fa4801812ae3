"""The boxes and buttons that several tabs have, and the options with which all events are wired."""

from dataclasses import dataclass, field, replace
from typing import Any, Final

import gradio as gr

from ..instructions import PRESETS
from ..server.exchange import CALLER
from ..server.model_slot import ModelSlot
from ..server.search_service import SearchService
from ..server.service import Origin, RerankService
from . import render_page
from .passages import PassageReader
from .texts import Language, say
from .texts_zh import PRESET_NAMES_ZH
from .upload import RawFile, Upload, most_bytes, read_files, read_upload
from .words import Text, Words

QUIET: Final[dict[str, Any]] = {"api_visibility": "private", "concurrency_limit": None, "show_progress": "hidden"}
IN_BROWSER: Final[dict[str, Any]] = {"api_visibility": "private", "show_progress": "hidden", "queue": False}
DOCUMENT_KINDS: Final = ".txt,.md,.csv,.jsonl,.ndjson,.pdf,.docx"
SEARCH_KINDS: Final = ".pdf,.docx,.md,.markdown,.html,.htm,.txt,.csv,.jsonl,.ndjson"
BATCH_KINDS: Final = ".jsonl,.ndjson,.csv"


def origin_of(request: gr.Request) -> Origin:
    """The page, on behalf of whoever the guard of keys let in."""
    scope = request.request.scope if request.request is not None else {}
    return Origin(dialect="page", caller=scope.get("state", {}).get(CALLER))


def html(value: str | None = None, **options: Any) -> Any:
    """Markup without Gradio's own looks."""
    return gr.HTML(value, padding=False, apply_default_css=False, **options)


@dataclass(frozen=True, slots=True)
class Parts:
    """What every tab is built with.

    language: hidden; what the browser speaks.   model: which one answers, None for the server's first.
    """

    service: RerankService
    search: SearchService
    words: Words
    language: gr.Textbox
    model: gr.Dropdown
    reader: PassageReader = field(default_factory=PassageReader)

    @property
    def file_limit(self) -> int:
        return most_bytes(self.service.settings.max_body_bytes)

    def read(self, sent: Any) -> Upload | None:
        return read_upload(sent, self.file_limit)

    async def read_documents(self, sent: Any, model: str | None) -> Upload | None:
        """`read`, with the passages of a PDF or Word file, as long as the reranker `model` reads."""
        upload = self.read(sent)
        if upload is None or upload.content is None:
            return upload
        max_length = (await self.service.pool.ready_slot(model or None)).reranker.info.max_length
        passages = await self.reader.passages(upload.content, upload.name, max_length)
        return replace(upload, passages=passages)

    def read_files(self, sent: Any) -> list[RawFile]:
        return read_files(sent, self.file_limit)

    def query(self, name: str, *, autofocus: bool = False) -> Any:
        texts = {"label": "query", "placeholder": "query.hint"}
        return self.words.make(gr.Textbox, texts, elem_id=name, lines=1, max_lines=4, autofocus=autofocus)

    def documents(self, name: str, *, lines: int) -> Any:
        texts = {"label": "documents", "placeholder": "documents.hint"}
        return self.words.make(gr.Textbox, texts, elem_id=name, lines=lines, max_lines=18)

    def instruction(self, name: str, label: str = "instruction") -> Any:
        def hint(language: Language) -> str:
            return say(language, "instruction.hint", default=PRESETS["web"])

        texts: dict[str, Text] = {"label": label, "placeholder": hint}
        return self.words.make(gr.Textbox, texts, elem_id=name, lines=2, max_lines=6)

    def preset(self, name: str, instruction: gr.Textbox) -> Any:
        """A choice of named instructions that writes into `instruction`."""
        texts: dict[str, Text] = {"label": "preset", "choices": _preset_choices}
        preset = self.words.make(gr.Dropdown, texts, value="web", elem_id=name)
        preset.input(PRESETS.__getitem__, preset, instruction, **QUIET)
        return preset

    def submit(self, name: str, key: str) -> Any:
        return self.words.make(gr.Button, {"value": key}, variant="primary", elem_id=name, elem_classes="fr-submit")

    def button(self, name: str, key: str, **options: Any) -> Any:
        return self.words.make(gr.Button, {"value": key}, size="sm", elem_id=name, **options)

    def picker(self, name: str, kinds: str = DOCUMENT_KINDS, said: str = "file.kinds") -> Any:
        """A file that the browser reads; its value is what `read` takes.   said: key of what kinds there are."""
        limit = self.file_limit
        return html(
            None,
            html_template=render_page.picker_html(f"{name}-input", kinds, said, _size(limit)),
            js_on_load=f"finerank.picker(element, props, watch, {limit})",
            elem_id=name,
        )

    def files_picker(self, name: str) -> Any:
        """Several files; its value is what `read_files` takes."""
        limit = self.file_limit
        template = render_page.picker_html(
            f"{name}-input", SEARCH_KINDS, "files.kinds", _size(limit), button="files.open", multiple=True
        )
        return html(
            None,
            html_template=template,
            js_on_load=f"finerank.filesPicker(element, props, watch, {limit})",
            elem_id=name,
        )

    def about(self, name: str) -> Any:
        """Room for a line about the file; none while there is nothing to say."""
        return html(elem_id=name, elem_classes="fr-about")

    def downloads(self, name: str, *kinds: str) -> tuple[Any, Any]:
        """(row of buttons, hidden until there is an answer; the files as {"name", kind: text})."""
        files = gr.JSON(visible=False)
        with gr.Row(visible=False, elem_classes="fr-downloads") as row:
            html(render_page.label_html("download"))
            for kind in kinds:
                button = gr.Button(kind.upper(), size="sm", elem_id=f"{name}-{kind}", min_width=0)
                button.click(None, files, None, js=f"(files) => finerank.save(files, '{kind}')", **IN_BROWSER)
        return row, files


def model_choices(service: RerankService) -> list[tuple[str, str]]:
    """(what is shown, name) of each model that is served now."""
    return [(_model_label(slot), name) for name, slot in service.pool.slots.items()]


def _model_label(slot: ModelSlot) -> str:
    """A name that does not say which model it is gets it beside it."""
    if not slot.is_ready or slot.answers_to(slot.name):
        return slot.name
    return f"{slot.name} ({slot.reranker.info.name})"


def _preset_choices(language: Language) -> list[list[str]]:
    names = PRESET_NAMES_ZH if language == "zh" else {}
    return [[f"{names[name]} {name}" if name in names else name, name] for name in PRESETS]


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 2**20:,.0f} MB" if num_bytes >= 2**20 else f"{num_bytes // 1024:,} KB"
