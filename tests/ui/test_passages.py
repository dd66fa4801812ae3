"""PDF and Word files as documents for the reranker."""

import asyncio
import io
import threading
from collections.abc import Iterator

import docx
import pytest

from finerank.errors import UnreadableError
from finerank.types import AnswerFacts, ModelInfo, RankedDocument, Ranking
from finerank.ui import passages
from finerank.ui.passages import PassageReader, Passages, page_of
from finerank.ui.render_ranking import place_of, ranking_html
from finerank.ui.texts import PageError

from .manuals import ANSWER, CHAPTER, CHAPTER_ANSWER_PAGE, CHAPTER_PAGES, manual_pdf


def word_file(text: str) -> bytes:
    document = docx.Document()
    document.add_heading("Shift book", 1)
    document.add_paragraph(text)
    written = io.BytesIO()
    document.save(written)
    return written.getvalue()


async def test_a_pdf_becomes_passages_with_their_pages() -> None:
    found = await PassageReader().passages(manual_pdf(*CHAPTER), "manual.pdf", 512)
    pages = [page_of(each) for each in found]
    assert {page for each in pages if each for page in range(each[1], each[2] + 1)} == {*range(1, CHAPTER_PAGES + 1)}
    best = next(each for each in found if ANSWER in str(each))
    assert page_of(best) == ("manual.pdf", CHAPTER_ANSWER_PAGE, CHAPTER_ANSWER_PAGE)
    assert not any("manual E07-B" in str(each) for each in found)


async def test_a_word_file_has_headings_and_no_pages_whatever_its_name() -> None:
    (passage,) = await PassageReader().passages(word_file("The door was open."), "report.txt", 512)
    assert isinstance(passage, dict)
    assert "Shift book" in passage["text"]
    assert passage["text"].endswith("The door was open.")
    assert page_of(passage) is None


async def test_passages_are_as_long_as_the_reranker_reads() -> None:
    content = word_file("The pump is filled with oil before its first start. " * 200)
    reader = PassageReader()
    short, long = [await reader.passages(content, "a.docx", length) for length in (256, 8192)]
    assert len(short) > 2 * len(long) > 2


class Parser:
    """In place of the real one: waits for its gate before it reads `slow.pdf`, and cannot read `bad.pdf`."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.names: list[str] = []

    def __call__(self, content: bytes, name: str, tokens: int) -> Passages:
        self.names.append(name)
        if name.startswith("slow"):
            assert self.gate.wait(10)
        if name == "bad.pdf":
            raise UnreadableError("bad.pdf is broken")
        if name == "unlucky.pdf":
            raise OSError("no process left")
        return [name]


@pytest.fixture
def parser(monkeypatch: pytest.MonkeyPatch) -> Iterator[Parser]:
    made = Parser()
    monkeypatch.setattr(passages, "_read", made)
    yield made
    made.gate.set()


async def test_a_file_is_read_once(parser: Parser) -> None:
    reader = PassageReader()
    first = await reader.passages(b"", "a.docx", 512)
    assert await reader.passages(b"", "a.docx", 512) is first
    assert parser.names == ["a.docx"]


async def test_a_slow_file_keeps_nobody_from_theirs(parser: Parser) -> None:
    reader = PassageReader()
    slow = [asyncio.create_task(reader.passages(b"", "slow.pdf", 512)) for _ in range(3)]
    assert await asyncio.wait_for(reader.passages(b"", "b.pdf", 512), 5) == ["b.pdf"]
    assert await asyncio.wait_for(asyncio.to_thread(lambda: 1), 5) == 1
    slow[0].cancel()
    parser.gate.set()
    assert await slow[1] is await slow[2]
    assert parser.names.count("slow.pdf") == 1


async def test_a_failure_is_remembered_if_it_is_the_files(parser: Parser) -> None:
    reader = PassageReader()
    for name, error, times in (("bad.pdf", UnreadableError, 1), ("unlucky.pdf", OSError, 2)):
        for _ in range(2):
            with pytest.raises(error):
                await reader.passages(b"", name, 512)
        assert parser.names.count(name) == times


async def test_files_beyond_those_that_wait_are_refused(parser: Parser) -> None:
    reader = PassageReader()
    waiting = [asyncio.create_task(reader.passages(b"", f"slow{number}.pdf", 512)) for number in range(16)]
    await asyncio.sleep(0)
    with pytest.raises(PageError, match="the server is reading 16 other files"):
        await reader.passages(b"", "b.pdf", 512)
    parser.gate.set()
    await asyncio.gather(*waiting)
    assert await reader.passages(b"", "b.pdf", 512) == ["b.pdf"]


async def test_what_cannot_be_read() -> None:
    with pytest.raises(UnreadableError, match=r"a\.pdf"):
        await PassageReader().passages(b"%PDF-1.7 nothing", "a.pdf", 512)


def test_a_ranked_passage_shows_its_page() -> None:
    document = {"text": "E07 means ...", "source": "manual.pdf", "title": "", "page": 7, "last_page": 8}
    facts = AnswerFacts(ModelInfo("fake", "yes_no", "0123456789abcdef", "float32", "cpu", 100), None)
    ranking = Ranking([RankedDocument(0, document, 0.5, 0.0)], facts)
    assert "manual.pdf, pages 7 to 8" in ranking_html("en", ranking, [], from_file=True)
    assert place_of("zh", "手册.pdf", 3, 3) == "手册.pdf，第 3 页"
    assert place_of("en", "a.md", None, None) == "a.md"
