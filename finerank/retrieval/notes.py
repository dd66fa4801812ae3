"""What a caller should know of an answer: English sentences with a code, by which a page has them in its language."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Self

NOTES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "query_cut": "{model} read only the beginning of the query: it has {count:,} tokens, the model reads {limit:,}",
        "no_words": "the query has no word that BM25 could look for; only its meaning was compared",
        "nothing_compared": "the query has no word that BM25 could look for, so nothing was searched; use other words, "
        "or mode hybrid or dense, which compare its meaning",
        "not_reranked": "not reranked: {model}, the model that comes with finerank, compares vectors, as the recall "
        "did; name a reranker such as Qwen/Qwen3-Reranker-0.6B",
        "unread": "the reranker could not read {count:,} of the candidates",
    }
)
"""Code -> the sentence, with the names of its values. A code keeps its meaning and its values."""


class Note(str):
    """A sentence like any other warning, that says by `code` and `values` which of NOTES it is."""

    code: str
    values: Mapping[str, Any]

    def __new__(cls, text: str, code: str = "", values: Mapping[str, Any] = MappingProxyType({})) -> Self:
        self = super().__new__(cls, text)
        self.code, self.values = code, values
        return self


def note(code: str, /, **values: Any) -> Note:
    """One of NOTES. Unknown codes raise KeyError: they are mistakes of ours."""
    return Note(NOTES[code].format(**values), code, values)
