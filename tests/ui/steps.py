"""`Page`: what a visitor does on the page, and what they see."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

SIZES = {"wide": (1280, 900), "phone": (390, 844)}
TABS = ("rerank", "search", "compare", "why", "batch")
MODEL_S = 60.0


def until(is_true: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, "the page did not get there in time"
        time.sleep(0.03)


class Page:
    """Elements are named by CSS selectors, and read in one step each, as the page may replace them at any time."""

    def __init__(self, chrome: Chrome) -> None:
        self.chrome = chrome

    def open(self, url: str) -> None:
        self.chrome.get(url)
        self.wait_for_model()

    def reload(self) -> None:
        self.chrome.refresh()
        self.wait_for_model()

    def wait_for_model(self, name: str = "all-MiniLM-L6-v2") -> None:
        """The line about it comes last when a page is loaded."""
        until(lambda: name in self.text_of("#model"))

    def resize(self, name: str) -> None:
        width, height = SIZES[name]
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": name == "phone"}
        self.chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def script(self, code: str, *arguments: object) -> Any:
        return self.chrome.execute_script(code, *arguments)  # type: ignore[no-untyped-call]

    def find(self, selector: str) -> WebElement:
        return self.chrome.find_element(By.CSS_SELECTOR, selector)

    def keys(self, *keys: str) -> None:
        """Pressed wherever the focus is."""
        ActionChains(self.chrome).send_keys(*keys).perform()

    def click(self, selector: str) -> None:
        """Also what is scrolled out of sight."""
        until(lambda: self.script("return document.querySelector(arguments[0]) !== null", selector))
        self.script("document.querySelector(arguments[0]).click()", selector)

    def open_tab(self, name: str) -> None:
        self.script("document.querySelectorAll('[role=tab]')[arguments[0]].click()", TABS.index(name))
        until(lambda: self.shows({"rerank": "#submit"}.get(name, f"#{name}-submit")))

    def shows(self, selector: str) -> bool:
        code = "return [...document.querySelectorAll(arguments[0])].some(each => each.offsetParent !== null)"
        return bool(self.script(code, selector))

    def text_of(self, selector: str) -> str:
        return str(self.script("return document.querySelector(arguments[0])?.innerText ?? ''", selector))

    def texts_of(self, selector: str) -> list[str]:
        found = "return [...document.querySelectorAll(arguments[0])].map(each => each.textContent)"
        return list(self.script(found, selector))

    def value_of(self, selector: str) -> str:
        return str(self.script("return document.querySelector(arguments[0])?.value ?? ''", selector))

    def ranked(self) -> list[str]:
        return self.texts_of("#answer .fr-text")

    def fill(self, **values: str) -> None:
        """Boxes by their id, with _ for -; at once, as a paste would."""
        code = """const box = document.querySelector(arguments[0]);
            box.value = arguments[1];
            box.dispatchEvent(new Event("input", {bubbles: true}))"""
        for name, value in values.items():
            self.script(code, f"#{name.replace('_', '-')} textarea, #{name.replace('_', '-')} input", value)

    def choose(self, name: str, option: str) -> None:
        """One entry of a dropdown."""
        until(lambda: self.shows(f"#{name} input"))
        self.find(f"#{name} input").click()
        until(lambda: self.shows("[role=option]"))
        options = self.chrome.find_elements(By.CSS_SELECTOR, "[role=option]")
        next(each for each in options if each.text.endswith(option)).click()

    def upload(self, name: str, *files: Path) -> None:
        """In place of what was chosen before."""
        self.script("document.querySelector(arguments[0]).value = ''", f"#{name}-input")
        self.find(f"#{name}-input").send_keys("\n".join(map(str, files)))

    def open_files(self, *files: Path) -> str:
        """In the Search tab. Returns the line about them, when they are indexed or cannot be."""
        self._until_new(lambda: self.upload("search-files", *files), "#about-search .fr-facts, #about-search .fr-error")
        return self.text_of("#about-search")

    def search(self, query: str = "") -> None:
        """Until there is an answer.   query: empty for the one that stands there."""
        if query:
            self.fill(search_query=query)
        answers = "#search-answer .fr-summary, #search-answer .fr-error"
        self._until_new(lambda: self.click("#search-submit"), answers)

    def _until_new(self, act: Callable[[], None], selector: str) -> None:
        """Until there is an element that was not there before."""
        self.script("for (const each of document.querySelectorAll(arguments[0])) each.dataset.old = ''", selector)
        act()
        is_new = "return [...document.querySelectorAll(arguments[0])].some(each => each.dataset.old === undefined)"
        until(lambda: self.script(is_new, selector), MODEL_S)

    def download(self, button: str, folder: Path, name: str) -> bytes:
        """What the browser saves when the button is pressed."""
        behaviour = {"behavior": "allow", "downloadPath": str(folder)}
        self.chrome.execute_cdp_cmd("Browser.setDownloadBehavior", behaviour)
        until(lambda: self.shows(button))
        self.click(button)
        until(lambda: (folder / name).is_file() and not list(folder.glob("*.crdownload")))
        return (folder / name).read_bytes()

    def fits(self) -> bool:
        """Is there nothing to scroll sideways?"""
        return bool(self.script("return document.documentElement.scrollWidth <= window.innerWidth"))
