"""Passages on their way into chunks: which are too long, how short ones share a chunk, and what overlaps."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from .passages import Passage, Run, joined, sentences_of, tail_of


@dataclass(slots=True)
class Piece:
    """A passage on its way into a chunk.

    run: index of its run.   limit: tokens of a chunk's text there.   is_whole: not parted while it is within that.
    weight: its tokens, more if it is long for them; an estimate before it is measured.
    """

    passage: Passage
    run: int
    limit: int
    is_whole: bool = False
    num_tokens: int = 0
    weight: int = 0
    is_measured: bool = False


def packed(pieces: Sequence[Piece], overlap: int) -> Iterator[Piece]:
    """The pieces of one run joined to chunks of like length, so that none is a small rest."""
    sizes = [piece.weight + 1 for piece in pieces]  # with a line's end before it, which some tokenizers count
    rest = sum(sizes)
    limit = pieces[0].limit + 1
    room = limit - overlap if rest > limit else limit
    target = rest / math.ceil(rest / room)
    current: list[Piece] = []
    size = 0
    for piece, tokens in zip(pieces, sizes, strict=True):
        if current and (size + tokens > room or size + tokens / 2 > target):
            yield _joined(current)
            rest -= size
            target = rest / math.ceil(rest / room)
            current, size = [], 0
        current.append(piece)
        size += tokens
    yield _joined(current)


def _joined(pieces: Sequence[Piece]) -> Piece:
    """One piece of several, to be measured anew: tokens of a whole are not quite those of its parts."""
    if len(pieces) == 1:
        return pieces[0]
    weight = sum(piece.weight for piece in pieces)
    return replace(pieces[0], passage=joined([piece.passage for piece in pieces]), weight=weight, is_measured=False)


def led(before: Piece, piece: Piece, overlap: int) -> Piece:
    """`piece` after the end of `before`, of which about `overlap` tokens are taken; itself where there are none."""
    if before.run != piece.run or not overlap:
        return piece
    own, text = piece.passage, before.passage.text
    tail = tail_of(text, int(len(text) * overlap / max(1, before.weight)))
    if not tail:
        return piece
    passage = replace(own, text=tail + own.gap + own.text, page=before.passage.last_page)
    return replace(piece, passage=passage, is_measured=False)


def looks_long(piece: Piece) -> bool:
    """More than half of its limit even with eight bytes to a token, which no text has."""
    text = piece.passage.text
    return (len(text) if text.isascii() else len(text.encode())) > 4 * piece.limit


def is_over(piece: Piece) -> bool:
    return piece.weight > piece.limit and piece.is_whole and not piece.passage.is_code


def is_long(piece: Piece) -> bool:
    """Whether it would leave chunks half empty."""
    return piece.weight > (piece.limit if piece.is_whole else piece.limit // 2)


def paragraphs_of(run: Run, index: int, limit: int) -> list[Piece]:
    return [Piece(passage, index, limit, is_whole=passage.is_code) for passage in run.passages]


def sentences_in(piece: Piece) -> list[Piece]:
    return pieces_of(piece, sentences_of(piece.passage))


def pieces_of(piece: Piece, passages: Sequence[Passage]) -> list[Piece]:
    return [Piece(passage, piece.run, piece.limit) for passage in passages]
