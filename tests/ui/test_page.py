"""The page as a visitor uses it: examples, errors as sentences, hostile texts, the better model, no other host."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from finerank.errors import HubError
from finerank.instructions import PRESETS
from finerank.reranker import Reranker
from finerank.server import model_slot
from finerank.settings import Settings
from finerank.ui.examples import EXAMPLES
from tests.server.fake_model import FakeModel

from .browser import requested_urls

SIZES = {"wide": (1280, 900), "phone": (390, 844)}
seen_urls: list[str] = []


@pytest.fixture
def page(chrome: Chrome, url: str) -> Iterator[Chrome]:
    """Freshly loaded, at desktop width."""
    resize(chrome, "wide")
    chrome.get(url)
    until(lambda: "all-MiniLM-L6-v2" in text_of(chrome, "#model"))
    yield chrome
    seen_urls.extend(requested_urls(chrome))


def resize(chrome: Chrome, name: str) -> None:
    width, height = SIZES[name]
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": name == "phone"}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def find(chrome: Chrome, selector: str) -> WebElement:
    return chrome.find_element(By.CSS_SELECTOR, selector)


def text_of(chrome: Chrome, selector: str) -> str:
    """Read in one step, as the page may replace the element at any time."""
    script = "const found = document.querySelector(arguments[0]); return found ? found.innerText : ''"
    return str(chrome.execute_script(script, selector))  # type: ignore[no-untyped-call]


def ranked(chrome: Chrome) -> list[str]:
    script = "return [...document.querySelectorAll('#answer .fr-text')].map(each => each.textContent)"
    return list(chrome.execute_script(script))  # type: ignore[no-untyped-call]


def until(is_true: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, "the page did not get there in time"
        time.sleep(0.05)


def fill(chrome: Chrome, query: str, documents: str) -> None:
    """At once, as a paste would."""
    script = """const box = document.querySelector(arguments[0]);
        box.value = arguments[1];
        box.dispatchEvent(new Event("input", {bubbles: true}))"""
    for name, value in (("query", query), ("documents", documents)):
        chrome.execute_script(script, f"#{name} textarea", value)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_puts_the_right_document_first(page: Chrome, number: int) -> None:
    example = EXAMPLES[number]
    find(page, f"#example-{number}").click()
    until(lambda: find(page, "#query textarea").get_attribute("value") == example.query)
    find(page, "#submit").click()
    until(lambda: len(ranked(page)) == len(example.documents))
    assert ranked(page)[0] == example.documents[example.best]
    assert f"line {example.best + 1} of the input" in text_of(page, "#answer li")
    assert "all-MiniLM-L6-v2 (float32, cpu" in text_of(page, ".fr-facts")
    assert "tokens computed" in text_of(page, ".fr-facts")
    has_note = "takes no instruction; the one given was ignored" in text_of(page, "#answer")
    assert has_note == bool(example.instruction)


def test_control_enter_submits_from_any_box(page: Chrome) -> None:
    fill(page, "red planet", "Venus is hot.\nMars is called the red planet.")
    find(page, "#documents textarea").send_keys(Keys.CONTROL, Keys.ENTER)
    until(lambda: ranked(page))
    assert ranked(page) == ["Mars is called the red planet.", "Venus is hot."]


def test_markup_in_a_document_stays_text(page: Chrome) -> None:
    hostile = ["<img src=x onerror='window.hacked=1'>", "<script>window.hacked=1</script>", "</p><b id='bold'>bold</b>"]
    fill(page, "<i>markup</i>", "\n".join(hostile))
    find(page, "#submit").click()
    until(lambda: len(ranked(page)) == 3)
    assert sorted(ranked(page)) == sorted(hostile)
    assert page.execute_script("return window.hacked === undefined")  # type: ignore[no-untyped-call]
    assert not page.find_elements(By.CSS_SELECTOR, "#answer img, #answer script, #bold")


@pytest.mark.parametrize(
    ("query", "documents", "sentence"),
    [
        ("", "a document", "The query is empty; give the text to rank the documents for."),
        ("a query", "", "Documents is empty; give at least one."),
        ("a query", "x\n" * 21, "Documents has 21 entries and this server takes 20; send the best candidates only"),
    ],
)
def test_an_error_is_a_sentence_on_the_page(page: Chrome, query: str, documents: str, sentence: str) -> None:
    fill(page, query, documents)
    find(page, "#submit").click()
    until(lambda: sentence in text_of(page, "#answer .fr-error"))


def test_a_long_document_is_marked(page: Chrome) -> None:
    fill(page, "red planet", "mars " * 300)
    find(page, "#submit").click()
    until(lambda: "truncated: 300 tokens are more than fit" in text_of(page, "#answer .fr-flag"))
    assert "; 1 truncated" in text_of(page, ".fr-facts")


def test_a_preset_writes_its_instruction(page: Chrome) -> None:
    page.execute_script("document.querySelector('button.label-wrap').click()")  # type: ignore[no-untyped-call]
    until(lambda: find(page, "#preset input").is_displayed())
    find(page, "#preset input").click()
    script = (
        "return [...document.querySelectorAll('[role=option]')].map(each => each.innerText.trim().split(/\\s+/).pop())"
    )
    until(lambda: page.execute_script(script) == list(PRESETS))  # type: ignore[no-untyped-call]
    options = page.find_elements(By.CSS_SELECTOR, "[role=option]")
    next(each for each in options if each.text.endswith("legal")).click()
    until(lambda: find(page, "#instruction textarea").get_attribute("value") == PRESETS["legal"])


def test_every_input_has_a_label(page: Chrome) -> None:
    script = """return [...document.querySelectorAll('textarea, input')]
        .filter(each => !each.labels?.length && !each.ariaLabel).map(each => each.outerHTML)"""
    assert page.execute_script(script) == []  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("size", list(SIZES))
def test_the_page_fits_the_screen(page: Chrome, size: str, screenshots: Path) -> None:
    resize(page, size)
    find(page, "#example-1").click()
    until(lambda: "asynchronous" in (find(page, "#query textarea").get_attribute("value") or ""))
    page.execute_script("document.querySelector('#submit').click()")  # type: ignore[no-untyped-call]
    until(lambda: len(ranked(page)) == 5)
    page.save_screenshot(str(screenshots / f"{size}.png"))
    width, shown = page.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")  # type: ignore[no-untyped-call]
    assert width <= shown


def test_the_better_model_is_one_click_away(page: Chrome, monkeypatch: pytest.MonkeyPatch) -> None:
    """First the hub cannot be reached; then it can, and the model takes over without a restart."""
    asked: list[str | None] = []

    def unreachable(settings: Settings) -> Reranker:
        raise HubError(f"{settings.model} could not be fetched from the hub (no route); name a local folder instead")

    def reachable(settings: Settings) -> Reranker:
        asked.append(settings.model)
        return Reranker.from_model(FakeModel(settings.model or ""))

    assert "./start.sh --model Qwen/Qwen3-Reranker-0.6B" in text_of(page, "#model")
    monkeypatch.setattr(model_slot, "load_reranker", unreachable)
    find(page, "#better").click()
    until(lambda: "could not be fetched from the hub (no route)" in text_of(page, "#model .fr-error"))
    monkeypatch.setattr(model_slot, "load_reranker", reachable)
    until(lambda: find(page, "#better").is_displayed())
    find(page, "#better").click()
    until(lambda: "Qwen/Qwen3-Reranker-0.6B" in text_of(page, "#model strong"))
    assert asked == ["Qwen/Qwen3-Reranker-0.6B"]
    fill(page, "red planet", "venus\nred planet")
    find(page, "#submit").click()
    until(lambda: "by Qwen/Qwen3-Reranker-0.6B" in text_of(page, ".fr-facts"))
    assert not [each for each in page.find_elements(By.CSS_SELECTOR, "#better") if each.is_displayed()]


def test_nothing_was_asked_of_any_other_host(url: str) -> None:
    """Of all the tests above: it stays the last one."""
    assert seen_urls
    assert {urlsplit(each).netloc for each in seen_urls} == {urlsplit(url).netloc}
