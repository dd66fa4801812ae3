"""The lines of a PDF's page with their places, from PDFium."""

import ctypes
from dataclasses import dataclass
from typing import Any, Final

from ..boilerplate import Zone
from .encoding import cleaned

HYPHEN: Final = "\ufffe"
"""PDFium's for a hyphen at a line's end, after which it goes on without a line break."""
_LIGATURES: Final = str.maketrans(
    {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st", "\u00ad": None, "\u00a0": " "}
)


@dataclass(slots=True)
class Line:
    """A line of text; all measures in points, from the page's lower left corner.

    left, right: where it begins and ends.   bottom: of its first character; last_bottom: of its last one, lower if
    PDFium joined several lines at hyphens.   height: of its font.   All are 0.0 where PDFium does not tell.
    """

    text: str
    left: float = 0.0
    right: float = 0.0
    bottom: float = 0.0
    last_bottom: float = 0.0
    height: float = 0.0
    zone: Zone = Zone.UNKNOWN


_MARGIN: Final = 0.065
"""Share of a page's height at top and bottom where headers and footers are, and text hardly ever."""
_EDGE: Final = 0.16
"""Share of a page's height at top and bottom beyond which a line is surely text."""


def lines_of(page: Any) -> list[Line]:
    """Those of a pypdfium2 page, in the order of the file, but for the margins' first and last."""
    text_page = page.get_textpage()
    try:
        text = text_page.get_text_range()
        has_places = len(text) == text_page.count_chars()
        lines: list[Line] = []
        start = 0
        for raw in text.split("\r\n"):
            clean = " ".join(_cleaned(raw).split())
            if clean:
                line = Line(clean)
                if has_places:
                    _place(text_page, line, start, start + len(raw.rstrip()) - 1)
                lines.append(line)
            start += len(raw) + 2
        return _margins_apart(lines, page.get_height()) if has_places else lines
    finally:
        text_page.close()


def _cleaned(text: str) -> str:
    parts = text.translate(_LIGATURES).split(HYPHEN)
    return HYPHEN.join(map(cleaned, parts))


def _place(text_page: Any, line: Line, first: int, last: int) -> None:
    from pypdfium2 import raw

    box = raw.FS_RECTF()
    if raw.FPDFText_GetLooseCharBox(text_page, first, ctypes.byref(box)):
        line.left, line.bottom, line.last_bottom, line.height = box.left, box.bottom, box.bottom, box.top - box.bottom
        line.right = box.right
    if last > first and raw.FPDFText_GetLooseCharBox(text_page, last, ctypes.byref(box)):
        line.right, line.last_bottom = box.right, box.bottom


def _margins_apart(lines: list[Line], height: float) -> list[Line]:
    """Headers first and footers last, wherever the file draws them."""
    parts: tuple[list[Line], list[Line], list[Line]] = ([], [], [])
    for line in lines:
        part = 1
        if line.height and height > 0:
            line.zone = _zone(line.bottom / height, (line.bottom + line.height) / height)
            part = {Zone.TOP_MARGIN: 0, Zone.BOTTOM_MARGIN: 2}.get(line.zone, 1)
        parts[part].append(line)
    for part in (0, 2):
        parts[part].sort(key=lambda line: -line.bottom)
    return [line for part in parts for line in part]


def _zone(bottom: float, top: float) -> Zone:
    """bottom, top: of the line, as shares of the page's height."""
    if bottom > 1.0 - _EDGE:
        return Zone.TOP_MARGIN if bottom > 1.0 - _MARGIN else Zone.TOP
    if top < _EDGE:
        return Zone.BOTTOM_MARGIN if top < _MARGIN else Zone.BOTTOM
    return Zone.BODY
