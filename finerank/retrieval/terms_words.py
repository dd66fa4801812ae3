"""Words, codes and identifiers of scripts that part words with spaces."""

import re
import unicodedata
from functools import reduce
from itertools import accumulate
from typing import Any, Final

from .terms_languages import FUNCTION_WORDS, NOT_LATIN, SCRIPTS, STEMMERS

BETWEEN_DIGITS: Final = "\ua78f"
"""A letter that looks like a point: "10.1.2" and "10-1-2" are one term, and neither is "1012"."""
MOST_CHARACTERS: Final = 64
"""Of a term: enough for a SHA-256 in hexadecimal; what is longer has no meaning as a word."""
_MOST_PARTS: Final = 8
"""Of a code; longer compounds are paths and lists, whose parts are enough."""
_SHORT: Final = 2
"""Characters of a code's part that says too little to be asked for by itself, as the 07 of E-07."""
SIGNS: Final = "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff\u0f71-\u0f84"
"""Marks that belong to words though Python's \\w leaves them out, and the Indic scripts, which have many."""
_SEPARATORS: Final = re.compile(rf"(?:(?![{SIGNS}])[\W_])+")
_THOUSANDS: Final = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_PARTS: Final = re.compile(rf"\d+|(?:[^\W\d_]|(?!\d)[{SIGNS}])+")
_QUANTITY: Final = re.compile(r"\d+[^\W\d_]{1,3}")
_CASES: Final = re.compile(r"(?<=[a-zà-öø-ÿа-яёα-ω]{2})(?=[A-ZÀ-ÖØ-ÞА-ЯЁΑ-Ω])|(?<=[A-Z])(?=[A-Z][a-z]{2})")
"""Where an identifier's words meet: camel|Case, HTTP|Server; not in mRNA and iPhone."""
_MARKS: Final = re.compile(r"[\u0300-\u036f]")
_POINTS: Final = re.compile(r"[\u0591-\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670]")
"""Vowel points of Hebrew and Arabic, which most writers leave out."""
_UNMARKED: Final = str.maketrans(
    {"ß": "ss", "ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "\u0131": "i", "ё": "\u0435"}
)
"""Letters that Unicode does not take apart into a letter and a mark."""


class WordAnalyzer:
    """The terms of one compound: a word, or several with a single sign between each two."""

    def __init__(self, language: str) -> None:
        self._language = language
        self._latin = "en" if language in NOT_LATIN else language
        self._stop_words = FUNCTION_WORDS.get(language, frozenset()) | FUNCTION_WORDS.get(self._latin, frozenset())
        self._stemmers: dict[str, Any] = {}

    def terms(self, compound: str, is_query: bool = False) -> tuple[str, ...]:
        """Without function words, each term once.   is_query: short parts of codes are left out."""
        if compound.isalpha() and (compound[1:].islower() or len(compound) == 1):
            return tuple(term[:MOST_CHARACTERS] for term in self._word(compound) if term)
        if any(map(str.isdecimal, compound)):
            terms = self._code(_THOUSANDS.sub("", compound), is_query)
        else:
            terms = self._identifier(compound)
        return tuple(dict.fromkeys(term[:MOST_CHARACTERS] for term in terms if term))

    def _word(self, word: str) -> list[str]:
        lower = word.lower()
        # In capitals it is an abbreviation: IT, WHO, vitamin A.
        if lower in self._stop_words and (not word.isupper() or word == "I"):
            return []
        return [self._stem(lower)]

    def _code(self, code: str, is_query: bool) -> list[str]:
        """E-07: e07, and 07 in documents.   AB-1234/5: ab1234, ab1234.5, ab, 1234.   10mm: 10mm, 10, mm."""
        words = [_PARTS.findall(word) for word in _SEPARATORS.split(code.lower()) if word]
        parts = [part for word in _SEPARATORS.split(code) for part in _PARTS.findall(word)]
        if len(parts) == 1:
            return [fold(parts[0].lower())]
        glued = [reduce(_joined, word) for word in words if word]
        terms = [each for each, word in zip(glued, words, strict=True) if len(word) > 1]
        if len(parts) <= _MOST_PARTS:
            terms += [*accumulate(glued, _joined)][1:]
        is_code = not code.replace(".", "").isdecimal() and not _QUANTITY.fullmatch(code)
        shortest = _SHORT + 1 if is_query and is_code and terms else _SHORT
        for part in parts:
            if len(part) >= shortest:
                terms += [part] if part.isdecimal() else self._word(part)
        return [fold(term) for term in terms]

    def _identifier(self, compound: str) -> list[str]:
        """ModuleNotFoundError, read_csv, e-mail: the words, and all in one without what is between them."""
        words = [word for word in _SEPARATORS.split(compound) if word]
        terms: list[str] = []
        for word in words:
            parts = _CASES.split(word)
            for part in parts:
                terms += self._word(part)
            if len(parts) > 1:
                terms.append(fold(word.lower()))
        if "_" in compound or ("-" in compound and len(words) == 2):
            terms.append(fold("".join(words).lower()))
        return terms

    def _stem(self, word: str) -> str:
        """Stemmed with its accents, which the stemmers know, and then without."""
        if word.isascii():
            return str(self._stemmer(self._latin).stemWord(word))
        word = _POINTS.sub("", word)
        return fold(str(self._stemmer(self._language_of(word)).stemWord(word)))

    def _language_of(self, word: str) -> str:
        for first, last, languages in SCRIPTS:
            if first <= word[:1] <= last:
                return self._language if self._language in languages else languages[0]
        return self._latin

    def _stemmer(self, language: str) -> Any:
        if language not in self._stemmers:
            import Stemmer

            name = STEMMERS.get(language)
            self._stemmers[language] = Stemmer.Stemmer(name) if name else _NoStemmer()
        return self._stemmers[language]


def fold(word: str) -> str:
    """Lower-case letters without accents; what remains of marks, as vowel signs of Hindi, becomes letters.

    Milvus ends a term at a mark. So it is replaced by a letter that stands in no text, the ideograph 0x20000 above it.
    """
    if word.isascii():
        return word
    bare = unicodedata.normalize("NFC", _MARKS.sub("", unicodedata.normalize("NFD", word.translate(_UNMARKED)))).lower()
    return bare if bare.isalnum() else "".join(map(_as_letter, bare))


def _as_letter(sign: str) -> str:
    if sign.isalnum():
        return sign
    return chr(0x20000 + ord(sign)) if unicodedata.category(sign).startswith("M") and ord(sign) < 0x10000 else ""


def _joined(left: str, right: str) -> str:
    return left + (BETWEEN_DIGITS if left[-1:].isdecimal() and right[:1].isdecimal() else "") + right


class _NoStemmer:
    def stemWord(self, word: str) -> str:  # noqa: N802  (PyStemmer's name)
        return word
