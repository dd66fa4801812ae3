"""The Search tab from files to a page number, and PDF and Word files in the Rerank tab."""

import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import docx
import pytest
from selenium.webdriver import Chrome

from finerank.embedder import Embedder
from finerank.reranker import Reranker
from finerank.retrieval.indexer import Indexer
from finerank.server.embedder_slot import EmbedderSlot
from finerank.ui.upload_index import UploadIndex
from tests.server.fake_model import FakeModel

from .browser import requested_urls
from .conftest import MAX_DOCUMENTS, Server, serving
from .manuals import ANSWER, ANSWER_PAGE, CHAPTER, CHAPTER_ANSWER_PAGE, CHAPTER_PAGES, NUM_PAGES, manual_pdf
from .steps import MODEL_S, Page, until

QUERY = "What does alarm E07 mean?"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """manual.pdf of 300 pages, chapter.pdf of 30, shift.docx, notes.md and broken.pdf."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "manual.pdf").write_bytes(manual_pdf())
    (folder / "chapter.pdf").write_bytes(manual_pdf(*CHAPTER))
    document = docx.Document()
    document.add_heading("Shift book", 1)
    document.add_paragraph("The night shift found the safety door open and closed it.")
    written = io.BytesIO()
    document.save(written)
    (folder / "shift.docx").write_bytes(written.getvalue())
    (folder / "notes.md").write_text("# Notes\n\nWe are hiring: join our team and learn what an alarm means.\n")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7\nnothing of a PDF")
    return folder


@pytest.fixture(scope="module")
def indexed(reranker: Reranker, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with an index of a chapter."""
    db = str(tmp_path_factory.mktemp("index") / "manuals.db")
    with Embedder() as embedder, Indexer.open(db, embedder, language="en") as indexer:
        indexer.index([folder / "chapter.pdf"])
    with serving(reranker, search_db=db) as made:
        yield made


class TestSearch:
    def test_the_page_of_a_pdf_that_answers_is_on_top(
        self, page: Page, folder: Path, tmp_path: Path, screenshots: Path
    ) -> None:
        page.open_tab("search")
        assert f"Ready: 1 of 1 files, {NUM_PAGES} passages" in page.open_files(folder / "manual.pdf")
        page.search(QUERY)
        best = page.text_of("#search-answer .fr-after li")
        assert f"manual.pdf, page {ANSWER_PAGE}" in best
        assert "hydraulic pressure sensor" in best
        assert "E07" in page.texts_of("#search-answer .fr-after li:first-child .fr-hit")
        assert "found as number 1" in best
        assert "not reranked: all-MiniLM-L6-v2" in page.text_of("#search-answer .fr-note").replace("Not", "not")
        assert len(page.texts_of("#search-answer .fr-after > ol > li")) == 10
        assert not page.texts_of("#search-answer .fr-recalled")
        assert "passages found in" in page.text_of("#search-answer .fr-facts")
        page.chrome.save_screenshot(str(screenshots / "searched.png"))
        saved = json.loads(page.download("#search-save-json", tmp_path, "finerank-search.json"))
        assert saved["results"][0]["page"] == ANSWER_PAGE
        context = page.download("#search-save-txt", tmp_path, "finerank-search.txt").decode()
        assert context.startswith("[1] Press K1: maintenance, manual.pdf, page")
        assert ANSWER in context
        page.resize("phone")
        assert page.fits()
        page.chrome.save_screenshot(str(screenshots / "searched-phone.png"))

    def test_what_the_reranker_moved(self, fake: FakeModel, page: Page, tmp_path: Path, screenshots: Path) -> None:
        """It counts the words that query and passage share."""
        texts = ["Mars is red.", "which planet is the red planet is asked often", "The red bus.", "A planet, too."]
        files = []
        for number, text in enumerate(texts):
            files.append(tmp_path / f"{number}.txt")
            files[-1].write_text(text)
        page.reload()
        page.choose("model-choice", "fake/overlap")
        page.open_tab("search")
        page.open_files(*files)
        page.search("which planet is the red planet")
        assert page.texts_of("#search-answer .fr-after .fr-where strong")[0] == "1.txt"
        assert "After reranking fake/overlap" in page.text_of("#search-answer .fr-after .fr-column-head")
        befores = [int(each.split()[-1]) for each in page.texts_of("#search-answer .fr-stages span:first-child")]
        gains = [before - place for place, before in enumerate(befores, 1)]
        assert sorted(befores) == [1, 2, 3, 4]
        badges = page.texts_of("#search-answer .fr-after .fr-badge")
        assert badges == [f"▲{gain}" if gain > 0 else f"▼{-gain}" if gain else "=" for gain in gains]
        went = page.texts_of("#search-answer .fr-before .fr-badge")
        assert went == [f"→ {befores.index(before) + 1}" for before in range(1, 5)]
        page.script("document.querySelector('.fr-after li').dispatchEvent(new Event('mouseover', {bubbles: true}))")
        assert page.script("return document.querySelectorAll('.fr-beside .fr-on').length") == 2

    def test_several_files_one_of_them_broken(self, page: Page, folder: Path) -> None:
        page.open_tab("search")
        about = page.open_files(*(folder / name for name in ("shift.docx", "notes.md", "broken.pdf")))
        assert "Ready: 2 of 3 files, 2 passages" in about
        assert "broken.pdf" in page.text_of("#about-search .fr-note")
        page.search("Was the door open?")
        assert "shift.docx" in page.text_of("#search-answer .fr-after li")
        assert len(page.texts_of("#search-answer .fr-after > ol > li")) == 2
        page.click("#search-options button.label-wrap")
        page.script("document.querySelectorAll('#search-rules input')[1].click()")
        page.click("#search-submit")
        until(lambda: "1 left out: job offers" in page.text_of("#search-answer .fr-facts"))
        assert len(page.texts_of("#search-answer .fr-after > ol > li")) == 1

    def test_sample_files(self, page: Page) -> None:
        page.open_tab("search")
        page.click("#search-sample")
        until(lambda: page.value_of("#search-query textarea") == QUERY)
        until(lambda: "4 of 4 files" in page.text_of("#about-search"), MODEL_S)
        page.search(QUERY)
        assert "pump-p3.md" in page.text_of("#search-answer .fr-after li")
        assert not page.shows("#search-where")

    def test_markup_in_a_file_stays_text(self, page: Page, tmp_path: Path) -> None:
        hostile = "alarm <img src=x onerror='window.hacked=1'> <b id='bold'>E07</b> ${window.hacked=1}"
        (tmp_path / "<i>x.txt").write_text(hostile)
        page.open_tab("search")
        page.open_files(tmp_path / "<i>x.txt")
        page.search(QUERY)
        assert "<b id='bold'>E07</b>" in page.text_of("#search-answer .fr-snippet")
        assert page.script("return window.hacked === undefined && !document.querySelector('#bold')")

    @pytest.mark.parametrize(
        ("files", "query", "sentence"),
        [
            ([], QUERY, "No files were opened; open some, or try the sample files."),
            (["notes.md"], " ", "The query is empty"),
        ],
    )
    def test_an_error_is_a_sentence(
        self, page: Page, folder: Path, files: list[str], query: str, sentence: str
    ) -> None:
        page.open_tab("search")
        if files:
            page.open_files(*(folder / name for name in files))
        page.fill(search_query=query)
        page.click("#search-submit")
        until(lambda: sentence in page.text_of("#search-answer .fr-error"))

    def test_files_of_which_nothing_can_be_read(self, page: Page, folder: Path, tmp_path: Path) -> None:
        page.open_tab("search")
        assert "broken.pdf" in page.open_files(folder / "broken.pdf")
        assert page.shows("#about-search .fr-error")

    def test_files_that_are_too_large_together(self, page: Page, tmp_path: Path) -> None:
        for name in ("a.txt", "b.txt"):
            (tmp_path / name).write_text("x" * 240_000)
        page.open_tab("search")
        about = page.open_files(tmp_path / "a.txt", tmp_path / "b.txt")
        assert "468.8 KB together and this server takes up to" in about


class TestChoosingAgain:
    """While files are indexed that are called slow."""

    @pytest.fixture
    def gate(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
        opened, build = threading.Event(), UploadIndex.build

        def wait(self: UploadIndex, embedder: Embedder) -> Any:
            assert not self.current.startswith("slow") or opened.wait(30)
            return build(self, embedder)

        monkeypatch.setattr(UploadIndex, "build", wait)
        yield opened
        opened.set()

    def test_the_second_choice_is_what_is_searched(self, page: Page, tmp_path: Path, gate: threading.Event) -> None:
        for name in ("slow", "quick", "other"):
            (tmp_path / f"{name}.txt").write_text(f"What stands in {name}.")
        page.open_tab("search")
        page.upload("search-files", tmp_path / "slow.txt")
        until(lambda: "file 1 of 1: slow.txt" in page.text_of("#about-search"))
        page.fill(search_query="what stands here?")
        page.click("#search-submit")
        until(lambda: "slow.txt" in page.text_of("#search-answer .fr-status"))
        page.upload("search-files", tmp_path / "quick.txt", tmp_path / "other.txt")
        until(lambda: "Ready: 2 of 2 files" in page.text_of("#about-search"))
        until(lambda: "Other files were chosen meanwhile" in page.text_of("#search-answer .fr-error"))
        page.search()
        assert sorted(page.texts_of("#search-answer .fr-where strong")) == ["other.txt", "quick.txt"]
        gate.set()
        page.search("and now?")
        assert sorted(page.texts_of("#search-answer .fr-where strong")) == ["other.txt", "quick.txt"]
        assert "Ready: 2 of 2 files" in page.text_of("#about-search")

    def test_what_was_open_is_not_searched_while_others_are_sent(
        self, page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("a", "b"):
            (tmp_path / f"{name}.txt").write_text(f"What stands in {name}.")
        page.open_tab("search")
        page.open_files(tmp_path / "a.txt")
        # As if the line to the server were slow: of its calls, the one with the files does not leave the browser.
        page.script(
            """const own = window.fetch;
            window.fetch = (url, options) =>
                String(options?.body).includes("b.txt") ? new Promise(() => {}) : own(url, options)"""
        )
        page.upload("search-files", tmp_path / "b.txt")
        until(lambda: "b.txt" in page.text_of("#search-files"))
        page.search("what stands here?")
        assert "The files are still on their way to the server" in page.text_of("#search-answer .fr-error")


class TestModelsElsewhere:
    def test_the_page_says_who_reads_the_files(self, page: Page, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        page.open_tab("search")
        assert not page.shows("#search-sent-to p")
        elsewhere = SimpleNamespace(info=SimpleNamespace(name="openai:text-embedding-3-small"))
        monkeypatch.setattr(EmbedderSlot, "loaded", elsewhere)
        page.reload()
        page.open_tab("search")
        until(lambda: "is sent to openai:text-embedding-3-small." in page.text_of("#search-sent-to"))
        about = page.open_files(folder / "notes.md")
        assert "Their text is sent to openai:text-embedding-3-small." in about
        assert "memory only" not in about
        page.click("#switch")
        until(lambda: "文件内容会发送给 openai:text-embedding-3-small。" in page.text_of("#search-sent-to"))


class TestServersIndex:
    def test_it_is_one_of_two_choices(self, chrome: Chrome, indexed: Server, folder: Path) -> None:
        page = Page(chrome)
        page.resize("wide")
        page.open(indexed.url)
        page.open_tab("search")
        assert page.texts_of("#search-where label span") == ["the server's index", "files of your own"]
        assert not page.shows("#search-files")
        page.search(QUERY)
        assert f"chapter.pdf, page {CHAPTER_ANSWER_PAGE}" in page.text_of("#search-answer .fr-after li")
        page.script("document.querySelectorAll('#search-where input')[1].click()")
        until(lambda: page.shows("#search-files"))
        page.open_files(folder / "shift.docx")
        page.search("Was the door open?")
        assert "shift.docx" in page.text_of("#search-answer")
        chrome.get("about:blank")
        assert {urlsplit(each).netloc for each in requested_urls(chrome)} == {urlsplit(indexed.url).netloc}


class TestRerank:
    def test_a_pdf_is_ranked_by_its_passages(self, page: Page, folder: Path, tmp_path: Path) -> None:
        page.upload("file", folder / "chapter.pdf")
        until(lambda: "chapter.pdf" in page.text_of("#about-file"), 30)
        assert f"chapter.pdf: {CHAPTER_PAGES} passages" in page.text_of("#about-file")
        page.fill(query=QUERY)
        page.click("#submit")
        too_many = f"The file has {CHAPTER_PAGES} passages and this server ranks {MAX_DOCUMENTS} at a time; ask it in"
        until(lambda: too_many in page.text_of("#answer .fr-error"))
        (tmp_path / "short.pdf").write_bytes(manual_pdf(ANSWER_PAGE, ANSWER_PAGE + 2))
        page.upload("file", tmp_path / "short.pdf")
        until(lambda: "short.pdf: 3 passages" in page.text_of("#about-file"), 30)
        page.click("#submit")
        until(lambda: page.ranked())
        assert ANSWER in page.ranked()[0]
        assert "short.pdf, page 1" in page.text_of("#answer li .fr-origin")

    def test_a_word_file_is_ranked_by_its_passages(self, page: Page, folder: Path) -> None:
        page.upload("file", folder / "shift.docx")
        until(lambda: "shift.docx: 1 passages" in page.text_of("#about-file"), 30)
        page.fill(query="Was the door open?")
        page.click("#submit")
        until(lambda: page.ranked())
        assert "safety door" in page.ranked()[0]
