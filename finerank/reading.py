"""How a Reranker and a call are asked to read texts, and what is refused of it; knows no model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .errors import InputError
from .texts import check_query, check_text
from .types import Document, LongDocuments

_MOST_TOKENS: Final = 32_768


@dataclass(slots=True)
class Reading:
    """How the texts of a call are to be read; the fields are those of `rank`."""

    instruction: str | None
    truncate: bool
    max_document_tokens: int | None

    def check(self) -> None:
        """Raises InputError."""
        if self.instruction is not None:
            check_text(self.instruction, "the instruction")
        limit = self.max_document_tokens
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
            raise InputError(f"max_document_tokens is {limit!r}; give a whole number of at least 1, or None for all")


def by_query(pairs: Sequence[tuple[str, Document]]) -> dict[str, list[int]]:
    """Indices of the pairs of each query, so that a query is encoded once."""
    indices: dict[str, list[int]] = {}
    for index, pair in enumerate(pairs):
        if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
            raise InputError(f"pair {index} is {type(pair).__name__}; each pair is (query, document)")
        check_query(pair[0])
        indices.setdefault(pair[0], []).append(index)
    return indices


def check_max_length(max_length: int) -> int:
    if isinstance(max_length, bool) or not isinstance(max_length, int) or not 16 <= max_length <= _MOST_TOKENS:
        raise InputError(f"max_length is {max_length!r}; give a whole number of tokens from 16 to {_MOST_TOKENS:,}")
    return max_length


def check_long_documents(
    mode: LongDocuments, chunk_tokens: int | None, overlap: float
) -> tuple[int | None, float] | None:
    """(window size, overlap) for "chunk", None for "truncate"."""
    if mode not in ("truncate", "chunk"):
        raise InputError(f"long_documents is {mode!r}; give 'truncate' or 'chunk'")
    if chunk_tokens is not None and chunk_tokens < 8:
        raise InputError(f"chunk_tokens is {chunk_tokens}; a window needs at least 8 tokens")
    if not 0.0 <= overlap < 1.0:
        raise InputError(f"chunk_overlap is {overlap}; give a share from 0 to below 1")
    return (chunk_tokens, overlap) if mode == "chunk" else None
