"""The Search tab: open files, or the server's index, ask, and see the passages before and after reranking."""

import asyncio
import json
from collections import OrderedDict
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final

import gradio as gr

from ..client.providers import EMBEDDING_PROVIDERS, split_name
from ..retrieval.options import SearchOptions
from ..retrieval.rules import RULE_SETS, rules_from
from .examples import MANUALS, MANUALS_QUERY
from .form import check_query, failure_html
from .parts import IN_BROWSER, QUIET, Parts, html, origin_of
from .render import placeholder_html, status_html
from .render_page import intro_html
from .render_search import found_html, opened_html, opening_html, sent_to_html
from .texts import Language, PageError, language_of, say
from .upload import RawFile, send_files
from .upload_index import MOST_SETS, UploadIndex, UploadIndexes

if TYPE_CHECKING:
    from ..retrieval.searcher import Searcher
    from ..retrieval.types import SearchResult

_FILES, _INDEX = "files", "index"
_RECALL: Final = 100
_DUPLICATES: Final = 0.95
_CONTEXT_TOKENS: Final = 4000
_LOOK_S: Final = 0.5
_MOST_PAGES: Final = 1000
_SENDING: Final = "sending"
"""In place of a token while the browser sends the files."""


def make_search_tab(parts: Parts) -> None:
    actions = _Actions(parts)
    with gr.Row(elem_classes="fr-columns"):
        with gr.Column():
            html(intro_html("search.intro"))
            where = _where(parts)
            with gr.Column(visible=parts.search.index is None, elem_id="search-upload") as upload:
                files = parts.files_picker("search-files")
                sent_to = parts.about("search-sent-to")
                about = parts.about("about-search")
                with gr.Row(elem_classes="fr-examples"):
                    sample = parts.button("search-sample", "search.sample")
        with gr.Column():
            query = parts.query("search-query")
            with parts.words.make(gr.Accordion, {"label": "search.options"}, open=False, elem_id="search-options"):
                options = _options(parts)
            submit = parts.submit("search-submit", "search.submit")
    row, saved = parts.downloads("search-save", "json", "txt")
    answer = html(placeholder_html("search.empty"), elem_id="search-answer")
    token = gr.Textbox(visible=False)
    inputs = [parts.language, parts.model, where, token, query, *options]
    gr.on([submit.click, query.submit], actions.search, inputs, [answer, row, saved], **QUIET)
    submit.click(None, js="() => finerank.scrollTo('search-answer')", **IN_BROWSER)
    # In the browser and at once: what was opened before must not be searched while the new files are on their way.
    files.change(None, files, token, js=f"(files) => files ? '{_SENDING}' : ''", **IN_BROWSER)
    # "multiple": or else files that are chosen while others are indexed would wait until those are done.
    files.change(actions.open, [parts.language, files], [about, token], trigger_mode="multiple", **QUIET)
    # When the page is loaded: models may have come since it was made.
    gr.on(None, lambda: sent_to_html(_outside(parts)), None, sent_to, **QUIET)
    where.change(lambda value: gr.update(visible=value != _INDEX), where, upload, **QUIET)
    sample.click(_sample, None, [files, query], **QUIET)


class _Actions:
    """What happens on a click."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._service = parts.service
        self._search = parts.search
        self._uploads = UploadIndexes(parts.search)
        self._newest: OrderedDict[str, str] = OrderedDict()

    async def open(self, request: gr.Request, spoken: str, sent: Any) -> AsyncIterator[tuple[Any, Any]]:
        """(how far the files are indexed, the token to search them with), as long as no others are chosen."""
        page = request.session_hash or ""
        self._remember(page, "")
        known: str | None = None
        async for shown, token in self._opening(page, language_of(spoken), sent):
            if not self._is_newest(page, token):
                # Gradio says again what was said last when a generator ends.
                yield gr.skip(), gr.skip()
                return
            # Once only: later on the browser may have put _SENDING there.
            yield shown, gr.skip() if token == known else token
            known = token

    async def _opening(self, page: str, language: Language, sent: Any) -> AsyncIterator[tuple[str, str]]:
        token = ""
        try:
            files = self._parts.read_files(sent)
            if not files:
                yield "", ""
                return
            opened = self._uploads.open(files)
            token = opened.token
            self._remember(page, token)
            async for shown in self._progress(opened):
                yield shown, token
            await opened.searcher()
        except Exception as error:
            yield failure_html(language, error), token
            return
        yield opened_html(language, opened, _outside(self._parts)), token

    async def search(
        self,
        request: gr.Request,
        spoken: str,
        model: str | None,
        where: str,
        token: str,
        query: str,
        instruction: str | None,
        depth: float | None,
        top_n: float | None,
        hides_duplicates: bool,
        rules: list[str] | None,
    ) -> AsyncIterator[tuple[str, Any, Any]]:
        """First what is being done, then the answer; an error is a sentence in its place."""
        language = language_of(spoken)
        try:
            check_query(query)
            options = _asked(instruction, depth, top_n, hides_duplicates, rules)
            opened = self._opened(where, token)
            if opened is not None:
                async for shown in self._progress(opened):
                    if not self._is_newest(request.session_hash or "", token):
                        raise PageError("search.changed")
                    yield shown, gr.update(visible=False), None
            yield status_html(say(language, "search.waiting")), gr.update(visible=False), None
            find = self._search.searcher if opened is None else opened.searcher
            result = await self._search.search(find, query, options, model=model or None, origin=origin_of(request))
            searcher = await find()
            files = await self._search.in_thread(lambda: _files(result, searcher))
        except Exception as error:
            yield failure_html(language, error), gr.update(visible=False), None
            return
        yield found_html(language, result), gr.update(visible=bool(result.hits)), files

    def _remember(self, page: str, token: str) -> None:
        """What a page has opened last: files that were chosen before may still be indexed."""
        self._newest[page] = token
        self._newest.move_to_end(page)
        while len(self._newest) > _MOST_PAGES:
            self._newest.popitem(last=False)

    def _is_newest(self, page: str, token: str) -> bool:
        return self._newest.get(page, token) == token

    def _opened(self, where: str, token: str) -> UploadIndex | None:
        """None for the server's index. Raises PageError."""
        if where == _INDEX and self._search.index is not None:
            return None
        if token == _SENDING:
            raise PageError("search.sending")
        if not token:
            raise PageError("search.no_files")
        opened = self._uploads.get(token)
        if opened is None:
            raise PageError("search.forgotten", count=MOST_SETS)
        return opened

    async def _progress(self, opened: UploadIndex) -> AsyncIterator[str]:
        """Until the files are indexed."""
        while not opened.is_done:
            yield opening_html(opened)
            assert opened.task is not None
            await asyncio.wait({opened.task}, timeout=_LOOK_S)


def _files(result: "SearchResult", searcher: "Searcher") -> dict[str, str]:
    """What can be saved: the answer, and the passages as a context for a language model."""
    from ..retrieval.answer import answer_of
    from ..retrieval.context import context_block

    return {
        "name": "finerank-search",
        "json": json.dumps(answer_of(result, explain=True), ensure_ascii=False, indent=2) + "\n",
        "txt": context_block(result, _CONTEXT_TOKENS, searcher.count_tokens) + "\n",
    }


def _asked(
    instruction: str | None,
    depth: float | None,
    top_n: float | None,
    hides_duplicates: bool,
    rules: list[str] | None,
) -> SearchOptions:
    """From what stands in the form, where an emptied box is None."""
    default = SearchOptions()
    return SearchOptions(
        recall=_RECALL,
        depth=default.depth if depth is None else int(depth),
        top_n=int(top_n or default.top_n),
        instruction=(instruction or "").strip() or None,
        rules=rules_from([each for each in rules or () if each in RULE_SETS]),
        duplicates=_DUPLICATES if hides_duplicates else None,
    )


def _where(parts: Parts) -> Any:
    """Seen only where the server has an index."""
    has_index = parts.search.index is not None
    return parts.words.make(
        gr.Radio,
        {"label": "search.where", "choices": _places},
        value=_INDEX if has_index else _FILES,
        visible=has_index,
        elem_id="search-where",
    )


def _places(language: Language) -> list[list[str]]:
    return [[say(language, f"search.where.{each}"), each] for each in (_INDEX, _FILES)]


def _outside(parts: Parts) -> list[str]:
    """Models of other services, which read what is searched."""
    index = parts.search.index
    embedding = parts.service.embedding
    embedder = (index and index.embedder) or embedding.loaded
    name = embedding.wanted if embedder is None else embedder.info.name
    rerankers = [slot.reranker.info for slot in parts.service.pool.slots.values() if slot.is_ready]
    return [
        *([name] if split_name(name, EMBEDDING_PROVIDERS) else []),
        *(info.name for info in rerankers if info.kind == "remote"),
    ]


def _options(parts: Parts) -> list[Any]:
    """Instruction, depth, top_n, duplicates, rules."""
    make = parts.words.make
    instruction = parts.instruction("search-instruction")
    parts.preset("search-preset", instruction)
    most = min(_RECALL * 2, parts.service.settings.max_documents)
    depth = make(
        gr.Slider,
        {"label": "search.depth"},
        minimum=0,
        maximum=most,
        value=min(SearchOptions().depth, most),
        step=1,
        elem_id="search-depth",
    )
    top_n = make(
        gr.Slider,
        {"label": "search.top_n"},
        minimum=1,
        maximum=50,
        value=SearchOptions().top_n,
        step=1,
        elem_id="search-top-n",
    )
    duplicates = make(gr.Checkbox, {"label": "search.duplicates"}, value=True, elem_id="search-duplicates")
    rules = make(gr.CheckboxGroup, {"label": "search.rules", "choices": _rules}, value=[], elem_id="search-rules")
    return [instruction, depth, top_n, duplicates, rules]


def _rules(language: Language) -> list[list[str]]:
    return [[say(language, f"search.rules.{name}"), name] for name in RULE_SETS]


def _sample() -> tuple[dict[str, Any], str]:
    """As if the files had been opened."""
    return send_files([RawFile(name, text.encode()) for name, text in MANUALS.items()]), MANUALS_QUERY
