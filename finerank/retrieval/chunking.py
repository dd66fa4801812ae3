"""From documents to chunks: on headings and pages, then paragraphs, then sentences, then words, then tokens.

Lengths are by the embedding model's own tokenizer, so that it reads every chunk to its end. Where a text may be parted
is `passages.py`'s; this knows nothing of files and of indexes.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from itertools import groupby, pairwise
from typing import Any, Final, Protocol

from ..errors import InputError, UnsupportedError
from ..texts import Window
from .passages import Run, between_words, cut_at, joined, runs_of
from .pieces import Piece, is_long, is_over, led, looks_long, packed, paragraphs_of, pieces_of, sentences_in
from .types import Chunk, SourceDocument

DEFAULT_TOKENS: Final = 512
LEAST_TOKENS: Final = 32
MOST_TOKENS: Final = 32_768
"""Where it is not known how many the embedding model reads."""
_RESERVED: Final = 8
"""Tokens that are left to special ones and to the prompt that some models want before a document."""
_CONTEXT_BYTES: Final = 160
"""UTF-8 bytes of title and headings that are embedded with a chunk; no tokenizer makes more tokens than bytes."""
_BETWEEN: Final = " > "
_MOST_ID_BYTES: Final = 480
_MOST_CHARACTERS: Final = 16
"""Of a token, on the average: WordPiece makes one token of a word however long it is."""
_MOST_BYTES: Final = 60_000
"""Of a chunk's text in UTF-8; a text field of Milvus takes 65,535."""


class Measure(Protocol):
    """What of an `Embedder` is needed here."""

    @property
    def info(self) -> Any:
        """With `name` and `max_length`."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without special ones."""

    def token_offsets(self, text: str) -> list[Window]:
        """Characters of each token of `text`."""


def embedding_text(chunk: Chunk) -> str:
    """What the models read of a chunk: title and headings on a line of at most 160 bytes, then the text.

    Terms for BM25 are made of the same, for headings stand in no chunk's text.
    """
    context = _context(chunk.title, chunk.headings)
    return f"{context}\n{chunk.text}" if context else chunk.text


class Chunker:
    """Parts documents into chunks for one embedding model.

    chunk_tokens: at most so many in `embedding_text(chunk)`; None = the smaller of 512 and what the model reads. A
    chunk's text never has more; it leaves title and headings as many as they need, up to half.
    overlap: about so many tokens of a chunk's end are repeated by the next one, where both are of one page and heading:
    whole sentences if one is short enough; None = an eighth of chunk_tokens.
    Raises InputError if the model cannot read so many, or the overlap is more than half of them.
    """

    def __init__(self, embedder: Measure, chunk_tokens: int | None = None, overlap: int | None = None) -> None:
        most = int(embedder.info.max_length) - _RESERVED if embedder.info.max_length else MOST_TOKENS
        limit = min(DEFAULT_TOKENS, most) if chunk_tokens is None else chunk_tokens
        if not LEAST_TOKENS <= limit <= most:
            raise InputError(
                f"chunk_tokens is {limit}; with {embedder.info.name} give {LEAST_TOKENS} to {most}, "
                f"which leaves {_RESERVED} tokens of what it reads to special ones and a prompt"
            )
        self.chunk_tokens = limit
        self.overlap = limit // 8 if overlap is None else overlap
        if not 0 <= self.overlap <= limit // 2:
            raise InputError(f"overlap is {self.overlap}; give 0 to {limit // 2} tokens, half of chunk_tokens")
        self._embedder = embedder

    def chunks(self, document: SourceDocument) -> list[Chunk]:
        """In order; [] of a document without text."""
        runs = runs_of(document.sections)
        limits = self._limits([_context(document.title, run.headings) for run in runs])
        units = self._units(runs, limits)
        filled = [each for _, run in groupby(units, lambda piece: piece.run) for each in packed([*run], self.overlap)]
        final = self._within_limits(self._with_overlap(filled))
        return [_chunk(document, runs[piece.run].headings, piece, position) for position, piece in enumerate(final)]

    def _units(self, runs: Sequence[Run], limits: Sequence[int]) -> list[Piece]:
        """What is not parted further: whole runs that fit; paragraphs; of long ones sentences; of long ones pieces.

        Counting is what chunking costs, so what looks too long is not counted before it is parted.
        """
        pieces: list[Piece] = []
        for index, (run, limit) in enumerate(zip(runs, limits, strict=True)):
            whole = Piece(joined(run.passages), index, limit, is_whole=True)
            if not looks_long(whole):
                pieces.append(whole)
                continue
            for paragraph in paragraphs_of(run, index, limit):
                pieces += [paragraph] if paragraph.is_whole or not looks_long(paragraph) else sentences_in(paragraph)
        self._measure(pieces)
        pieces = self._parted(pieces, is_over, lambda piece: paragraphs_of(runs[piece.run], piece.run, piece.limit))
        pieces = self._parted(pieces, is_long, sentences_in)
        return self._within_limits(pieces)

    def _limits(self, contexts: Sequence[str]) -> list[int]:
        """Tokens of a chunk's text below each context, less two for where both meet."""
        known = [*dict.fromkeys(contexts)]
        counts = dict(zip(known, self._count(known), strict=True))
        return [self.chunk_tokens - min(counts[each] + 2 if each else 0, self.chunk_tokens // 2) for each in contexts]

    def _parted(
        self, pieces: list[Piece], is_too_long: Callable[[Piece], bool], part: Callable[[Piece], list[Piece]]
    ) -> list[Piece]:
        """Those that are too long parted; all the new ones are counted in one call."""
        out: list[Piece] = []
        new: list[Piece] = []
        for piece in pieces:
            parts = part(piece) if is_too_long(piece) else [piece]
            out.extend(parts)
            if len(parts) > 1:
                new.extend(parts)
        self._measure(new)
        return out

    def _within_limits(self, pieces: list[Piece]) -> list[Piece]:
        """Parted further until all are within their limits; only a single character may be beyond."""
        while True:
            parted = self._parted(pieces, lambda piece: piece.weight > piece.limit, self._windows)
            if len(parted) == len(pieces):
                return parted
            pieces = parted

    def _with_overlap(self, filled: list[Piece]) -> list[Piece]:
        """Each begins with the end of the one before it in its run, where there is room for that."""
        longer = [*filled[:1], *(led(before, piece, self.overlap) for before, piece in pairwise(filled))]
        self._measure([piece for piece in longer if not piece.is_measured])
        chosen = [more if more.weight <= more.limit else own for more, own in zip(longer, filled, strict=True)]
        self._measure([piece for piece in chosen if not piece.is_measured])
        return chosen

    def _windows(self, piece: Piece) -> list[Piece]:
        """Pieces of like length, parted between words where there are any, or else between tokens."""
        text = piece.passage.text
        num_parts = math.ceil(piece.weight / max(1, piece.limit - 2))
        offsets = self._offsets(text)
        if len(offsets) < 4 * num_parts:  # a few tokens of very many characters
            offsets = [(index, index + 1) for index in range(len(text))]
        starts = [offsets[len(offsets) * number // num_parts][0] for number in range(1, num_parts)]
        reach = len(text) // num_parts // 5
        borders = sorted({between_words(text, start, reach) for start in starts} - {0, len(text)})
        if not borders and len(text) > 1:
            borders = [len(text) // 2]
        return pieces_of(piece, cut_at(piece.passage, borders))

    def _offsets(self, text: str) -> Sequence[Window]:
        try:
            return self._embedder.token_offsets(text)
        except UnsupportedError:  # a tokenizer that tells no positions
            return []

    def _measure(self, pieces: Sequence[Piece]) -> None:
        counts = self._count([piece.passage.text for piece in pieces])
        for piece, num_tokens in zip(pieces, counts, strict=True):
            text = piece.passage.text
            num_bytes = len(text) if text.isascii() else len(text.encode())
            by_bytes = math.ceil(num_bytes * piece.limit / _MOST_BYTES)
            piece.num_tokens, piece.is_measured = num_tokens, True
            piece.weight = max(num_tokens, len(text) // _MOST_CHARACTERS, by_bytes)

    def _count(self, texts: Sequence[str]) -> list[int]:
        return self._embedder.count_tokens(texts) if texts else []


def _context(title: str, headings: Sequence[str]) -> str:
    """Title and headings without repetition; if they are too long, the outer ones give way."""
    names = [*dict.fromkeys(name.strip() for name in (title, *headings) if name.strip())]
    while len(names) > 1 and len(_BETWEEN.join(names).encode(errors="replace")) > _CONTEXT_BYTES:
        names.pop(1 if len(names) > 2 else 0)
    line = _BETWEEN.join(names)
    return line.encode(errors="replace")[:_CONTEXT_BYTES].decode(errors="ignore").strip()


def _chunk(document: SourceDocument, headings: tuple[str, ...], piece: Piece, position: int) -> Chunk:
    passage = piece.passage
    return Chunk(
        id=_chunk_id(document.id, position),
        document_id=document.id,
        source=document.source,
        title=document.title,
        text=passage.text,
        position=position,
        page=passage.page,
        last_page=passage.last_page,
        headings=headings,
        num_tokens=piece.num_tokens,
        metadata=document.metadata,
    )


def _chunk_id(document_id: str, position: int) -> str:
    """Document and position; of a very long document id only the beginning, and a hash of all of it."""
    content = document_id.encode(errors="replace")
    if len(content) > _MOST_ID_BYTES:
        digest = hashlib.blake2b(content, digest_size=16).hexdigest()
        document_id = f"{content[: _MOST_ID_BYTES - 40].decode(errors='ignore')}~{digest}"
    return f"{document_id}#{position}"
