"""`Words`: the components whose texts follow the reader's language, and how the browser changes them."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from .texts import TEXTS, Language, say

Text: TypeAlias = "str | Callable[[Language], Any]"
"""Key of a text, or what makes a value for a language."""

_FIRST: Final[Language] = "en"


class Words:
    """Makes components with texts. They begin in English; the browser puts in its own language before they are seen.

    Gradio's I18n follows the browser alone and cannot be switched by hand.
    """

    def __init__(self) -> None:
        self.components: list[Any] = []
        self._texts: list[Mapping[str, Text]] = []

    def make(self, kind: Callable[..., Any], texts: Mapping[str, Text], **options: Any) -> Any:
        """`kind(**options)` with its `texts`, by the name of the property."""
        component = kind(**{name: _value(_FIRST, text) for name, text in texts.items()}, **options)
        self.components.append(component)
        self._texts.append(texts)
        return component

    def table(self) -> str:
        """JSON: language -> one change for each of `components`, as Gradio's front end takes them."""
        table = {language: [self._change(language, texts) for texts in self._texts] for language in TEXTS}
        return json.dumps(table, ensure_ascii=True).replace("</", "<\\/")

    def _change(self, language: Language, texts: Mapping[str, Text]) -> dict[str, Any]:
        return {"__type__": "update"} | {name: _value(language, text) for name, text in texts.items()}


def _value(language: Language, text: Text) -> Any:
    return say(language, text) if isinstance(text, str) else text(language)
