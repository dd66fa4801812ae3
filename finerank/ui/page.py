"""The page: five tabs under one line about the model.

Sentences are in texts*.py, and words.py changes their language; parts.py has the boxes that several tabs have, form.py
what stands in them. Each tab is one file with its form and what its buttons do. Markup is made in render*.py only, what
the browser does by itself is page.js, and what the page may load from where is decided in mount.py.
"""

from pathlib import Path
from typing import Any, Final

import gradio as gr

from ..server.search_service import SearchService
from ..server.service import RerankService
from .batch_tab import make_batch_tab
from .compare_tab import make_compare_tab
from .model_line import ModelLine
from .parts import IN_BROWSER, QUIET, Parts, html, model_choices
from .render_page import head_html
from .rerank_tab import make_rerank_tab
from .search_tab import make_search_tab
from .why_tab import make_why_tab
from .words import Words

_SCRIPT: Final = Path(__file__).parent / "page.js"
_FORGET_S: Final = 3600


def make_page(service: RerankService, search: SearchService) -> tuple[gr.Blocks, str]:
    """(the page over `service` and `search`, its script); nothing is wired to anything outside this process."""
    words = Words()
    # Nothing of a user is stored in Gradio's folder; should that ever change, it is emptied every hour.
    with gr.Blocks(analytics_enabled=False, title="finerank", delete_cache=(_FORGET_S, _FORGET_S)) as page:
        language = gr.Textbox("en", visible=False)
        with gr.Row(elem_classes="fr-top"):
            html(head_html())
            switch = words.make(gr.Button, {"value": "switch"}, size="sm", elem_id="switch", min_width=0)
        line = ModelLine(service, words)
        model = _model_choice(service, words)
        compared = _tabs(Parts(service, search, words, language, model))
        spoken = [language, *words.components]
        here = page.load(None, None, spoken, js="() => finerank.speak(finerank.language())", **IN_BROWSER)
        here.then(line.follow, language, line.outputs, **QUIET)
        page.load(lambda: _choices(service), None, [model, *compared], **QUIET)
        switched = switch.click(None, None, spoken, js="() => finerank.switchLanguage()", **IN_BROWSER)
        switched.then(line.follow, language, line.outputs, **QUIET)
        line.button.click(line.load_better, language, line.outputs, **QUIET)
    return page, _SCRIPT.read_text(encoding="utf-8").replace("__TABLE__", words.table())


def _tabs(parts: Parts) -> list[Any]:
    """Returns the choices of models in Compare."""
    with gr.Tabs(elem_id="tabs") as tabs:
        with parts.words.make(gr.Tab, {"label": "tab.rerank"}, id="rerank"):
            rerank = make_rerank_tab(parts)
        with parts.words.make(gr.Tab, {"label": "tab.search"}, id="search"):
            make_search_tab(parts)
        with parts.words.make(gr.Tab, {"label": "tab.compare"}, id="compare"):
            compared = make_compare_tab(parts, rerank)
        with parts.words.make(gr.Tab, {"label": "tab.why"}, id="why"):
            make_why_tab(parts, rerank, tabs)
        with parts.words.make(gr.Tab, {"label": "tab.batch"}, id="batch"):
            make_batch_tab(parts)
    return compared


def _model_choice(service: RerankService, words: Words) -> Any:
    """Which model answers; seen only where there are several."""
    choices = model_choices(service)
    texts = {"label": "model", "info": "model.note"}
    options = {"choices": choices, "value": choices[0][1], "visible": len(choices) > 1}
    return words.make(gr.Dropdown, texts, elem_id="model-choice", **options)


def _choices(service: RerankService) -> list[Any]:
    """Models may have come since the page was made."""
    choices = model_choices(service)
    return [gr.update(choices=choices, visible=len(choices) > 1), *[gr.update(choices=choices)] * 2]
