"""The parts of the page that never change, in both languages at once."""

from .render import Html, both, element
from .texts import TEXTS, say


def head_html() -> Html:
    return element("div", element("h1", "finerank"), element("p", both("tagline")), class_="fr-head")


def intro_html(key: str) -> Html:
    return element("p", both(key), class_="fr-intro")


def hint_html(key: str) -> Html:
    return element("p", both(key), class_="fr-hint")


def label_html(key: str) -> Html:
    return element("p", both(key), class_="fr-label")


def side_html(letter: str, key: str) -> Html:
    """Heading of one side of a comparison."""
    return element("p", element("span", letter, class_="fr-letter", aria_hidden="true"), both(key), class_="fr-side")


def batch_forms_html() -> Html:
    """What files a batch takes."""
    return element("ul", *(element("li", both(key)) for key in ("batch.jsonl", "batch.csv")), class_="fr-hint fr-forms")


def picker_html(
    name: str, kinds: str, said: str, limit: str, *, button: str = "file.open", multiple: bool = False
) -> Html:
    """A control that opens a file, or several; page.js makes it work.

    name: id of its input.   kinds: suffixes, with commas between.   said: key of their names.   limit: largest size,
    for people.   button: key of what stands on it.
    """
    chosen = element("input", type="file", id=name, accept=kinds, multiple=multiple, class_="fr-file-input")
    opener = element("label", both(button), for_=name, class_="fr-file-button")
    clear = element(
        "button", "\N{MULTIPLICATION SIGN}", type="button", class_="fr-file-clear", hidden=True, **_labels()
    )
    kinds_line = element("span", both(said, limit=limit), class_="fr-file-kinds")
    named = element("span", class_="fr-file-name", aria_live="polite")
    return element("div", chosen, opener, kinds_line, named, clear, class_="fr-file")


def _labels() -> dict[str, str]:
    """An attribute can say one thing only; page.js takes the one that is spoken."""
    return {f"data_label_{each}": say(each, "file.clear") for each in TEXTS} | {"aria_label": say("en", "file.clear")}
