"""Runs of scripts that write words without spaces, or stick particles to them: Chinese, Japanese, Korean, Thai."""

import re
from collections.abc import Iterator
from itertools import pairwise
from threading import Lock
from typing import Any, Final

from .letters import CLUSTERS, HANGUL, KANA, WIDE
from .terms_languages import FUNCTION_WORDS
from .terms_words import fold

_KANA: Final = re.compile(f"[{KANA}]")
_CHINESE_OR_JAPANESE: Final = re.compile(f"[{WIDE}]")
_RUNS: Final = re.compile(f"(?P<wide>[{WIDE}]+)|(?P<hangul>[{HANGUL}]+)|(?P<clusters>[{CLUSTERS}]+)")
_CLUSTER: Final = re.compile(
    "[\u0e40-\u0e44\u0ec0-\u0ec4]?[^\u0e30-\u0e3a\u0e45-\u0e4e\u0eb0-\u0ebc\u0ec6-\u0ece\u102b-\u103e\u1056-\u1059\u105e-"
    "\u1060\u1062-\u1064\u1067-\u106d\u1071-\u1074\u1082-\u108d\u17b4-\u17d3\u17dd]"
    "[\u0e30-\u0e3a\u0e45-\u0e4e\u0eb0-\u0ebc\u0ec6-\u0ece\u102b-\u103e\u1056-\u1059\u105e-\u1060\u1062-\u1064\u1067-\u106d"
    "\u1071-\u1074\u1082-\u108d\u17b4-\u17d3\u17dd]*"
)
"""A letter with its signs, and the vowel that is written before it."""
_JAPANESE_SHARE: Final = 0.1
"""Of kana among kana and Chinese characters; Japanese has a third to a half, Chinese a stray の."""
_DROPPED: Final = frozenset("助詞 助動詞 補助記号 記号 空白".split())
"""Parts of speech: particles, auxiliaries, signs."""
_MOST_SUDACHI: Final = 10_000
"""Characters at a time; SudachiPy takes 49,149 bytes."""


class AsianAnalyzer:
    """The terms of a run of letters of these scripts."""

    def __init__(self, language: str) -> None:
        self._language = language
        self._segmenter: Any = None
        self._tokenizer: Any = None
        self._lock = Lock()  # Sudachi's tokenizer refuses a second thread

    def is_japanese(self, text: str) -> bool:
        """Whether Chinese characters in `text` are read as Japanese."""
        if self._language == "ja":
            return True
        num_kana = len(_KANA.findall(text))
        return num_kana > 0 and num_kana >= _JAPANESE_SHARE * len(_CHINESE_OR_JAPANESE.findall(text))

    def terms(self, run: str, is_japanese: bool) -> list[str]:
        """In order, with repetitions."""
        terms: list[str] = []
        for found in _RUNS.finditer(run):
            if found.lastgroup == "hangul":
                terms += _korean(found[0])
            elif found.lastgroup == "clusters":
                terms += _bigrams([fold(each) for each in _CLUSTER.findall(found[0])] or [fold(found[0])])
            else:
                terms += self._japanese(found[0]) if is_japanese else self._chinese(found[0])
        return [term for term in terms if term.isalnum()]  # not characters younger than Python's Unicode

    def _chinese(self, run: str) -> Iterator[str]:
        """Words and the shorter words in them; characters that are in no word also in pairs.

        Without jieba's guesses at unknown words, which part a query otherwise than a document. nDCG@10 of BM25 with
        guesses, without, and so: cmrc2018 dev .977 .986 .987, mlqa/zh dev .793 .806 .812, drcd train .953 .955 .965.
        """
        before = ""
        stop_words = FUNCTION_WORDS["zh"]
        for word in self._cut(run):
            is_character = len(word) == 1 and word not in stop_words
            if is_character and before:
                yield before + word
            before = word if is_character else ""
            if word not in stop_words:
                yield word

    def _cut(self, run: str) -> list[str]:
        if self._segmenter is None:
            import rjieba

            self._segmenter = rjieba.Jieba()
        words: list[str] = self._segmenter.cut_for_search(run, False)
        return words

    def _japanese(self, run: str) -> Iterator[str]:
        """Short units in their dictionary's spelling, without particles and auxiliaries."""
        stop_words = FUNCTION_WORDS["ja"]
        for start in range(0, len(run), _MOST_SUDACHI):
            for morpheme in self._morphemes(run[start : start + _MOST_SUDACHI]):
                word = morpheme.normalized_form().lower()
                if morpheme.part_of_speech()[0] not in _DROPPED and word not in stop_words:
                    yield from _RUN_OR_WORD.findall(word)

    def _morphemes(self, run: str) -> Any:
        with self._lock:
            if self._tokenizer is None:
                from sudachipy import Dictionary, SplitMode

                dictionary = Dictionary(dict="small")
                make = getattr(dictionary, "tokenizer", None) or dictionary.create  # its name before 0.7
                self._tokenizer = make(mode=SplitMode.A)
            return list(self._tokenizer.tokenize(run))


_RUN_OR_WORD: Final = re.compile(r"[^\W_]+")


def _korean(run: str) -> list[str]:
    """The word as it is written, and its pairs of syllables, since particles stick to nouns."""
    return [run, *_bigrams(list(run))] if len(run) > 2 else [run]


def _bigrams(units: list[str]) -> list[str]:
    return ["".join(pair) for pair in pairwise(units)] if len(units) > 1 else units
