"""From the lines of a PDF to paragraphs and headings."""

# ruff: noqa: RUF001  (punctuation of many scripts)

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final

from ..letters import WIDE, WIDE_SIGNS
from ..types import Section
from .outline import Outline
from .pdf_lines import HYPHEN, Line

_HEADING_SIZE: Final = 1.15
"""Times the size of the body's font."""
_MOST_HEADINGS: Final = 0.25
"""Share of the characters; where more is large, as on slides, size does not mark headings."""
_LONGEST_HEADING: Final = 150
_WIDE_GAP: Final = 1.3
"""Times the usual distance of lines: between paragraphs."""
_SHORT_LINE: Final = 0.85
"""Share of the width of a page's text: shorter lines end a paragraph, or are rows of a table."""
_WORD: Final = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_BULLET: Final = re.compile(r"(?:[•▪●◦‣∙·*–—-]|\(?(?:\d{1,3}|[a-zA-Z])[.)])\s")
_WIDE_END: Final = re.compile(f"[{WIDE}{WIDE_SIGNS}]$")
_AT_HYPHEN: Final = re.compile(rf"([^\s{HYPHEN}]*){HYPHEN}([^\s{HYPHEN}]*)")


def sections_of(pages: Sequence[tuple[int, Sequence[Line]]]) -> list[Section]:
    """pages: (number, its lines without headers and footers)."""
    lines = [line for _, page in pages for line in page]
    body, spacing = _body_height(lines), _usual_spacing(pages)
    has_headings = _has_headings(lines, body)
    sizes = sorted({_rounded(line.height) for line in lines if has_headings and _is_large(line, body)}, reverse=True)
    hyphens = Hyphens(lines)
    outline = Outline()
    for number, page in pages:
        for block in _blocks(page, spacing):
            text = hyphens.resolved(_text(block, page))
            if has_headings and _is_heading(block, text, body):
                outline.heading(sizes.index(_rounded(block[0].height)) + 1, " ".join(text.split()))
            else:
                outline.text(text, number)
    return outline.sections()


class Hyphens:
    """Whether a hyphen at a line's end belongs to the word is seen from how the document writes it elsewhere."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self._lines = list(lines)
        self._words: frozenset[str] | None = None

    def resolved(self, text: str) -> str:
        """With each of PDFium's hyphens made one, or gone."""
        while HYPHEN in text:
            text = _AT_HYPHEN.sub(self._choose, text)
        return text

    def _choose(self, found: re.Match[str]) -> str:
        left, right = found[1], found[2]
        if self._words is None:
            self._words = frozenset(word.lower() for line in self._lines for word in _WORD.findall(line.text))
        plain, hyphened = left + right, f"{left}-{right}"
        if _last_word(hyphened) in self._words:
            return hyphened
        if _last_word(plain) in self._words:
            return plain
        # Codes (E-07), names (Type-C) and chains (state-of-the-art) keep theirs.
        is_split_word = left[-1:].islower() and right[:1].islower() and "-" not in left
        return plain if is_split_word else hyphened


def _last_word(text: str) -> str:
    found = _WORD.search(text)
    return found[0].lower() if found else ""


def _blocks(lines: Sequence[Line], spacing: float) -> Iterator[list[Line]]:
    """Lines that belong together: a paragraph, a table, a heading."""
    block: list[Line] = []
    for line in lines:
        if block and _begins_block(block[-1], line, spacing):
            yield block
            block = []
        block.append(line)
    if block:
        yield block


def _begins_block(before: Line, line: Line, spacing: float) -> bool:
    if not before.height or not line.height:
        return False
    if abs(before.height - line.height) > 0.12 * max(before.height, line.height):
        return True
    gap = before.last_bottom - line.bottom
    if gap < -0.5 * line.height:  # further up: the next column, in which a sentence may go on
        return before.text.endswith((".", ":", "!", "?", "。", "：", "！", "？"))
    return gap > _WIDE_GAP * spacing * line.height


def _text(block: Sequence[Line], page: Sequence[Line]) -> str:
    """A paragraph on one line; rows of tables and items of lists on lines of their own."""
    left, right = min(line.left for line in page), max(line.right for line in page)
    parts = [block[0].text]
    for before, line in pairwise(block):
        is_same_row = bool(line.height) and abs(before.last_bottom - line.bottom) < 0.3 * line.height
        is_short = before.right - left < _SHORT_LINE * (right - left) or not line.height
        if is_same_row:
            parts.append(" ")
        elif is_short or _BULLET.match(line.text):
            parts.append("\n")
        elif not _WIDE_END.search(before.text):
            parts.append(" ")
        parts.append(line.text)
    return "".join(parts)


def _usual_spacing(pages: Sequence[tuple[int, Sequence[Line]]]) -> float:
    """Distance of the lines of a paragraph, as a multiple of the font's height."""
    ratios = sorted(
        (before.last_bottom - line.bottom) / line.height
        for _, page in pages
        for before, line in pairwise(page)
        if line.height and 0.5 * line.height < before.last_bottom - line.bottom < 3 * line.height
    )
    return ratios[len(ratios) // 4] if ratios else 1.2


def _body_height(lines: Iterable[Line]) -> float:
    characters: Counter[float] = Counter()
    for line in lines:
        characters[_rounded(line.height)] += len(line.text)
    return characters.most_common(1)[0][0] if characters else 0.0


def _has_headings(lines: Sequence[Line], body: float) -> bool:
    large = sum(len(line.text) for line in lines if _is_large(line, body))
    return body > 0 and 0 < large <= _MOST_HEADINGS * sum(len(line.text) for line in lines)


def _is_large(line: Line, body: float) -> bool:
    return line.height >= _HEADING_SIZE * body


def _is_heading(block: Sequence[Line], text: str, body: float) -> bool:
    return _is_large(block[0], body) and len(text) <= _LONGEST_HEADING and any(map(str.isalpha, text))


def _rounded(height: float) -> float:
    return round(height * 2) / 2
