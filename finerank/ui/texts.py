"""Every sentence of the page, in the languages that it speaks.

The texts themselves are in texts_en.py and texts_zh.py; they may name values in braces. The browser chooses the
language (page.js) and sends it with each call.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from .texts_en import EN
from .texts_zh import ZH

Language: TypeAlias = Literal["en", "zh"]

TEXTS: Final[Mapping[Language, Mapping[str, str]]] = MappingProxyType({"en": EN, "zh": ZH})


@dataclass(frozen=True, slots=True)
class Said:
    """A text by its key, with the values that belong into it."""

    key: str
    values: Mapping[str, object] = field(default_factory=dict)


class PageError(Exception):
    """What the reader of the page did that cannot work, to be said in their language."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(say("en", key, **values))
        self.said = Said(key, values)


def language_of(value: object) -> Language:
    """What the browser sent, English if it is none of ours."""
    return "zh" if value == "zh" else "en"


def say(language: Language, key: str, /, **values: object) -> str:
    """The text of `key`. Unknown keys raise KeyError: they are mistakes of ours."""
    return TEXTS[language][key].format(**values)
