"""The Rerank tab and what all tabs share, as a visitor uses them."""

import csv
import io
import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from selenium.webdriver import ActionChains, Chrome, Keys

from finerank.errors import HubError
from finerank.instructions import PRESETS
from finerank.reranker import Reranker
from finerank.server import model_slot
from finerank.settings import Settings
from finerank.ui.examples import EXAMPLES
from tests.server.fake_model import FakeModel

from .browser import requested_urls
from .conftest import Server
from .steps import (
    TABS,
    choose,
    click,
    download,
    fill,
    find,
    fits,
    open_tab,
    ranked,
    resize,
    script,
    text_of,
    texts_of,
    until,
    upload,
    value_of,
)

PLANETS = ["Venus is hot.", "Mars is called the red planet."]


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_puts_the_right_document_first(page: Chrome, number: int) -> None:
    example = EXAMPLES[number]
    click(page, f"#example-{number}")
    until(lambda: value_of(page, "#query textarea") == example.query)
    click(page, "#submit")
    until(lambda: len(ranked(page)) == len(example.documents))
    assert ranked(page)[0] == example.documents[example.best]
    assert f"line {example.best + 1} of the input" in text_of(page, "#answer li")
    assert "all-MiniLM-L6-v2 (float32, cpu" in text_of(page, ".fr-facts")
    assert "tokens computed" in text_of(page, ".fr-facts")
    has_note = "takes no instruction; the one given was ignored" in text_of(page, "#answer")
    assert has_note == bool(example.instruction)


def test_control_enter_submits_in_every_tab(page: Chrome) -> None:
    fill(page, query="red planet", documents="\n".join(PLANETS))
    find(page, "#documents textarea").send_keys(Keys.CONTROL, Keys.ENTER)
    until(lambda: ranked(page))
    assert ranked(page) == PLANETS[::-1]
    for name, answer in (("compare", "#comparison"), ("why", "#explanation"), ("batch", "#batch-answer")):
        open_tab(page, name)
        find(page, f"#{name}-{'instruction' if name == 'batch' else 'query'} textarea").send_keys(
            Keys.CONTROL, Keys.ENTER
        )
        until(lambda answer=answer: text_of(page, f"{answer} .fr-error"))  # type: ignore[misc]


def test_markup_in_a_document_stays_text(page: Chrome) -> None:
    hostile = ["<img src=x onerror='window.hacked=1'>", "<script>window.hacked=1</script>", "</p><b id='bold'>bold</b>"]
    hostile += ["${window.hacked=1}", "{{constructor}} `${window.hacked=1}`"]
    fill(page, query="<i>markup</i>", documents="\n".join(hostile))
    click(page, "#submit")
    until(lambda: len(ranked(page)) == len(hostile))
    assert sorted(ranked(page)) == sorted(hostile)
    click(page, ".fr-why")
    until(lambda: texts_of(page, "#explanation .fr-heat") == ranked(page)[:1])
    assert script(page, "return window.hacked === undefined")
    assert not script(
        page, "return document.querySelectorAll('.html-container img, .html-container script, #bold').length"
    )


@pytest.mark.parametrize(
    ("query", "documents", "sentence"),
    [
        ("", "a document", "The query is empty; give the text to rank the documents for."),
        ("a query", "", "Documents is empty; give at least one."),
        ("a query", "x\n" * 21, "Documents has 21 entries and this server takes 20; send the best candidates only"),
    ],
)
def test_an_error_is_a_sentence_on_the_page(page: Chrome, query: str, documents: str, sentence: str) -> None:
    fill(page, query=query, documents=documents)
    click(page, "#submit")
    until(lambda: sentence in text_of(page, "#answer .fr-error"))


def test_a_long_document_is_marked_and_folded(page: Chrome) -> None:
    fill(page, query="red planet", documents="mars " * 300)
    click(page, "#submit")
    until(lambda: "truncated: 300 tokens are more than fit" in text_of(page, "#answer .fr-flag"))
    assert "; 1 truncated" in text_of(page, ".fr-facts")
    assert "999 more characters" in text_of(page, "#answer summary")


def test_a_preset_writes_its_instruction(page: Chrome) -> None:
    click(page, "button.label-wrap")
    until(lambda: find(page, "#preset input").is_displayed())
    choose(page, "preset", "legal")
    until(lambda: value_of(page, "#instruction textarea") == PRESETS["legal"])


def test_documents_from_a_file_and_the_ranking_into_files(page: Chrome, tmp_path: Path) -> None:
    file = tmp_path / "行星.csv"
    file.write_bytes('id,body\n1,Venus is hot.\n2,"Mars, the red planet\n火星"\n'.encode("gb18030"))
    upload(page, "file", file)
    until(lambda: "has no column text; its columns are id, body" in text_of(page, "#about-file .fr-error"))
    click(page, "button.label-wrap")
    until(lambda: find(page, "#field input, #field textarea").is_displayed())
    fill(page, field="body", query="red planet")
    find(page, "#field input, #field textarea").send_keys(Keys.ENTER)
    until(lambda: "行星.csv: 2 documents" in text_of(page, "#about-file"))
    assert "read as GBK" in text_of(page, "#about-file .fr-note")
    until(lambda: not page.find_elements("css selector", "#documents textarea"))
    click(page, "#submit")
    until(lambda: len(ranked(page)) == 2)
    assert "document 2 of the file" in text_of(page, "#answer li")
    saved = json.loads(download(page, "#save-json", tmp_path, "finerank-ranking.json"))
    assert saved["query"] == "red planet"
    assert saved["model"] == "all-MiniLM-L6-v2"
    assert [each["document"]["id"] for each in saved["results"]] == ["2", "1"]
    content = download(page, "#save-csv", tmp_path, "finerank-ranking.csv").decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(content, newline="")))
    assert [row["document"] for row in rows] == ["Mars, the red planet\n火星", "Venus is hot."]
    assert float(rows[0]["score"]) == saved["results"][0]["score"]
    click(page, "#file .fr-file-clear")
    until(lambda: page.find_elements("css selector", "#documents textarea"))


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.pdf", b"%PDF-1.4", "a.pdf is broken"),
        ("empty.txt", b"\n", "is empty; it needs at least one document"),
        ("big.txt", b"x" * 250_000, "and this server takes files of up to 195.3 KB; send a smaller part of it"),
        ("bad.jsonl", b'"fine"\n{"text": \n', "bad.jsonl, line 2 is not JSON"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_sentence(
    page: Chrome, tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    (tmp_path / name).write_bytes(content)
    upload(page, "file", tmp_path / name)
    until(lambda: sentence in text_of(page, "#about-file .fr-error"))


def test_why_leads_from_a_ranked_document_to_its_sentences(page: Chrome) -> None:
    fill(page, query="red planet", documents="Venus is hot.\nMars is small. It is called the red planet.")
    click(page, "#submit")
    until(lambda: len(ranked(page)) == 2)
    click(page, ".fr-why")
    until(lambda: texts_of(page, "#explanation .fr-heat mark") == ["Mars is small.", "It is called the red planet."])
    assert value_of(page, "#why-query textarea") == "red planet"
    assert "It is called the red planet." in text_of(page, "#explanation .fr-sentences li")


def test_every_input_has_a_label_and_can_be_reached_by_tab(page: Chrome) -> None:
    unlabelled = """return [...document.querySelectorAll('textarea, input, button')]
        .filter(each => !each.labels?.length && !each.ariaLabel && !each.innerText?.trim() && each.offsetParent)
        .map(each => each.outerHTML)"""
    for name in TABS:
        open_tab(page, name)
        assert script(page, unlabelled) == []
    open_tab(page, "rerank")
    wanted = {"switch", "file-input", "submit", "example-0"}
    script(page, "document.activeElement.blur()")
    reached = set()
    for _ in range(30):
        ActionChains(page).send_keys(Keys.TAB).perform()
        reached.add(script(page, "return document.activeElement.id"))
    assert wanted <= reached
    find(page, "#submit").send_keys("")
    ActionChains(page).send_keys(Keys.SHIFT, Keys.TAB).perform()
    assert script(page, "return getComputedStyle(document.activeElement).outlineStyle") != "none"


@pytest.mark.parametrize("size", ["wide", "phone"])
def test_every_tab_fits_the_screen(page: Chrome, size: str, screenshots: Path) -> None:
    resize(page, size)
    click(page, "#example-2")
    until(lambda: "asynchronous" in value_of(page, "#query textarea"))
    click(page, "#submit")
    until(lambda: len(ranked(page)) == 5)
    for name in TABS:
        open_tab(page, name)
        page.save_screenshot(str(screenshots / f"{name}-{size}.png"))
        assert fits(page), name


class TestLanguage:
    @pytest.fixture
    def chinese(self, chrome: Chrome, page: Chrome, url: str) -> Iterator[Chrome]:
        """A browser whose language is Chinese."""
        agent = script(chrome, "return navigator.userAgent")
        chrome.execute_cdp_cmd("Network.setUserAgentOverride", {"userAgent": agent, "acceptLanguage": "zh-CN,en"})
        chrome.get(url)
        yield chrome
        script(chrome, "localStorage.clear()")
        chrome.execute_cdp_cmd("Network.setUserAgentOverride", {"userAgent": agent, "acceptLanguage": "en-US"})

    def test_the_page_follows_the_browser_and_the_switch_is_remembered(self, chinese: Chrome) -> None:
        until(lambda: text_of(chinese, "#submit") == "排序（Ctrl+Enter）")
        assert text_of(chinese, "[role=tab]") == "重排"
        click(chinese, "#submit")
        until(lambda: "查询是空的；请填写用来给文档排序的文本。" in text_of(chinese, "#answer .fr-error"))
        click(chinese, "#switch")
        until(lambda: text_of(chinese, "#submit") == "Rank (Ctrl+Enter)")
        chinese.refresh()
        until(lambda: text_of(chinese, "#submit") == "Rank (Ctrl+Enter)")
        assert script(chinese, "return document.documentElement.lang") == "en"

    def test_what_was_typed_stays_and_answers_follow(self, page: Chrome) -> None:
        fill(page, query="red planet", documents="\n".join(PLANETS))
        until(lambda: find(page, "#switch").is_displayed())
        click(page, "#switch")
        until(lambda: text_of(page, "#switch") == "English")
        assert value_of(page, "#query textarea") == "red planet"
        click(page, "#submit")
        until(lambda: "输入的第 2 行" in text_of(page, "#answer li"))
        until(lambda: "指纹" in text_of(page, "#model"))
        click(page, "#switch")
        until(lambda: text_of(page, "#switch") == "中文")


def test_an_idle_page_asks_nothing(page: Chrome) -> None:
    time.sleep(0.5)
    requested_urls(page)
    time.sleep(2.5)
    assert requested_urls(page) == []
    click(page, "#example-0")
    until(lambda: value_of(page, "#query textarea"))


@pytest.mark.parametrize(
    "path", ["upload", "file=/etc/passwd", "file=requirements.txt", "proxy=http://x.org/", "stream/x"]
)
def test_gradios_own_file_routes_are_closed(url: str, path: str) -> None:
    method = "POST" if path == "upload" else "GET"
    files = {"files": ("a.txt", b"x")} if path == "upload" else None
    answer = httpx.request(method, f"{url}/gradio_api/{path}", files=files, trust_env=False)
    assert answer.status_code == 404


def test_the_better_model_is_one_click_away(page: Chrome, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """First the hub cannot be reached; then it can, and the model takes over without a restart."""
    asked: list[str | None] = []
    slot = server.service.pool.default
    embedded = slot.reranker

    def unreachable(settings: Settings) -> Reranker:
        raise HubError("it could not be fetched from the hub (no route); name a local folder instead")

    def reachable(settings: Settings) -> Reranker:
        asked.extend(settings.model or ())
        return Reranker.from_model(FakeModel((settings.model or ("",))[0]))

    assert "./start.sh --model Qwen/Qwen3-Reranker-0.6B" in text_of(page, "#model")
    monkeypatch.setattr(model_slot, "load_reranker", unreachable)
    click(page, "#better")
    until(lambda: "could not be fetched from the hub (no route)" in text_of(page, "#model .fr-error"))
    monkeypatch.setattr(model_slot, "load_reranker", reachable)
    until(lambda: find(page, "#better").is_displayed())
    click(page, "#better")
    until(lambda: "Qwen/Qwen3-Reranker-0.6B" in text_of(page, "#model strong"))
    assert asked == ["Qwen/Qwen3-Reranker-0.6B"]
    fill(page, query="red planet", documents="venus\nred planet")
    click(page, "#submit")
    until(lambda: "by Qwen/Qwen3-Reranker-0.6B" in text_of(page, ".fr-facts"))
    assert not [each for each in page.find_elements("css selector", "#better") if each.is_displayed()]
    slot._put(embedded)


def test_no_button_for_what_the_server_does_not_allow(
    page: Chrome, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(server.service), "may_change_models", False)
    page.refresh()
    until(lambda: "up to whoever runs this server" in text_of(page, "#model"), 20)
    assert not [each for each in page.find_elements("css selector", "#better") if each.is_displayed()]
