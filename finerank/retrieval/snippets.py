"""The part of a passage that speaks to the query, and where the query's words stand in it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ..sentences import sentence_windows
from ..texts import Window

_WIDE: Final = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD: Final = re.compile(rf"[{_WIDE}]+|[^\W{_WIDE}]+(?:[-.'\u2019/][^\W{_WIDE}]+)*")
_IS_WIDE: Final = re.compile(rf"[{_WIDE}]")
_STOP_WORDS: Final = frozenset(
    """a about after all also an and any are as at be been before but by can could did do does for from get had has have
    how i if in into is it its may me more most my no not of on or our out should so some such than that the their them
    then there these they this to under up use was we were what when where which while who whose why will with would you
    your""".split()
)
"""Words of form: they stand in every passage, so they say nothing about where to look."""
_WIDE_STOP: Final = frozenset(
    "的了是在和与及或吗呢吧啊么个这那我你他她它们有什怎为之其也就都而于以着过被把从到请该此" + "のをにはがとでもかです"
)
_SHORTEST_STEM: Final = 4
_LONGEST_ENDING: Final = 3
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


@dataclass(frozen=True, slots=True)
class _Match:
    """start, end: characters of the passage.   word: which of the query's."""

    start: int
    end: int
    word: str
    weight: float


def snippet(text: str, query: str, length: int = 240) -> Snippet:
    """The best `length` characters of `text` for `query`, or a little less: cut between sentences, else between words.

    Words match in any case and with any common ending ("sensor" and "sensors"); Chinese and Japanese by two characters
    at least. A passage in another language than the query gives its beginning.
    """
    flat = _flattened(text)
    found = _matches(flat, _query_words(query))
    if len(flat) <= length:
        return Snippet(flat, _spans(found, (0, len(flat)), 0))
    window = _cut(flat, found, length)
    before = f"{_ELLIPSIS} " if window[0] > 0 else ""
    after = f" {_ELLIPSIS}" if window[1] < len(flat) else ""
    shown = f"{before}{flat[window[0] : window[1]]}{after}"
    return Snippet(shown, _spans(found, window, len(before)), is_whole=False)


def _flattened(text: str) -> str:
    return " ".join(text.split())


def _query_words(query: str) -> list[str]:
    """What to look for: words, and pairs of characters where there are no spaces."""
    words: list[str] = []
    for match in _WORD.finditer(query.casefold()):
        word = match.group()
        if _IS_WIDE.match(word):
            words += _wide_pairs(word)
        elif word not in _STOP_WORDS and (len(word) > 1 or word.isdigit()):
            words.append(word)
    return list(dict.fromkeys(words))


def _wide_pairs(run: str) -> list[str]:
    parts = [part for part in re.split(f"[{''.join(_WIDE_STOP)}]", run) if part]
    return [pair for part in parts for pair in ([part[i : i + 2] for i in range(len(part) - 1)] or [part])]


def _matches(text: str, words: Sequence[str]) -> list[_Match]:
    """In order of their beginnings."""
    wide = [word for word in words if _IS_WIDE.match(word)]
    narrow = [word for word in words if not _IS_WIDE.match(word)]
    found = [
        _Match(match.start(), match.end(), word, _weight(word))
        for word in wide
        for match in re.finditer(re.escape(word), text, re.IGNORECASE)
    ]
    for match in _WORD.finditer(text) if narrow else ():
        word = next((each for each in narrow if _is_same(each, match.group().casefold())), None)
        if word is not None:
            found.append(_Match(match.start(), match.end(), word, _weight(word)))
    return sorted(found, key=lambda each: (each.start, each.end))


def _is_same(asked: str, word: str) -> bool:
    """Equal but for an ending. Numbers and codes have none."""
    if asked == word:
        return True
    if min(len(asked), len(word)) < _SHORTEST_STEM or not (asked.isalpha() and word.isalpha()):
        return False
    stem = max(_SHORTEST_STEM, max(len(asked), len(word)) - _LONGEST_ENDING)
    return asked[:stem] == word[:stem]


def _weight(word: str) -> float:
    """Codes say most, long words more than short ones."""
    if any(map(str.isdigit, word)):
        return 3.0
    return 1.0 if _IS_WIDE.match(word) else min(len(word), 8) / 4


def _cut(text: str, found: Sequence[_Match], length: int) -> Window:
    """Where the snippet begins and ends."""
    first, last = _best_run(found, length)
    sentences = sentence_windows(text, len(text))
    start = _start(text, sentences, first, last, length)
    return start, _end(text, sentences, start, length)


def _best_run(found: Sequence[_Match], length: int) -> Window:
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


def _spans(found: Sequence[_Match], window: Window, shift: int) -> tuple[Window, ...]:
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
