"""The best passages as a block of text for a language model, with numbers to cite them by."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Final, TypeAlias

from ..errors import InputError
from ..sentences import sentence_windows
from .types import Chunk, SearchResult

CountTokens: TypeAlias = Callable[[Sequence[str]], list[int]]

_ELLIPSIS: Final = "…"
_BETWEEN: Final = "\n\n"
_SHORTEST_OVERLAP: Final = 12
"""Characters: fewer are the same by chance."""


@dataclass(slots=True)
class _Piece:
    """A chunk, or its first sentences.   text: what is shown of it."""

    chunk: Chunk
    text: str
    is_cut: bool = False


@dataclass(slots=True)
class _Passage:
    """Neighbouring chunks of one document in reading order. It stands where the best of them stands."""

    pieces: list[_Piece] = field(default_factory=list)

    def is_neighbour(self, chunk: Chunk) -> bool:
        return any(
            piece.chunk.document_id == chunk.document_id and abs(piece.chunk.position - chunk.position) <= 1
            for piece in self.pieces
        )


class _Budget:
    """Counts each passage once, as most stay what they are when one is added."""

    def __init__(self, max_tokens: int, count_tokens: CountTokens) -> None:
        self._max_tokens = max_tokens
        self._count = count_tokens
        self._known: dict[str, int] = {}

    def holds(self, passages: Sequence[_Passage]) -> bool:
        entries = [f"{_entry(number, passage)}{_BETWEEN}" for number, passage in enumerate(passages, 1)]
        unknown = [each for each in entries if each not in self._known]
        self._known.update(zip(unknown, self._count(unknown) if unknown else [], strict=True))
        return sum(self._known[each] for each in entries) <= self._max_tokens


def context_block(result: SearchResult, max_tokens: int, count_tokens: CountTokens) -> str:
    """The hits of `result` as `[1] title, source, page` with the passage below, best first, `max_tokens` at most.

    Neighbouring chunks of a document become one passage in reading order, and what they overlap in stands there once.
    The last passage that fits only in part is cut after a sentence and ends in an ellipsis.
    count_tokens: the tokens of each text, by the tokenizer of whatever reads the block.
    Empty if there are no hits. Raises InputError if not even a sentence of the best hit fits.
    """
    budget = _Budget(max_tokens, count_tokens)
    passages: list[_Passage] = []
    for hit in result.hits:
        whole = _with_piece(passages, _Piece(hit.chunk, hit.chunk.text.strip()))
        if budget.holds(whole):
            passages = whole
            continue
        passages = _with_part(passages, hit.chunk, budget)
        break
    while passages and count_tokens([_rendered(passages)])[0] > max_tokens:
        passages.pop()  # a tokenizer may see more in the whole than in its parts
    if result.hits and not passages:
        least = _rendered([_Passage([_part(result.hits[0].chunk, 1)])])
        raise InputError(
            f"context_tokens is {max_tokens!r} and the first sentence of the best passage with its source needs "
            f"{count_tokens([least])[0]:,}; give at least that many"
        )
    return _rendered(passages)


def _with_piece(passages: Iterable[_Passage], piece: _Piece) -> list[_Passage]:
    """Copies of the passages with `piece` among its neighbours, which it may join, or behind them all."""
    passages = list(passages)
    near = [each for each in passages if each.is_neighbour(piece.chunk)]
    pieces = [each for passage in near for each in passage.pieces]
    joined = _Passage(sorted([*pieces, piece], key=lambda each: each.chunk.position))
    if not near:
        return [*passages, joined]
    return [joined if each is near[0] else each for each in passages if each is near[0] or each not in near]


def _with_part(passages: list[_Passage], chunk: Chunk, budget: _Budget) -> list[_Passage]:
    """With as many sentences of `chunk` as fit; unchanged if none does."""
    best, low, high = passages, 1, len(_sentences(chunk)) - 1
    while low <= high:
        middle = (low + high) // 2
        tried = _with_piece(passages, _part(chunk, middle))
        if budget.holds(tried):
            best, low = tried, middle + 1
        else:
            high = middle - 1
    return best


def _sentences(chunk: Chunk) -> list[tuple[int, int]]:
    text = chunk.text.strip()
    return sentence_windows(text, len(text))


def _part(chunk: Chunk, num_sentences: int) -> _Piece:
    windows, text = _sentences(chunk), chunk.text.strip()
    if num_sentences >= len(windows):
        return _Piece(chunk, text)
    return _Piece(chunk, f"{text[: windows[num_sentences - 1][1]]} {_ELLIPSIS}", is_cut=True)


def _rendered(passages: Iterable[_Passage]) -> str:
    return _BETWEEN.join(_entry(number, passage) for number, passage in enumerate(passages, 1))


def _entry(number: int, passage: _Passage) -> str:
    return f"[{number}] {_citation(passage)}\n{_text(passage)}"


def _citation(passage: _Passage) -> str:
    """Title, source and pages, without saying the same twice."""
    first = passage.pieces[0].chunk
    title = " ".join(first.title.split())
    names = [title] if title and title not in (first.source, PurePath(first.source).name) else []
    return ", ".join([*names, first.source, *_pages(passage)])


def _pages(passage: _Passage) -> list[str]:
    chunks = [piece.chunk for piece in passage.pieces]
    pages = [page for chunk in chunks for page in (chunk.page, chunk.last_page) if page is not None]
    if not pages:
        return []
    low, high = min(pages), max(pages)
    return [f"page {low}" if low == high else f"pages {low}-{high}"]


def _text(passage: _Passage) -> str:
    text = passage.pieces[0].text
    for before, piece in zip(passage.pieces, passage.pieces[1:], strict=False):
        overlap = 0 if before.is_cut else _overlap(text, piece.text)
        text = f"{text}{piece.text[overlap:]}" if overlap else f"{text}\n{piece.text}"
    return text


def _overlap(before: str, after: str) -> int:
    """Characters at the beginning of `after` that `before` ends with."""
    most = min(len(before), len(after))
    first = after[:_SHORTEST_OVERLAP]
    start = before.find(first, len(before) - most)
    while start >= 0:
        if after.startswith(before[start:]):
            return len(before) - start
        start = before.find(first, start + 1)
    return 0
