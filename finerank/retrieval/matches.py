"""Where the words of a query stand in a text, by a simpler rule than the recall's, which stems in many languages."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

from .letters import WIDE
from .terms_languages import FUNCTION_WORDS

_IS_WIDE: Final = re.compile(f"[{WIDE}]")
_WIDE_RUN: Final = re.compile(f"[{WIDE}]+")
_WORD: Final = re.compile(rf"[^\W{WIDE}]+(?:[-.'\u2019/][^\W{WIDE}]+)*")
_QUERY_WORD: Final = re.compile(rf"[{WIDE}]+|(?:(?:[A-Z]{{1,4}}|[b-z])\s(?=\d))?{_WORD.pattern}")
"""A code may be written with a space, as "E 07"; see terms.py."""
_DIGIT: Final = re.compile(r"\d")
_RUN: Final = re.compile(rf"[^\W_{WIDE}]+")
_PARTS: Final = re.compile(r"\d+|[^\W\d_]+")
_BEFORE: Final = re.compile(r"\d[.,]")
_BEHIND: Final = re.compile(r"[.,]\d")
_WIDE_STOP: Final = frozenset(
    "的了是在和与及或吗呢吧啊么个这那我你他她它们有什怎为之其也就都而于以着过被把从到请该此" + "のをにはがとでもかです"
)
_MOST_WORDS: Final = 256
"""Of a query that are looked for, the first ones: a query may be a whole contract, and each hit has a snippet."""
_MOST_PARTS: Final = 8
"""Of a code; longer ones are paths and lists, of which the parts are looked for."""
_SHORTEST_PART: Final = 3
_SHORTEST_STEM: Final = 4
_LONGEST_ENDING: Final = 3


@dataclass(frozen=True, slots=True)
class Match:
    """start, end: characters of the text.   word: which of the query's.   weight: how much it says."""

    start: int
    end: int
    word: str
    weight: float


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a query looks for.

    wide: pairs of characters, or single ones, where there are no spaces.   codes: key -> word with digits.
    most_parts: of a code.   words: first letters -> the other words that begin so.
    """

    wide: frozenset[str]
    codes: Mapping[str, str]
    most_parts: int
    words: Mapping[str, list[str]]


def matches_of(query: str, text: str) -> list[Match]:
    """In order of their beginnings; they may overlap.

    Words match in any case and with any common ending ("sensor" and "sensors"), Chinese and Japanese by two characters
    at least, and words with digits by their letters and digits alone: "E07", "E-07" and "E 07" are one.
    """
    wanted = _wanted(query)
    found = [*_wide_matches(wanted, text), *_code_matches(wanted, text), *_word_matches(wanted, text)]
    return sorted(found, key=lambda each: (each.start, each.end))


@lru_cache(maxsize=8)  # one search asks for every hit
def _wanted(query: str) -> _Wanted:
    asked = list(dict.fromkeys(_query_words(query)))[:_MOST_WORDS]
    codes = {word: _PARTS.findall(word) for word in asked if _has_digit(word)}
    wide = frozenset(word for word in asked if _IS_WIDE.match(word))
    words: dict[str, list[str]] = {}
    for word in asked:
        if word not in codes and word not in wide:
            words.setdefault(word[:_SHORTEST_STEM], []).append(word)
    keys = {_key(parts): word for word, parts in codes.items()}
    return _Wanted(wide, keys, max(map(len, codes.values()), default=0), words)


def _query_words(query: str) -> Iterator[str]:
    for match in _QUERY_WORD.finditer(query):
        word = match.group().casefold()
        if _IS_WIDE.match(word):
            yield from _wide_pairs(word)
        elif _has_digit(word):
            yield from _code_words(word)
        elif len(word) > 1 and word not in FUNCTION_WORDS["en"]:
            yield word


def _wide_pairs(run: str) -> list[str]:
    parts = [part for part in re.split(f"[{''.join(_WIDE_STOP)}]", run) if part]
    return [pair for part in parts for pair in ([part[i : i + 2] for i in range(len(part) - 1)] or [part])]


def _code_words(word: str) -> Iterator[str]:
    """The code, and the parts of it that say something by themselves: AB-1234 and 1234, but not the 07 of E-07."""
    parts = _PARTS.findall(word)
    if len(parts) <= _MOST_PARTS:
        yield word
    for part in parts:
        if len(part) >= _SHORTEST_PART and part not in FUNCTION_WORDS["en"]:
            yield part


def _key(parts: Sequence[str]) -> str:
    """The same for all spellings of a code. Two numbers are never one: 10.12 is not 1012."""
    key = parts[0]
    for before, after in pairwise(parts):
        key += f".{after}" if before.isdigit() and after.isdigit() else after
    return key


def _has_digit(word: str) -> bool:
    return _DIGIT.search(word) is not None


def _wide_matches(wanted: _Wanted, text: str) -> Iterator[Match]:
    for run in _WIDE_RUN.finditer(text) if wanted.wide else ():
        for start in range(run.start(), run.end()):
            for end in range(start + 1, min(start + 2, run.end()) + 1):
                if text[start:end] in wanted.wide:
                    yield Match(start, end, text[start:end], 1.0)


def _code_matches(wanted: _Wanted, text: str) -> Iterator[Match]:
    """Words, and neighbours with a single sign between each two, whose letters and digits are those of a code."""
    words = [list(_PARTS.finditer(text, *word.span())) for word in _RUN.finditer(text)] if wanted.codes else []
    for index, word in enumerate(words):
        start, end, parts = word[0].start(), word[0].start(), list[str]()
        for following in words[index : index + wanted.most_parts]:
            if following[0].start() > end + 1 or len(parts) >= wanted.most_parts:
                break
            end = following[-1].end()
            parts += [part.group().casefold() for part in following]
            code = wanted.codes.get(_key(parts))
            if code is not None and not (code.isdigit() and _is_in_number(text, start, end)):
                yield Match(start, end, code, 3.0)


def _is_in_number(text: str, start: int, end: int) -> bool:
    """As the 5 in 3.5."""
    return bool(_BEFORE.match(text[max(0, start - 2) : start]) or _BEHIND.match(text[end : end + 2]))


def _word_matches(wanted: _Wanted, text: str) -> Iterator[Match]:
    for match in _WORD.finditer(text) if wanted.words else ():
        word = match.group().casefold()
        likely = wanted.words.get(word[:_SHORTEST_STEM], ())
        asked = next((each for each in likely if _is_same(each, word)), None)
        if asked is not None:
            yield Match(match.start(), match.end(), asked, min(len(asked), 8) / 4)


def _is_same(asked: str, word: str) -> bool:
    """Equal but for an ending."""
    if asked == word:
        return True
    if min(len(asked), len(word)) < _SHORTEST_STEM or not (asked.isalpha() and word.isalpha()):
        return False
    stem = max(_SHORTEST_STEM, max(len(asked), len(word)) - _LONGEST_ENDING)
    return asked[:stem] == word[:stem]
