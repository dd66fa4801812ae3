"""Where the sentences of a text lie: English, Chinese, Japanese and other scripts, lists and code."""

import re
from collections.abc import Iterator
from typing import Final

from .texts import Window

_LONGEST: Final = 400
"""Characters of a sentence; a longer one is cut at a comma or at a space."""

# ruff: noqa: RUF001  (full-width marks end sentences too)
_CLOSING: Final = "\"'”’»)）\\]】」』》〉"
_END: Final = re.compile(
    rf"(?P<wide>[。！？｡]+[{_CLOSING}]*)"  # needs no space behind it
    rf"|(?P<narrow>[.!?…؟۔։।॥។៕]+[{_CLOSING}]*)(?=\s)"
    r"|(?P<line>[ \t]*\r?\n)"
)
_ABBREVIATION: Final = re.compile(
    r"\n[ \t]*\d+\.$|[\s(\[](?:(?:[A-Za-z]\.)*[A-Za-z]|e\.g|i\.e|cf|vs|approx|ca|Mr|Mrs|Ms|Dr|Prof|St|Fig|Figs|Eq|Eqs"
    r"|Sec|No|Nos|Nr|Vol|pp?|Ch|al|Art|Abs|bzw|Inc|Ltd|Co|Corp|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\.$"
)
_NEXT: Final = re.compile(r"\s*(\S)")
_WRAPPED: Final = re.compile(r"[\w,，、-]$")
"""How a line ends that only an editor broke; lines of code rather end in a bracket, a colon or a semicolon."""
_SHORTEST_WRAPPED: Final = 40
_PAUSE: Final = re.compile(r"[,;:，；：、]\s*|\s+")


def sentence_windows(text: str, most: int) -> list[Window]:
    """The sentences of `text` in order, at most `most` of them: neighbours are joined until they are so few.

    Windows touch no white space at their ends, so that only white space lies between them.
    """
    windows = [piece for window in whole_sentences(text) for piece in _pieces(text, window)]
    return _joined(windows, most)


def whole_sentences(text: str) -> list[Window]:
    """The same, however long they are, and all of them. The time it takes grows as the text does."""
    return _without_fragments(text, _between_ends(text))


def _between_ends(text: str) -> list[Window]:
    start, windows = 0, []
    for end in _ends(text):
        windows.append(_stripped(text, (start, end)))
        start = end
    windows.append(_stripped(text, (start, len(text))))
    return [window for window in windows if window[0] < window[1]]


def _ends(text: str) -> Iterator[int]:
    for match in _END.finditer(text):
        if match["line"] is not None:
            is_end = not _is_wrapped(text, match.start(), match.end())
        elif match["narrow"] is not None:
            is_end = _is_sentence_end(text, match)
        else:
            is_end = not _is_quoted(text, match)
        if is_end:
            yield match.end()


def _is_sentence_end(text: str, match: "re.Match[str]") -> bool:
    """No: `e.g. this`, `J. Smith`, `1. First`, `... and so on`."""
    following = _NEXT.match(text, match.end())
    if following and following[1].islower():
        return False
    first = max(0, match.start() - 20)
    line = max(text.rfind("\n", first, match.start()) + 1, first)
    before = f"\n{text[line : match.start()]}."
    return match["narrow"] != "." or _ABBREVIATION.search(before) is None


def _is_quoted(text: str, match: "re.Match[str]") -> bool:
    """Does a Japanese sentence go on behind what somebody said in it?"""
    following = text[match.end() : match.end() + 1]
    return match["wide"][-1] in _CLOSING and "\u3041" <= following <= "\u309f"


def _is_wrapped(text: str, start: int, end: int) -> bool:
    """Does the sentence go on behind the line break at [start, end)?"""
    first = max(0, start - _SHORTEST_WRAPPED)
    line = text[max(text.rfind("\n", first, start) + 1, first) : start]
    return len(line) >= _SHORTEST_WRAPPED and _WRAPPED.search(line) is not None and text[end : end + 1].islower()


def _stripped(text: str, window: Window) -> Window:
    part = text[window[0] : window[1]]
    return window[0] + len(part) - len(part.lstrip()), window[0] + len(part.rstrip())


def _without_fragments(text: str, windows: list[Window]) -> list[Window]:
    """What has no letter and no digit, such as `}` and `1.`, goes to its neighbour."""
    kept: list[Window] = []
    for start, end in windows:
        if kept and not any(map(str.isalnum, text[start:end])):
            kept[-1] = (kept[-1][0], end)
        else:
            kept.append((start, end))
    return kept


def _pieces(text: str, window: Window) -> Iterator[Window]:
    start, end = window
    while end - start > _LONGEST:
        middle = start + _LONGEST
        pauses = [match.end() for match in _PAUSE.finditer(text, start + _LONGEST // 2, middle)]
        cut = pauses[-1] if pauses else middle
        yield _stripped(text, (start, cut))
        start = _stripped(text, (cut, end))[0]
    if start < end:
        yield start, end


def _joined(windows: list[Window], most: int) -> list[Window]:
    share = -(-len(windows) // max(1, most))
    if share <= 1:
        return windows
    groups = [windows[index : index + share] for index in range(0, len(windows), share)]
    return [(group[0][0], group[-1][1]) for group in groups]
