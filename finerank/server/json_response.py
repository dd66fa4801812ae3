"""JSON out: never NaN, and never a failure over a text that UTF-8 cannot carry."""

import json
from collections.abc import Mapping
from typing import Any, Final

from fastapi.responses import JSONResponse
from pydantic_core import to_json

from ..errors import InputError

_LONGEST_HEADER: Final = 2000
# Made once: json.dumps makes one for every call. What comes from JSON has no circles to look for.
_PLAIN: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":"))
_ESCAPED: Final = json.JSONEncoder(ensure_ascii=True, allow_nan=False, check_circular=False, separators=(",", ":"))


class SafeJSONResponse(JSONResponse):
    """Compact JSON; characters are written as they are unless one is a lone surrogate, which needs an escape."""

    def render(self, content: Any) -> bytes:
        try:
            return to_json(content, inf_nan_mode="strings")
        except ValueError:  # a lone surrogate, or nested more deeply than it goes
            return self._render_slowly(content)

    def _render_slowly(self, content: Any) -> bytes:
        try:
            return _PLAIN.encode(content).encode("utf-8")
        except UnicodeEncodeError:
            return _ESCAPED.encode(content).encode("ascii")
        except RecursionError:
            raise InputError("a document is nested too deeply to be sent back; send its text only") from None


def present(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Without the fields that are None: strict clients stumble over a null."""
    return {name: value for name, value in fields.items() if value is not None}


def header_text(text: str, longest: int = _LONGEST_HEADER) -> str:
    """A text made fit for a header: printable ASCII on one line, not too long."""
    line = text if text.isascii() and text.isprintable() else _printable(text)
    return line if len(line) <= longest else line[: longest - 3] + "..."


def _printable(text: str) -> str:
    line = "".join(char if char.isprintable() else " " for char in text)
    return line.encode("ascii", "backslashreplace").decode("ascii")
