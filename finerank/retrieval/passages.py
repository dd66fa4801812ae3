"""Where a document may be parted: at headings and pages, paragraphs, sentences. Knows nothing of tokens."""

# ruff: noqa: RUF001  (punctuation of many scripts)

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ..sentences import whole_sentences
from .letters import WIDE
from .types import Section

_BLANK_LINES: Final = re.compile(r"\n(?:[^\S\n]*\n)+")
_FINISHED: Final = re.compile(r"""[.!?…:;。！？：；؟۔।॥]['"”’»)\]」』）】]*$""")
_RUNS_ON: Final = re.compile(f"[a-zà-ÿа-яё{WIDE}]")
_FENCE: Final = re.compile(r"^[ ]{0,3}(`{3,}|~{3,})", re.MULTILINE)
_SPACE: Final = re.compile(r"\s+")
_WIDE: Final = re.compile(f"[{WIDE}]")


@dataclass(frozen=True, slots=True)
class Passage:
    """A run of text.

    gap: the white space between it and the one before.   page, last_page: None without pages.
    is_code: it is not parted while it fits into a chunk.
    """

    text: str
    gap: str = "\n\n"
    page: int | None = None
    last_page: int | None = None
    is_code: bool = False


@dataclass(slots=True)
class Run:
    """Paragraphs that may share a chunk: of one page, under the same headings."""

    headings: tuple[str, ...]
    passages: list[Passage]


def runs_of(sections: Sequence[Section]) -> list[Run]:
    """A sentence that goes on after a page's end stays whole, with the page where it began."""
    runs: list[Run] = []
    for section in sections:
        paragraphs = [
            Passage(text.rstrip(), "\n\n", section.page, section.page, bool(_FENCE.match(text)))
            for text in _paragraphs(section.text)
        ]
        if not paragraphs:
            continue
        before = runs[-1] if runs else None
        if before is None or before.headings != section.headings:
            runs.append(Run(section.headings, paragraphs))
        elif before.passages[-1].last_page == section.page:
            before.passages.extend(paragraphs)
        else:
            rest = _finish_sentence(before.passages, paragraphs)
            if rest:
                runs.append(Run(section.headings, rest))
    return runs


def _paragraphs(text: str) -> Iterator[str]:
    """Parted at blank lines, but not those inside a block of code."""
    fence, lines = "", []
    for part in _BLANK_LINES.split(text.strip("\n")):
        if not part.strip():
            continue
        lines.append(part)
        for found in _FENCE.finditer(part):
            fence = found[1] if not fence else "" if found[1].startswith(fence) else fence
        if not fence:
            yield "\n\n".join(lines)
            lines = []
    yield from lines  # a fence without an end is none


def joined(passages: Sequence[Passage]) -> Passage:
    """As they stand one after another."""
    first, last = passages[0], passages[-1]
    text = first.text + "".join(each.gap + each.text for each in passages[1:])
    return Passage(text, first.gap, first.page, last.last_page)


def sentences_of(passage: Passage) -> list[Passage]:
    """Its sentences and lines; joined they are the passage again, but for white space at its end."""
    pieces: list[Passage] = []
    text, before = passage.text, 0
    for start, end in whole_sentences(text):
        gap = text[before:start] if pieces else passage.gap
        pieces.append(Passage(text[start:end] if pieces else text[:end], gap, passage.page, passage.last_page))
        before = end
    return pieces or [passage]


def cut_at(passage: Passage, borders: Sequence[int]) -> list[Passage]:
    """Its pieces between characters [0, b1), [b1, b2), ..., without the white space at each border."""
    pieces: list[Passage] = []
    gap, text = passage.gap, passage.text
    for start, end in zip((0, *borders), (*borders, len(text)), strict=True):
        piece = text[start:end]
        if not piece.strip():
            gap += piece
            continue
        lead = len(piece) - len(piece.lstrip()) if start else 0
        body = piece[lead:].rstrip()
        pieces.append(Passage(body, gap + piece[:lead], passage.page, passage.last_page))
        gap = piece[lead + len(body) :]
    return pieces


def between_words(text: str, near: int, reach: int) -> int:
    """The end of the white space before character `near`, at most `reach` away; `near` itself if there is none."""
    spaces = [*_SPACE.finditer(text, max(0, near - reach), near + 1)]
    return min(spaces[-1].end(), len(text)) if spaces else near


def tail_of(text: str, num_characters: int) -> str:
    """The end of a text, at most so many characters: whole sentences if there are such, or else whole words."""
    if num_characters <= 0:
        return ""
    start = max(0, len(text) - num_characters)
    if start == 0:
        return text
    sentence = next((first for first, _ in whole_sentences(text) if first >= start), None)
    if sentence is not None:
        return text[sentence:]
    space = _SPACE.search(text, start)
    if space and space.end() < len(text):
        return text[space.end() :].lstrip()
    return text[start:] if _WIDE.match(text, start) else ""


def _finish_sentence(before: list[Passage], paragraphs: list[Passage]) -> list[Passage]:
    """Moves the end of a sentence from the next page's first paragraph to the page before, and returns the rest."""
    last, first = before[-1], paragraphs[0]
    if _FINISHED.search(last.text) or not _RUNS_ON.match(first.text) or not _RUNS_ON.search(last.text[-2:]):
        return paragraphs
    end, *others = sentences_of(first)
    if "\n" in end.gap[2:]:
        return paragraphs
    if last.text.endswith("-"):
        text = last.text[:-1] + end.text
    else:
        text = last.text + ("" if _WIDE.search(last.text[-1]) else " ") + end.text
    before[-1] = Passage(text, last.gap, last.page, end.last_page)
    return ([joined(others)] if others else []) + paragraphs[1:]
