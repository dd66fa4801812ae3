"""JSON out: never NaN, and never a failure over a text that UTF-8 cannot carry."""

import json
from collections.abc import Mapping
from typing import Any, Final

from fastapi.responses import JSONResponse

_LONGEST_HEADER: Final = 2000


class SafeJSONResponse(JSONResponse):
    """Compact JSON; characters are written as they are unless one is a lone surrogate, which needs an escape."""

    def render(self, content: Any) -> bytes:
        try:
            return _dumps(content, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError:
            return _dumps(content, ensure_ascii=True).encode("ascii")


def present(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Without the fields that are None: strict clients stumble over a null."""
    return {name: value for name, value in fields.items() if value is not None}


def header_text(text: str) -> str:
    """A text made fit for a header: printable ASCII on one line, not too long."""
    line = "".join(char if char.isprintable() else " " for char in text)
    line = line.encode("ascii", "backslashreplace").decode("ascii")
    return line if len(line) <= _LONGEST_HEADER else line[: _LONGEST_HEADER - 3] + "..."


def _dumps(content: Any, *, ensure_ascii: bool) -> str:
    return json.dumps(content, ensure_ascii=ensure_ascii, allow_nan=False, separators=(",", ":"))
