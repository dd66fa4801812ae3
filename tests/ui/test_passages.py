"""PDF and Word files as documents for the reranker."""

import io

import docx
import pytest

from finerank.errors import UnreadableError
from finerank.types import AnswerFacts, ModelInfo, RankedDocument, Ranking
from finerank.ui.passages import PassageReader, page_of
from finerank.ui.render_ranking import place_of, ranking_html

from .manuals import ANSWER, ANSWER_PAGE, NUM_PAGES, manual_pdf


def word_file(text: str) -> bytes:
    document = docx.Document()
    document.add_heading("Shift book", 1)
    document.add_paragraph(text)
    written = io.BytesIO()
    document.save(written)
    return written.getvalue()


def test_a_pdf_becomes_passages_with_their_pages() -> None:
    passages = PassageReader().passages(manual_pdf(), "manual.pdf", 512)
    pages = [page_of(each) for each in passages]
    assert {page for each in pages if each for page in range(each[1], each[2] + 1)} == {*range(1, NUM_PAGES + 1)}
    best = next(each for each in passages if ANSWER in str(each))
    assert page_of(best) == ("manual.pdf", ANSWER_PAGE, ANSWER_PAGE)
    assert not any("manual E07-B" in str(each) for each in passages)


def test_a_word_file_has_headings_and_no_pages_whatever_its_name() -> None:
    (passage,) = PassageReader().passages(word_file("The door was open."), "report.txt", 512)
    assert isinstance(passage, dict)
    assert "Shift book" in passage["text"]
    assert passage["text"].endswith("The door was open.")
    assert page_of(passage) is None


def test_passages_are_as_long_as_the_reranker_reads() -> None:
    content = word_file("The pump is filled with oil before its first start. " * 200)
    reader = PassageReader()
    short, long = (reader.passages(content, "a.docx", length) for length in (256, 8192))
    assert len(short) > 2 * len(long) > 2


def test_a_file_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, content = PassageReader(), word_file("text")
    first = reader.passages(content, "a.docx", 512)
    monkeypatch.setattr("finerank.ui.passages._read", None)
    assert reader.passages(content, "a.docx", 512) is first


def test_what_cannot_be_read() -> None:
    with pytest.raises(UnreadableError, match=r"a\.pdf"):
        PassageReader().passages(b"%PDF-1.7 nothing", "a.pdf", 512)


def test_a_ranked_passage_shows_its_page() -> None:
    document = {"text": "E07 means ...", "source": "manual.pdf", "title": "", "page": 7, "last_page": 8}
    facts = AnswerFacts(ModelInfo("fake", "yes_no", "0123456789abcdef", "float32", "cpu", 100), None)
    ranking = Ranking([RankedDocument(0, document, 0.5, 0.0)], facts)
    assert "manual.pdf, pages 7 to 8" in ranking_html("en", ranking, [], from_file=True)
    assert place_of("zh", "手册.pdf", 3, 3) == "手册.pdf，第 3 页"
    assert place_of("en", "a.md", None, None) == "a.md"
