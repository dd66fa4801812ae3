"""API keys: where they come from, what is no key, and how one is kept out of logs and messages."""

import os
import re
from typing import Final

from ..errors import AuthenticationError
from .providers import Provider

_PLACEHOLDER: Final = re.compile(
    r"(?:\w+[-_])?your[\s_-].*|your(?:api)?key|<.*>|\$.*|(?:\w+[-_])?(?:x{3,}|\*{3,}|\.{3,}|…)"
    r"|api[\s_-]?key|change[\s_-]?me|placeholder|none|null|undefined|todo",
    re.IGNORECASE | re.DOTALL,
)
"""What documentation prints where a key belongs, and what an unset variable turns into."""

_SHORTEST_HIDDEN: Final = 4
"""Hiding a shorter text would garble every message."""


class ApiKey:
    """A key that no repr shows."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def header(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._text}"}

    def hidden_in(self, text: str) -> str:
        """`text` without the key: some providers quote it when they refuse it."""
        return text.replace(self._text, "***") if len(self._text) >= _SHORTEST_HIDDEN else text


def find_key(provider: Provider, given: str | None) -> ApiKey | None:
    """The key that was given, else the environment's; None if there is none and the provider may need none.

    Raises AuthenticationError for a hosted provider without a key, and for what cannot be one.
    """
    if given is not None:
        return ApiKey(_checked(given, "api_key", provider))
    for variable in provider.key_variables:
        text = os.environ.get(variable, "")
        if text.strip():
            return ApiKey(_checked(text, variable, provider))
    if provider.is_hosted:
        raise AuthenticationError(f"{provider.name} needs an API key; {_remedy(provider)}")
    return None


def _checked(text: object, source: str, provider: Provider) -> str:
    """Never quotes the text: what looks like a mistake may still be a key."""
    if not isinstance(text, str):
        raise AuthenticationError(f"{source} for {provider.name} must be a string, not {type(text).__name__}")
    key = text.strip()
    if not key:
        raise AuthenticationError(f"{source} for {provider.name} is empty; {_remedy(provider)}")
    if _PLACEHOLDER.fullmatch(key):
        raise AuthenticationError(f"{source} for {provider.name} is a placeholder and no key; {_remedy(provider)}")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise AuthenticationError(
            f"{source} for {provider.name} has characters that no key has (white space or other than ASCII); copy it "
            "again"
        )
    return key


def _remedy(provider: Provider) -> str:
    remedy = f"set {provider.key_variables[0]} or give api_key"
    return remedy if provider.is_hosted else f"{remedy}, or leave both out if the server asks for none"
