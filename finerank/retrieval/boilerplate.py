"""Running headers and footers of paged documents: lines that come back at the edges of pages.

Prefers to leave a header in over taking text away. A line goes only if it stands at a page's edge, or next to lines
that go; if it comes back on enough pages; and if it is the same everywhere but for a page number. Other numbers are
part of the line: "Alarm 6" and "Alarm 7" at the top of pages 6 and 7 are no page numbers, and stay.
"""

# ruff: noqa: RUF001  (punctuation of many scripts)

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from enum import Enum
from itertools import pairwise
from typing import Final

from .types import Section

_DEPTH: Final = 4
"""So many lines at the top and at the bottom of a page are looked at."""
_LONGEST: Final = 200
_LEAST_PAGES: Final = 3
"""Documents of fewer pages lose only page numbers."""
_STRETCH: Final = 4
"""Pages on which a line must come back, with no more than two pages between (left and right pages, a blank one)."""
_WIDEST_STEP: Final = 3
_SPARSE_PAGES: Final = 5
_SPARSE_SHARE: Final = 0.2
_NUMBER: Final = r"(?:\d{1,5}|[ivxlc]{1,7})"
_PAGE_WORD: Final = (
    r"(?:pages?|pg\.?|p\.|seite|s\.|página|pág\.?|pagina|pag\.?|strona|str\.|sida|side|стр\.?|страница|σελίδα|पृष्ठ)"
)
_PAGE_NUMBERS: Final = re.compile(
    rf"(?<!\w){_PAGE_WORD}\s*{_NUMBER}(?:\s*(?:/|of|von|de|di|sur|van|z|из|από)\s*{_NUMBER})?(?!\w)"
    rf"|第\s*\d+\s*[页頁](?:\s*[/,，共]+\s*\d+\s*[页頁])?|共\s*\d+\s*[页頁]|\d+\s*(?:ページ|页|頁|쪽)"
    rf"|^[\s|·•–—\-\[(]*{_NUMBER}(?:\s*(?:/|of|von)\s*{_NUMBER})?[\s|·•–—\-\])]*$",
    re.IGNORECASE,
)
"""What says itself that it is one, and numbers that are alone on their line."""
_APART: Final = re.compile(rf"^{_NUMBER}(?=\s*[|/·•\t]|\s{{2}})|(?:(?<=[|/·•\t] )|(?<=[|/·•\t])|(?<=\s\s)){_NUMBER}$")
"""A number at the end of a line, with a sign or a wide space before the rest."""
_AT_END: Final = re.compile(r"^\d{1,5}(?=\s)|(?<=\s)\d{1,5}$")


class Zone(Enum):
    """Where on its page a line stands. In the margins text hardly ever is; beyond TOP and BOTTOM there is only text."""

    UNKNOWN = 0
    TOP_MARGIN = 1
    TOP = 2
    BODY = 3
    BOTTOM = 4
    BOTTOM_MARGIN = 5


_AT_TOP: Final = (Zone.UNKNOWN, Zone.TOP_MARGIN, Zone.TOP)
_AT_BOTTOM: Final = (Zone.UNKNOWN, Zone.BOTTOM_MARGIN, Zone.BOTTOM)
_MARGINS: Final = (Zone.TOP_MARGIN, Zone.BOTTOM_MARGIN)


def without_boilerplate(sections: Sequence[Section]) -> list[Section]:
    """The sections without the lines that run through their pages.

    Sections without a page are left as they are; one with nothing left is dropped.
    """
    pages = [section.text.split("\n") if section.page is not None else [] for section in sections]
    dropped = boilerplate_lines(pages)
    kept: list[Section] = []
    for section, lines, indexes in zip(sections, pages, dropped, strict=True):
        if not indexes:
            kept.append(section)
            continue
        text = "\n".join(line for index, line in enumerate(lines) if index not in indexes)
        if text.strip():
            kept.append(replace(section, text=text))
    return kept


def boilerplate_lines(pages: Sequence[Sequence[str]], zones: Sequence[Sequence[Zone]] | None = None) -> list[set[int]]:
    """For each page the indexes of the lines that run through the document.

    pages: each one's lines, from the top.   zones: where each of them stands, if that is known. In the margin, a bare
    number after the title of a manual is taken for the page's, if it grows as pages do; in the body, no line goes.
    """
    zones = zones or [[Zone.UNKNOWN] * len(lines) for lines in pages]
    edges = [(*_edges(lines, places),) for lines, places in zip(pages, zones, strict=True)]
    running: list[set[int]] = [set() for _ in pages]
    for side in (0, 1):
        found = _running(pages, [edge[side] for edge in edges], zones)
        for page, (edge, indexes) in enumerate(zip(edges, found, strict=True)):
            for index in edge[side]:
                if index not in indexes:
                    break  # whatever lies further inside is text
                running[page].add(index)
    return running if _leaves_text(pages, running) else [set() for _ in pages]


def _edges(lines: Sequence[str], zones: Sequence[Zone]) -> Iterator[list[int]]:
    """Indexes of the lines at the top, from outside, and at the bottom, from outside."""
    filled = [index for index, line in enumerate(lines) if line.strip()]
    yield [index for index in filled[:_DEPTH] if zones[index] in _AT_TOP]
    yield [index for index in filled[: -_DEPTH - 1 : -1] if zones[index] in _AT_BOTTOM]


def _running(
    pages: Sequence[Sequence[str]], edges: Sequence[Sequence[int]], zones: Sequence[Sequence[Zone]]
) -> list[set[int]]:
    places: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    numbered: defaultdict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for page, indexes in enumerate(edges):
        for index in indexes:
            line = pages[page][index].strip().casefold()
            if len(line) > _LONGEST:
                continue
            places[_key(line)].append((page, index))
            for key, number in _counted(line, zones[page][index] in _MARGINS):
                numbered[key].append((page, index, number))
    for key, counted in numbered.items():
        if _grows([(page, number) for page, _, number in counted]):
            places[f"\0{key}"] += [(page, index) for page, index, _ in counted]
    running: list[set[int]] = [set() for _ in pages]
    for key, found in places.items():
        for page, index in _recurring(found, len(pages), "#" in key):
            running[page].add(index)
    return running


def _key(line: str) -> str:
    """Equal for lines that differ in white space, and in what says itself that it is a page number."""
    return re.sub(r"\s+", " ", _PAGE_NUMBERS.sub("#", line))


def _counted(line: str, in_margin: bool) -> Iterator[tuple[str, int]]:
    """(the line without a number at its end, the number), if that may be a page's."""
    for found in (_AT_END if in_margin else _APART).finditer(line):
        if found[0].isdecimal():
            yield re.sub(r"\s+", " ", line[: found.start()] + "#" + line[found.end() :]), int(found[0])


def _grows(counted: Sequence[tuple[int, int]]) -> bool:
    """Whether the number goes up by as much as the page does, in most steps."""
    steps = [after[1] - before[1] == after[0] - before[0] for before, after in pairwise(counted)]
    return bool(steps) and sum(steps) >= 0.6 * len(steps)


def _recurring(places: Sequence[tuple[int, int]], num_pages: int, is_numbered: bool) -> list[tuple[int, int]]:
    """Those places on enough pages near each other."""
    on = sorted({page for page, _ in places})
    if num_pages < _LEAST_PAGES:
        return list(places) if is_numbered and len(on) == num_pages > 1 else []
    if num_pages < 2 * _STRETCH:
        return list(places) if len(on) >= max(_LEAST_PAGES, num_pages / 2) else []
    if len(on) >= max(_SPARSE_PAGES, _SPARSE_SHARE * num_pages):
        return list(places)
    near = _in_stretches(on)
    return [place for place in places if place[0] in near]


def _in_stretches(pages: Sequence[int]) -> set[int]:
    near: set[int] = set()
    stretch: list[int] = []
    for page in (*pages, pages[-1] + _WIDEST_STEP + 1):
        if stretch and page - stretch[-1] > _WIDEST_STEP:
            if len(stretch) >= _STRETCH:
                near.update(stretch)
            stretch = []
        stretch.append(page)
    return near


def _leaves_text(pages: Sequence[Sequence[str]], running: Sequence[set[int]]) -> bool:
    """Pages that are all alike are a form, not headers."""
    return any(
        line.strip()
        for lines, indexes in zip(pages, running, strict=True)
        for index, line in enumerate(lines)
        if index not in indexes
    )
