"""From text to search terms, the same for documents and queries, for Milvus and for bm25s.

Every term is made of lower-case letters and digits alone, so that Milvus' `standard` analyzer, which parts texts at
everything else, keeps it whole. Codes are there in parts and joined, so that "E07", "E-07" and "E 07" meet.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from threading import Lock
from typing import Any, Final, Self

from ..errors import InputError, RetrievalError
from .letters import CLUSTERS, HANGUL, WIDE
from .terms_asian import AsianAnalyzer
from .terms_languages import OTHERS, STEMMERS
from .terms_words import SIGNS, WordAnalyzer

VERSION: Final = 1
"""Of the rules here; raised whenever a text gets other terms than before, for then an index has to be made anew."""
LANGUAGES: Final = frozenset(STEMMERS) | OTHERS
"""ISO 639 codes that an analyzer can be for."""
_ASIAN: Final = f"{WIDE}{HANGUL}{CLUSTERS}"
_HAS_ASIAN: Final = re.compile(f"[{_ASIAN}]")
_HAS_SIGNS: Final = re.compile(f"[{SIGNS}]")
_JOINTS: Final = r"(?:[-\u2010\u2011\u2013_./'\u2019+@\\&]|(?<=\d)[,:](?=\d))"


def _compounds(letter: str) -> str:
    """Words with one sign between each two, and before a number up to four capitals with a space, as in "E 07"."""
    return rf"(?:(?:[A-Z]{{1,4}}|[b-z])[ \u00a0](?=\d))?{letter}+(?:{_JOINTS}{letter}+)*"


_PLAIN: Final = re.compile(_compounds(r"[^\W_]"))
_GENERAL: Final = re.compile(_compounds(rf"(?:[^\W_]|[{SIGNS}])"))
_MIXED: Final = re.compile(rf"(?P<asian>[{_ASIAN}]+)|" + _compounds(rf"(?:[^\W_{_ASIAN}]|[{SIGNS}])"))
_INVISIBLE: Final = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
_NAMES: Final = (
    (re.compile(r"(?<![^\W_])[Cc]\+\+"), "cplusplus"),
    (re.compile(r"(?<![^\W_])([CcFf])#"), r"\1sharp"),
    (re.compile(r"(?<![^\W_])\.(?i:net)(?![^\W_])"), "dotnet"),
)
"""Programming languages whose names are signs."""
_MOST_KNOWN: Final = 200_000
"""Compounds whose terms are remembered; some 50 MB."""
_LONGEST_KNOWN: Final = 40
_SAMPLES: Final = 50
_SAMPLE_CHARACTERS: Final = 1000


class TermAnalyzer:
    """Terms for one collection of texts. Threads may share it.

    language: ISO 639 code; its stemmer and function words serve the Latin script (or Cyrillic, Arabic, ... if it is
    written so), other scripts have their own. Raises InputError for one that is not known.
    """

    def __init__(self, language: str = "en") -> None:
        if language not in LANGUAGES:
            raise InputError(f"language {language!r} is not known; give one of {', '.join(sorted(LANGUAGES))}")
        self.language = language
        self._words = WordAnalyzer(language)
        self._asian = AsianAnalyzer(language)
        self._known = _Known(self._words)

    def terms(self, text: str) -> list[str]:
        """Of a document, in order, each as often as its word is there; [] of one without words."""
        return self._terms(text, self._known.__getitem__)

    def query_terms(self, text: str) -> list[str]:
        """Of a query, in order, each as often as its word is there; [] of one that has function words alone.

        Short parts of codes are left out, lest "E-07" ask for "07".
        """
        return self._terms(text, self._known.of_query)

    def to_dict(self) -> dict[str, Any]:
        """For an index to record, JSON values only."""
        return {"language": self.language, "version": VERSION}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """As it was recorded. Raises RetrievalError if this version of finerank makes other terms."""
        if values.get("version") != VERSION:
            raise RetrievalError(
                f"the index has search terms of version {values.get('version')!r}, this finerank makes version "
                f"{VERSION}; index the documents anew"
            )
        return cls(values["language"])

    def _terms(self, text: str, of_compound: Callable[[str], tuple[str, ...]]) -> list[str]:
        text = _normalised(text)
        if text.isascii():
            return [term for compound in _PLAIN.findall(text) for term in of_compound(compound)]
        if not _HAS_ASIAN.search(text):
            pattern = _GENERAL if _HAS_SIGNS.search(text) else _PLAIN
            return [term for compound in pattern.findall(text) for term in of_compound(compound)]
        is_japanese = self._asian.is_japanese(text)
        terms: list[str] = []
        for found in _MIXED.finditer(text):
            if found.lastgroup:
                terms += self._asian.terms(found[0], is_japanese)
            else:
                terms += of_compound(found[0])
        return terms


class _Known(dict[str, tuple[str, ...]]):
    """The terms of compounds, worked out once."""

    def __init__(self, words: WordAnalyzer) -> None:
        super().__init__()
        self._words = words
        self._lock = Lock()  # stemmers serve one thread at a time

    def __missing__(self, compound: str) -> tuple[str, ...]:
        with self._lock:
            terms = self._words.terms(compound)
        if len(compound) <= _LONGEST_KNOWN:
            if len(self) >= _MOST_KNOWN:
                self.clear()
            self[compound] = terms
        return terms

    def of_query(self, compound: str) -> tuple[str, ...]:
        with self._lock:
            return self._words.terms(compound, is_query=True)


def guess_language(texts: Iterable[str]) -> str:
    """The ISO 639 code of the language that most of the first 50 texts are in, by their beginnings; "en" of none."""
    from py3langid import classify

    samples = (text.strip()[:_SAMPLE_CHARACTERS] for text in islice(texts, _SAMPLES))
    weights: Counter[str] = Counter()
    for sample in filter(None, samples):
        weights[classify(sample)[0]] += len(sample)
    known = [language for language, _ in weights.most_common() if language in LANGUAGES]
    return known[0] if known else "en"


def _normalised(text: str) -> str:
    if not text.isascii():
        text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    if "++" in text or "#" in text or ".N" in text or ".n" in text:
        for pattern, name in _NAMES:
            text = pattern.sub(name, text)
    return text
