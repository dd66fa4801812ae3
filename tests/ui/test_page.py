"""The Rerank tab and what all tabs share, as a visitor uses them."""

import asyncio
import csv
import io
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from selenium.webdriver import Keys

from finerank.errors import HubError
from finerank.instructions import PRESETS
from finerank.reranker import Reranker
from finerank.server import model_slot
from finerank.settings import Settings
from finerank.ui.examples import EXAMPLES
from finerank.ui.parts import Parts
from finerank.ui.upload import Upload
from tests.server.fake_model import FakeModel

from .browser import requested_urls
from .conftest import Server
from .steps import TABS, Page, until

PLANETS = ["Venus is hot.", "Mars is called the red planet."]


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_puts_the_right_document_first(page: Page, number: int) -> None:
    example = EXAMPLES[number]
    page.click(f"#example-{number}")
    until(lambda: page.value_of("#query textarea") == example.query)
    page.click("#submit")
    until(lambda: len(page.ranked()) == len(example.documents))
    assert page.ranked()[0] == example.documents[example.best]
    assert f"line {example.best + 1} of the input" in page.text_of("#answer li")
    assert "all-MiniLM-L6-v2 (float32, cpu" in page.text_of(".fr-facts")
    assert "tokens computed" in page.text_of(".fr-facts")
    has_note = "takes no instruction; the one given was ignored" in page.text_of("#answer")
    assert has_note == bool(example.instruction)


def test_control_enter_submits_in_every_tab(page: Page) -> None:
    page.fill(query="red planet", documents="\n".join(PLANETS))
    page.find("#documents textarea").send_keys(Keys.CONTROL, Keys.ENTER)
    until(lambda: page.ranked())
    assert page.ranked() == PLANETS[::-1]
    for name, answer in (("compare", "#comparison"), ("why", "#explanation"), ("batch", "#batch-answer")):
        page.open_tab(name)
        page.find(f"#{name}-{'instruction' if name == 'batch' else 'query'} textarea").send_keys(
            Keys.CONTROL, Keys.ENTER
        )
        until(lambda answer=answer: page.text_of(f"{answer} .fr-error"))  # type: ignore[misc]


def test_markup_in_a_document_stays_text(page: Page) -> None:
    hostile = ["<img src=x onerror='window.hacked=1'>", "<script>window.hacked=1</script>", "</p><b id='bold'>bold</b>"]
    hostile += ["${window.hacked=1}", "{{constructor}} `${window.hacked=1}`"]
    page.fill(query="<i>markup</i>", documents="\n".join(hostile))
    page.click("#submit")
    until(lambda: len(page.ranked()) == len(hostile))
    assert sorted(page.ranked()) == sorted(hostile)
    page.click(".fr-why")
    until(lambda: page.texts_of("#explanation .fr-heat") == page.ranked()[:1])
    assert page.script("return window.hacked === undefined")
    assert not page.script(
        "return document.querySelectorAll('.html-container img, .html-container script, #bold').length"
    )


@pytest.mark.parametrize(
    ("query", "documents", "sentence"),
    [
        ("", "a document", "The query is empty; give the text to rank the documents for."),
        ("a query", "", "Documents is empty; give at least one."),
        ("a query", "x\n" * 21, "Documents has 21 entries and this server takes 20; send the best candidates only"),
    ],
)
def test_an_error_is_a_sentence_on_the_page(page: Page, query: str, documents: str, sentence: str) -> None:
    page.fill(query=query, documents=documents)
    page.click("#submit")
    until(lambda: sentence in page.text_of("#answer .fr-error"))


def test_a_long_document_is_marked_and_folded(page: Page) -> None:
    page.fill(query="red planet", documents="mars " * 300)
    page.click("#submit")
    until(lambda: "truncated: 300 tokens are more than fit" in page.text_of("#answer .fr-flag"))
    assert "; 1 truncated" in page.text_of(".fr-facts")
    assert "999 more characters" in page.text_of("#answer summary")


def test_a_preset_writes_its_instruction(page: Page) -> None:
    page.click("button.label-wrap")
    until(lambda: page.shows("#preset input"))
    page.choose("preset", "legal")
    until(lambda: page.value_of("#instruction textarea") == PRESETS["legal"])


def test_documents_from_a_file_and_the_ranking_into_files(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "行星.csv"
    file.write_bytes('id,body\n1,Venus is hot.\n2,"Mars, the red planet\n火星"\n'.encode("gb18030"))
    page.upload("file", file)
    until(lambda: "has no column text; its columns are id, body" in page.text_of("#about-file .fr-error"))
    page.click("button.label-wrap")
    until(lambda: page.shows("#field input, #field textarea"))
    page.fill(field="body", query="red planet")
    page.find("#field input, #field textarea").send_keys(Keys.ENTER)
    until(lambda: "行星.csv: 2 documents" in page.text_of("#about-file"))
    assert "read as GBK" in page.text_of("#about-file .fr-note")
    until(lambda: not page.shows("#documents textarea"))
    page.click("#submit")
    until(lambda: len(page.ranked()) == 2)
    assert "document 2 of the file" in page.text_of("#answer li")
    saved = json.loads(page.download("#save-json", tmp_path, "finerank-ranking.json"))
    assert saved["query"] == "red planet"
    assert saved["model"] == "all-MiniLM-L6-v2"
    assert [each["document"]["id"] for each in saved["results"]] == ["2", "1"]
    content = page.download("#save-csv", tmp_path, "finerank-ranking.csv").decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(content, newline="")))
    assert [row["document"] for row in rows] == ["Mars, the red planet\n火星", "Venus is hot."]
    assert float(rows[0]["score"]) == saved["results"][0]["score"]
    page.click("#file .fr-file-clear")
    until(lambda: page.shows("#documents textarea"))


def test_a_column_that_is_named_while_the_file_is_read(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, has_begun, gate = Parts.read_documents, threading.Event(), threading.Event()

    async def slowly(self: Parts, sent: Any, model: str | None) -> Upload | None:
        has_begun.set()
        await asyncio.to_thread(gate.wait, 10)
        return await read(self, sent, model)

    monkeypatch.setattr(Parts, "read_documents", slowly)
    (tmp_path / "a.csv").write_text("body\nVenus is hot.\nMars is red.\n")
    page.click("button.label-wrap")
    until(lambda: page.shows("#field input, #field textarea"))
    page.upload("file", tmp_path / "a.csv")
    until(has_begun.is_set)
    page.fill(field="body")
    page.find("#field input, #field textarea").send_keys(Keys.ENTER)
    gate.set()
    until(lambda: "a.csv: 2 documents" in page.text_of("#about-file"))


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.pdf", b"%PDF-1.4", "a.pdf is broken"),
        ("empty.txt", b"\n", "is empty; it needs at least one document"),
        ("big.txt", b"x" * 450_000, "and this server takes files of up to 390.6 KB; send a smaller part of it"),
        ("bad.jsonl", b'"fine"\n{"text": \n', "bad.jsonl, line 2 is not JSON"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_sentence(
    page: Page, tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    (tmp_path / name).write_bytes(content)
    page.upload("file", tmp_path / name)
    until(lambda: sentence in page.text_of("#about-file .fr-error"))


def test_why_leads_from_a_ranked_document_to_its_sentences(page: Page) -> None:
    page.fill(query="red planet", documents="Venus is hot.\nMars is small. It is called the red planet.")
    page.click("#submit")
    until(lambda: len(page.ranked()) == 2)
    page.click(".fr-why")
    until(lambda: page.texts_of("#explanation .fr-heat mark") == ["Mars is small.", "It is called the red planet."])
    assert page.value_of("#why-query textarea") == "red planet"
    assert "It is called the red planet." in page.text_of("#explanation .fr-sentences li")


def test_every_input_has_a_label_and_can_be_reached_by_tab(page: Page) -> None:
    unlabelled = """return [...document.querySelectorAll('textarea, input, button')]
        .filter(each => !each.labels?.length && !each.ariaLabel && !each.innerText?.trim() && each.offsetParent)
        .map(each => each.outerHTML)"""
    for name in TABS:
        page.open_tab(name)
        assert page.script(unlabelled) == []
    page.open_tab("rerank")
    wanted = {"switch", "file-input", "submit", "example-0"}
    page.script("document.activeElement.blur()")
    reached = set()
    for _ in range(30):
        page.keys(Keys.TAB)
        reached.add(page.script("return document.activeElement.id"))
    assert wanted <= reached
    page.find("#submit").send_keys("")
    page.keys(Keys.SHIFT, Keys.TAB)
    assert page.script("return getComputedStyle(document.activeElement).outlineStyle") != "none"


@pytest.mark.parametrize("size", ["wide", "phone"])
def test_every_tab_fits_the_screen(page: Page, size: str, screenshots: Path) -> None:
    page.resize(size)
    page.click("#example-2")
    until(lambda: "asynchronous" in page.value_of("#query textarea"))
    page.click("#submit")
    until(lambda: len(page.ranked()) == 5)
    for name in TABS:
        page.open_tab(name)
        page.chrome.save_screenshot(str(screenshots / f"{name}-{size}.png"))
        assert page.fits(), name


class TestLanguage:
    @pytest.fixture
    def chinese(self, page: Page, url: str) -> Iterator[Page]:
        """A browser whose language is Chinese."""
        chrome, agent = page.chrome, page.script("return navigator.userAgent")
        chrome.execute_cdp_cmd("Network.setUserAgentOverride", {"userAgent": agent, "acceptLanguage": "zh-CN,en"})
        page.open(url)
        yield page
        chrome.execute_cdp_cmd("Network.setUserAgentOverride", {"userAgent": agent, "acceptLanguage": "en-US"})

    def test_the_page_follows_the_browser_and_the_switch_is_remembered(self, chinese: Page) -> None:
        until(lambda: chinese.text_of("#submit") == "排序（Ctrl+Enter）")
        assert chinese.text_of("[role=tab]") == "重排"
        chinese.click("#submit")
        until(lambda: "查询是空的；请填写用来给文档排序的文本。" in chinese.text_of("#answer .fr-error"))
        chinese.click("#switch")
        until(lambda: chinese.text_of("#submit") == "Rank (Ctrl+Enter)")
        chinese.reload()
        until(lambda: chinese.text_of("#submit") == "Rank (Ctrl+Enter)")
        assert chinese.script("return document.documentElement.lang") == "en"

    def test_what_was_typed_stays_and_answers_follow(self, page: Page) -> None:
        page.fill(query="red planet", documents="\n".join(PLANETS))
        until(lambda: page.shows("#switch"))
        page.click("#switch")
        until(lambda: page.text_of("#switch") == "English")
        assert page.value_of("#query textarea") == "red planet"
        page.click("#submit")
        until(lambda: "输入的第 2 行" in page.text_of("#answer li"))
        until(lambda: "指纹" in page.text_of("#model"))
        page.click("#switch")
        until(lambda: page.text_of("#switch") == "中文")


def test_an_idle_page_asks_nothing(page: Page) -> None:
    time.sleep(0.3)
    requested_urls(page.chrome)
    time.sleep(1.2)
    assert requested_urls(page.chrome) == []
    page.click("#example-0")
    until(lambda: page.value_of("#query textarea"))


@pytest.mark.parametrize(
    "path", ["upload", "file=/etc/passwd", "file=requirements.txt", "proxy=http://x.org/", "stream/x"]
)
def test_gradios_own_file_routes_are_closed(url: str, path: str) -> None:
    method = "POST" if path == "upload" else "GET"
    files = {"files": ("a.txt", b"x")} if path == "upload" else None
    answer = httpx.request(method, f"{url}/gradio_api/{path}", files=files, trust_env=False)
    assert answer.status_code == 404


def test_the_better_model_is_one_click_away(page: Page, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """First the hub cannot be reached; then it can, and the model takes over without a restart."""
    asked: list[str | None] = []
    slot = server.service.pool.default
    embedded = slot.reranker

    def unreachable(settings: Settings) -> Reranker:
        raise HubError("it could not be fetched from the hub (no route); name a local folder instead")

    def reachable(settings: Settings) -> Reranker:
        asked.extend(settings.model or ())
        return Reranker.from_model(FakeModel((settings.model or ("",))[0]))

    assert "./start.sh --model Qwen/Qwen3-Reranker-0.6B" in page.text_of("#model")
    monkeypatch.setattr(model_slot, "load_reranker", unreachable)
    page.click("#better")
    until(lambda: "could not be fetched from the hub (no route)" in page.text_of("#model .fr-error"))
    monkeypatch.setattr(model_slot, "load_reranker", reachable)
    until(lambda: page.shows("#better"))
    page.click("#better")
    until(lambda: "Qwen/Qwen3-Reranker-0.6B" in page.text_of("#model strong"))
    assert asked == ["Qwen/Qwen3-Reranker-0.6B"]
    page.fill(query="red planet", documents="venus\nred planet")
    page.click("#submit")
    until(lambda: "by Qwen/Qwen3-Reranker-0.6B" in page.text_of(".fr-facts"))
    assert not page.shows("#better")
    slot._put(embedded)


def test_no_button_for_what_the_server_does_not_allow(
    page: Page, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(server.service), "may_change_models", False)
    page.chrome.refresh()
    until(lambda: "up to whoever runs this server" in page.text_of("#model"), 20)
    assert not page.shows("#better")
