"""The fields of a row that are kept beside its text, small enough for any store."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from .encoding import cleaned

_LONGEST_STRING: Final = 1000
_LONGEST_KEY: Final = 100
_MOST_BYTES: Final = 16_384
"""Of all fields as JSON; Milvus takes 65,536."""
_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,12})?")


def metadata_of(fields: Mapping[Any, Any]) -> dict[str, Any]:
    """JSON values only. Strings that are plain numbers become numbers, which a filter can compare ("007" does not).

    Strings are cut at 1,000 characters; the last fields are left out where all would take more than 16 KB.
    """
    kept: dict[str, Any] = {}
    size = 2
    for key, value in fields.items():
        name = cleaned(str(key)).strip()[:_LONGEST_KEY]
        entry = _value(value)
        if not name or entry is None:
            continue
        size += len(json.dumps({name: entry}))
        if size > _MOST_BYTES:
            break
        kept[name] = entry
    return kept


def _value(value: Any) -> Any:
    if isinstance(value, str):
        text = cleaned(value).strip()
        if _NUMBER.fullmatch(text):
            return float(text) if "." in text else int(text)
        return text[:_LONGEST_STRING] or None
    if isinstance(value, list):
        return [_value(each) for each in value]
    if isinstance(value, dict):
        return {cleaned(str(key))[:_LONGEST_KEY]: _value(each) for key, each in value.items()}
    return value
