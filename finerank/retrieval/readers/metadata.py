"""The fields of a row that are kept beside its text, small enough for any store."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final

from .encoding import cleaned

DEEPEST: Final = 16
"""Levels of lists and objects in a field; what lies deeper is left out."""
_LONGEST_STRING: Final = 1000
_LONGEST_KEY: Final = 100
_MOST_BYTES: Final = 16_384
"""Of all fields as JSON; Milvus takes 65,536."""
_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,12})?")
_MOST: Final = 2**63
"""Integers from here on are kept as strings, as is what is no number; Milvus refuses both."""


def metadata_of(fields: Mapping[Any, Any], *, has_types: bool) -> dict[str, Any]:
    """JSON values only.

    has_types: False of a CSV, whose plain numbers become numbers, which a filter can compare ("007" does not).
    Strings are cut at 1,000 characters; the last fields are left out where all would take more than 16 KB.
    """
    kept: dict[str, Any] = {}
    size = 2
    for key, value in fields.items():
        name = cleaned(str(key)).strip()[:_LONGEST_KEY]
        entry = _value(value if has_types else _number(value))
        if not name or entry is None:
            continue
        size += len(json.dumps({name: entry}))
        if size > _MOST_BYTES:
            break
        kept[name] = entry
    return kept


def is_too_deep(fields: Mapping[Any, Any]) -> bool:
    """Has a field more than DEEPEST levels?"""
    level = _inside(fields)
    for _ in range(DEEPEST):
        if not level:
            return False
        level = [inner for each in level for inner in _inside(each)]
    return bool(level)


def _inside(value: Any) -> list[Any]:
    values = value.values() if isinstance(value, Mapping) else value
    return [each for each in values if isinstance(each, list | dict)]


def _number(value: Any) -> Any:
    text = cleaned(value).strip() if isinstance(value, str) else ""
    if not _NUMBER.fullmatch(text):
        return value
    return float(text) if "." in text else int(text)


def _value(value: Any, depth: int = 0) -> Any:
    if isinstance(value, str):
        return cleaned(value).strip()[:_LONGEST_STRING] or None
    if isinstance(value, int):
        return value if -_MOST <= value < _MOST else str(value)[:_LONGEST_STRING]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, list | dict) and depth == DEEPEST:
        return None
    if isinstance(value, list):
        return [_value(each, depth + 1) for each in value]
    if isinstance(value, dict):
        return {cleaned(str(key))[:_LONGEST_KEY]: _value(each, depth + 1) for key, each in value.items()}
    return value
