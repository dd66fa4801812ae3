"""From a refusal to an exception: who refused, with which status, in whose words, and what to do about it."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from ..errors import AuthenticationError, ProviderError, RateLimitError
from .providers import Provider

_LONGEST_SENTENCE: Final = 300
_UNREADABLE: Final = re.compile(r"[\x00-\x20\x7f-\xa0\ud800-\udfff]+")
_REMEDIES: Final = {
    400: "the request cannot be used as it is",
    402: "the account has no balance left",
    404: "check base_url and the model's name",
    405: "check base_url: it is the address of no {api} API",
    413: "lower max_{texts}_per_call, or shorten the {texts}",
    422: "the request cannot be used as it is; if it is too large, lower max_{texts}_per_call",
}


def refusal(provider: Provider, status: int, sentence: str) -> ProviderError:
    """The exception for an answer that is no success. sentence: the provider's own, without the API key."""
    said = f"{provider.name} answered {status}" + (f" ({sentence})" if sentence else "")
    key = provider.key_variables[0]
    if status == 401:
        return AuthenticationError(f"{said}; check the API key in api_key or {key}", status)
    if status == 403:
        return AuthenticationError(
            f"{said}; check that the API key in api_key or {key} may use this model and that the account has balance",
            status,
        )
    if status == 429:
        return RateLimitError(f"{said}; ask less often with requests_per_minute or tokens_per_minute", status)
    if 300 <= status < 400:
        return ProviderError(f"{said}; redirects are not followed: give the address it leads to as base_url", status)
    if status >= 500:
        return ProviderError(f"{said}; the trouble is on its side, try again later", status)
    remedy = _REMEDIES.get(status, "the request was refused").format(api=provider.api, texts=provider.texts)
    return ProviderError(f"{said}; {remedy}", status)


def sentence_of(content: bytes, content_type: str, without_key: Callable[[str], str]) -> str:
    """What an error's body says to people, on one line, trimmed; "" if it says nothing.

    without_key: takes the API key out of a text; asked before the text is cut, or half a key could remain.
    """
    text = content[:100_000].decode("utf-8", errors="replace")
    try:
        said = said_by(json.loads(text))
    except (ValueError, RecursionError):
        said = "" if "html" in content_type or text.lstrip().startswith("<") else text
    return on_one_line(without_key(said))


def on_one_line(text: str) -> str:
    """Without anything that could command a terminal, and not too long."""
    line = _UNREADABLE.sub(" ", text).strip()
    return line if len(line) <= _LONGEST_SENTENCE else f"{line[: _LONGEST_SENTENCE - 3]}..."


def said_by(body: Any) -> str:
    """`error`, `error.message`, `message`, `detail` (FastAPI's list too), or the text itself."""
    if isinstance(body, str):
        return body
    if isinstance(body, list):
        return "; ".join(filter(None, map(said_by, body[:3])))
    if not isinstance(body, dict):
        return ""
    for name in ("error", "message", "detail", "msg", "code"):
        if body.get(name):
            said = said_by(body[name])
            if said:
                return said
    return ""


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that `Retry-After` asks to wait, from a number or from a date; None if it says nothing usable."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value, re.ASCII):
        return float(value)
    until = _date(value)
    if until is None:
        return None
    now = _date(headers.get("date", "")) or datetime.now(UTC)  # the server's own clock, where it tells
    return max(0.0, (until - now).total_seconds())


def _date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)
