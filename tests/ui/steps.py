"""What a visitor does on the page, and what they see."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

SIZES = {"wide": (1280, 900), "phone": (390, 844)}
TABS = ("rerank", "search", "compare", "why", "batch")


def resize(chrome: Chrome, name: str) -> None:
    width, height = SIZES[name]
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": name == "phone"}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def script(chrome: Chrome, code: str, *arguments: object) -> Any:
    return chrome.execute_script(code, *arguments)  # type: ignore[no-untyped-call]


def find(chrome: Chrome, selector: str) -> WebElement:
    return chrome.find_element(By.CSS_SELECTOR, selector)


def click(chrome: Chrome, selector: str) -> None:
    """Also what is scrolled out of sight."""
    until(lambda: script(chrome, "return document.querySelector(arguments[0]) !== null", selector))
    script(chrome, "document.querySelector(arguments[0]).click()", selector)


def open_tab(chrome: Chrome, name: str) -> None:
    script(chrome, "document.querySelectorAll('[role=tab]')[arguments[0]].click()", TABS.index(name))
    button = {"rerank": "#submit"}.get(name, f"#{name}-submit")
    until(lambda: script(chrome, "return document.querySelector(arguments[0])?.offsetParent != null", button))


def text_of(chrome: Chrome, selector: str) -> str:
    """Read in one step, as the page may replace the element at any time."""
    return str(script(chrome, "return document.querySelector(arguments[0])?.innerText ?? ''", selector))


def texts_of(chrome: Chrome, selector: str) -> list[str]:
    found = "return [...document.querySelectorAll(arguments[0])].map(each => each.textContent)"
    return list(script(chrome, found, selector))


def value_of(chrome: Chrome, selector: str) -> str:
    return str(script(chrome, "return document.querySelector(arguments[0])?.value ?? ''", selector))


def ranked(chrome: Chrome) -> list[str]:
    return texts_of(chrome, "#answer .fr-text")


def until(is_true: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, "the page did not get there in time"
        time.sleep(0.05)


def fill(chrome: Chrome, **values: str) -> None:
    """Boxes by their id, with _ for -; at once, as a paste would."""
    code = """const box = document.querySelector(arguments[0]);
        box.value = arguments[1];
        box.dispatchEvent(new Event("input", {bubbles: true}))"""
    for name, value in values.items():
        script(chrome, code, f"#{name.replace('_', '-')} textarea, #{name.replace('_', '-')} input", value)


def choose(chrome: Chrome, name: str, option: str) -> None:
    """One entry of a dropdown."""
    find(chrome, f"#{name} input").click()
    until(lambda: chrome.find_elements(By.CSS_SELECTOR, "[role=option]"))
    options = chrome.find_elements(By.CSS_SELECTOR, "[role=option]")
    next(each for each in options if each.text.endswith(option)).click()


def upload(chrome: Chrome, name: str, file: Path) -> None:
    find(chrome, f"#{name}-input").send_keys(str(file))


def download(chrome: Chrome, button: str, folder: Path, name: str) -> bytes:
    """What the browser saves when the button is pressed."""
    behaviour = {"behavior": "allow", "downloadPath": str(folder)}
    chrome.execute_cdp_cmd("Browser.setDownloadBehavior", behaviour)
    until(lambda: find(chrome, button).is_displayed())
    click(chrome, button)
    until(lambda: (folder / name).is_file() and not list(folder.glob("*.crdownload")))
    return (folder / name).read_bytes()


def fits(chrome: Chrome) -> bool:
    """Is there nothing to scroll sideways?"""
    return bool(script(chrome, "return document.documentElement.scrollWidth <= window.innerWidth"))
