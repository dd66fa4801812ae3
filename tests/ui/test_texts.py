"""The page's sentences in both languages, and its markup."""

import json
import re
from string import Formatter

import gradio as gr
import pytest
from starlette.requests import Request

from finerank.errors import InputError
from finerank.instructions import PRESETS
from finerank.retrieval.notes import NOTES, note
from finerank.retrieval.types import SearchFacts, SearchResult
from finerank.server.exchange import CALLER
from finerank.server.service import Origin
from finerank.ui.form import sentence_of
from finerank.ui.parts import origin_of
from finerank.ui.render import element, error_html, joined
from finerank.ui.render_search import found_html
from finerank.ui.texts import TEXTS, PageError
from finerank.ui.texts_zh import NOTES_ZH, PRESET_NAMES_ZH
from finerank.ui.words import Words


def fields(text: str) -> set[str | None]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_both_languages_say_the_same_things_with_the_same_values() -> None:
    assert TEXTS["en"].keys() == TEXTS["zh"].keys()
    for key, text in TEXTS["en"].items():
        assert fields(text) == fields(TEXTS["zh"][key]), key
    assert PRESET_NAMES_ZH.keys() == PRESETS.keys()
    assert {code: fields(text) for code, text in NOTES_ZH.items()} == {code: fields(NOTES[code]) for code in NOTES}


def test_chinese_is_chinese() -> None:
    alike = {key for key, text in TEXTS["zh"].items() if not re.search("[一-鿿]", text)}
    assert alike <= {"switch", "rerank.stop", "compare.side_error", "search.joint"}


def test_children_and_attributes_are_escaped() -> None:
    hostile = "<b title='x'>&\"</b>\ud800"
    made = element("p", hostile, element("i", "x"), None, title=hostile, data_x=1, hidden=True, id=None)
    escaped = "&lt;b title=&#x27;x&#x27;&gt;&amp;&quot;&lt;/b&gt;?"
    assert made == f'<p title="{escaped}" data-x="1" hidden>{escaped}<i>x</i></p>'
    assert joined("<", made, "") == f"&lt;{made}"


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        ("the query is empty", "The query is empty."),
        ("all-MiniLM-L6-v2 takes none", "all-MiniLM-L6-v2 takes none."),
        ("查询是空的", "查询是空的。"),
        ("Done.", "Done."),
    ],
)
def test_errors_are_sentences(sentence: str, shown: str) -> None:
    assert f">{shown}<" in error_html(sentence)


def test_an_error_of_the_page_is_said_in_the_readers_language() -> None:
    assert sentence_of("zh", PageError("error.many", count=3, limit=2)).startswith("共有 3 篇文档")
    assert sentence_of("zh", InputError("said by the server")) == "said by the server"
    assert "its log says where" in sentence_of("en", RuntimeError("secret"))


def test_warnings_of_a_search_are_said_in_the_readers_language() -> None:
    warnings = [note("unread", count=1234), "takes no instruction"]
    result = SearchResult("query", [], [], SearchFacts(warnings=warnings))
    assert "The reranker could not read 1,234 of the candidates." in found_html("en", result)
    chinese = found_html("zh", result)
    assert "有 1,234 个候选段落，重排模型无法读取。" in chinese
    assert "Takes no instruction." in chinese


def test_the_table_for_the_browser_cannot_end_its_script() -> None:
    words = Words()
    words.make(dict, {"label": lambda language: f"</script>{language}"})
    table = words.table()
    assert "</" not in table
    assert json.loads(table)["zh"] == [{"__type__": "update", "label": "</script>zh"}]


def test_a_call_of_the_page_carries_the_name_of_its_key() -> None:
    scope = {"type": "http", "headers": [], "state": {CALLER: "kitchen"}}
    assert origin_of(gr.Request(Request(scope))) == Origin(dialect="page", caller="kitchen")
    assert origin_of(gr.Request()) == Origin(dialect="page")
