"""The part of a passage that speaks to the query, and where the query's words stand in it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ..sentences import sentence_windows
from ..texts import Window
from .letters import WIDE
from .matches import Match, matches_of

_IS_WIDE: Final = re.compile(f"[{WIDE}]")
_REPEATED: Final = 0.1
"""What a word counts for when it stands in the window already."""
_ELLIPSIS: Final = "…"


@dataclass(frozen=True, slots=True)
class Snippet:
    """text: one line, with an ellipsis where the passage goes on.   spans: characters of `text` that answer the query,
    in order, apart from each other.   is_whole: nothing was left out.
    """

    text: str
    spans: tuple[Window, ...] = ()
    is_whole: bool = True


def snippet(text: str, query: str, length: int = 240) -> Snippet:
    """The best `length` characters of `text` for `query`, or a little less: cut between sentences, else between words.

    What matches is in matches.py. A passage in another language than the query gives its beginning.
    """
    flat = _flattened(text)
    found = matches_of(query, flat)
    if len(flat) <= length:
        return Snippet(flat, _spans(found, (0, len(flat)), 0))
    window = _cut(flat, found, length)
    before = f"{_ELLIPSIS} " if window[0] > 0 else ""
    after = f" {_ELLIPSIS}" if window[1] < len(flat) else ""
    shown = f"{before}{flat[window[0] : window[1]]}{after}"
    return Snippet(shown, _spans(found, window, len(before)), is_whole=False)


def _flattened(text: str) -> str:
    return " ".join(text.split())


def _cut(text: str, found: Sequence[Match], length: int) -> Window:
    """Where the snippet begins and ends."""
    first, last = _best_run(found, length)
    sentences = sentence_windows(text, len(text))
    start = _start(text, sentences, first, last, length)
    return start, _end(text, sentences, start, length)


def _best_run(found: Sequence[Match], length: int) -> Window:
    """Characters from the first to the last match of the `length` characters that have most of the query's words."""
    best, best_weight = (0, 0), 0.0
    for index, first in enumerate(found):
        seen: set[str] = set()
        weight, end = 0.0, first.end
        for match in found[index : index + 100]:
            if match.end - first.start > length:
                break
            weight += match.weight * (_REPEATED if match.word in seen else 1.0)
            seen.add(match.word)
            end = max(end, match.end)
        if weight > best_weight:
            best, best_weight = (first.start, end), weight
    return best


def _start(text: str, sentences: Sequence[Window], first: int, last: int, length: int) -> int:
    """The beginning of a sentence if all matches still fit behind it, else a word a little before the first one."""
    sentence = max((start for start, _ in sentences if start <= first), default=0)
    if last - sentence <= length:
        # What stands before gives a sense of the place, as long as there is room for it.
        earlier = [start for start, _ in sentences if last - start <= length * 0.6 and start <= first]
        return min(earlier, default=sentence)
    lead = max(0, min(first, first - (length - (last - first)) // 3))
    return _word_start(text, lead, first)


def _word_start(text: str, start: int, limit: int) -> int:
    if start == 0 or _IS_WIDE.match(text[start]):
        return start
    space = text.find(" ", start - 1, limit)
    return limit if space < 0 else space + 1


def _end(text: str, sentences: Sequence[Window], start: int, length: int) -> int:
    """After a sentence if the snippet stays long enough, else after a word."""
    most = min(len(text), start + length)
    if most == len(text):
        return most
    ends = [end for _, end in sentences if start + length * 0.6 <= end <= most]
    if ends:
        return max(ends)
    if _IS_WIDE.match(text[most - 1]):
        return most
    space = text.rfind(" ", start + length // 2, most + 1)
    return most if space < 0 else space


def _spans(found: Sequence[Match], window: Window, shift: int) -> tuple[Window, ...]:
    """Of the matches inside of `window`, those that touch each other as one."""
    spans: list[Window] = []
    for match in found:
        if match.start < window[0] or match.end > window[1]:
            continue
        start, end = match.start - window[0] + shift, match.end - window[0] + shift
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
    return tuple(spans)
