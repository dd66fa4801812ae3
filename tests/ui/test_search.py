"""The Search tab from files to a page number, and PDF and Word files in the Rerank tab."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import docx
import pytest
from selenium.webdriver import Chrome

from finerank.embedder import Embedder
from finerank.reranker import Reranker
from finerank.retrieval.indexer import Indexer
from tests.server.fake_model import FakeModel

from .browser import requested_urls
from .conftest import MAX_DOCUMENTS, Server, serving
from .manuals import ANSWER, ANSWER_PAGE, NUM_PAGES, manual_pdf
from .steps import (
    choose,
    click,
    download,
    fill,
    find,
    fits,
    open_tab,
    ranked,
    resize,
    script,
    text_of,
    texts_of,
    until,
    upload,
    value_of,
)

QUERY = "What does alarm E07 mean?"
MODEL_S = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """manual.pdf, shift.docx, notes.md and broken.pdf."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "manual.pdf").write_bytes(manual_pdf())
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
    """A server with an index of the manual."""
    db = str(tmp_path_factory.mktemp("index") / "manuals.db")
    with Embedder() as embedder, Indexer.open(db, embedder, language="en") as indexer:
        indexer.index([folder / "manual.pdf"])
    with serving(reranker, search_db=db) as made:
        yield made


def search(page: Chrome, query: str = QUERY) -> None:
    fill(page, search_query=query)
    click(page, "#search-submit")
    until(lambda: text_of(page, "#search-answer .fr-summary") or text_of(page, "#search-answer .fr-error"), MODEL_S)


def open_files(page: Chrome, *files: Path) -> str:
    """Returns the line about them."""
    find(page, "#search-files-input").send_keys("\n".join(map(str, files)))
    until(lambda: text_of(page, "#about-search .fr-facts") or text_of(page, "#about-search .fr-error"), MODEL_S)
    return text_of(page, "#about-search")


class TestSearch:
    def test_the_page_of_a_pdf_that_answers_is_on_top(
        self, page: Chrome, folder: Path, tmp_path: Path, screenshots: Path
    ) -> None:
        open_tab(page, "search")
        assert "Ready: 1 of 1 files, " in open_files(page, folder / "manual.pdf")
        search(page)
        best = text_of(page, "#search-answer .fr-after li")
        assert f"manual.pdf, page {ANSWER_PAGE}" in best
        assert "hydraulic pressure sensor" in best
        assert "E07" in texts_of(page, "#search-answer .fr-after li:first-child .fr-hit")
        assert "found as number 1" in best
        assert "not reranked: all-MiniLM-L6-v2" in text_of(page, "#search-answer .fr-note").replace("Not", "not")
        assert len(texts_of(page, "#search-answer .fr-after > ol > li")) == 10
        assert not texts_of(page, "#search-answer .fr-recalled")
        assert "passages found in" in text_of(page, "#search-answer .fr-facts")
        page.save_screenshot(str(screenshots / "searched.png"))
        saved = json.loads(download(page, "#search-save-json", tmp_path, "finerank-search.json"))
        assert saved["results"][0]["page"] == ANSWER_PAGE
        context = download(page, "#search-save-txt", tmp_path, "finerank-search.txt").decode()
        assert context.startswith("[1] Press K1: maintenance, manual.pdf, page")
        assert ANSWER in context
        resize(page, "phone")
        assert fits(page)

    def test_what_the_reranker_moved(self, fake: FakeModel, page: Chrome, tmp_path: Path, screenshots: Path) -> None:
        """It counts the words that query and passage share."""
        texts = ["Mars is red.", "which planet is the red planet is asked often", "The red bus.", "A planet, too."]
        files = []
        for number, text in enumerate(texts):
            files.append(tmp_path / f"{number}.txt")
            files[-1].write_text(text)
        page.refresh()
        until(lambda: script(page, "return document.querySelector('#model-choice input') !== null"), 20)
        choose(page, "model-choice", "fake/overlap")
        open_tab(page, "search")
        open_files(page, *files)
        search(page, "which planet is the red planet")
        assert texts_of(page, "#search-answer .fr-after .fr-where strong")[0] == "1.txt"
        assert "After reranking fake/overlap" in text_of(page, "#search-answer .fr-after .fr-column-head")
        befores = [int(each.split()[-1]) for each in texts_of(page, "#search-answer .fr-stages span:first-child")]
        gains = [before - place for place, before in enumerate(befores, 1)]
        assert sorted(befores) == [1, 2, 3, 4]
        badges = texts_of(page, "#search-answer .fr-after .fr-badge")
        assert badges == [f"▲{gain}" if gain > 0 else f"▼{-gain}" if gain else "=" for gain in gains]
        went = texts_of(page, "#search-answer .fr-before .fr-badge")
        assert went == [f"→ {befores.index(before) + 1}" for before in range(1, 5)]
        script(page, "document.querySelector('.fr-after li').dispatchEvent(new Event('mouseover', {bubbles: true}))")
        assert script(page, "return document.querySelectorAll('.fr-beside .fr-on').length") == 2

    def test_several_files_one_of_them_broken(self, page: Chrome, folder: Path) -> None:
        open_tab(page, "search")
        about = open_files(page, *(folder / name for name in ("shift.docx", "notes.md", "broken.pdf")))
        assert "Ready: 2 of 3 files, 2 passages" in about
        assert "broken.pdf" in text_of(page, "#about-search .fr-note")
        search(page, "Was the door open?")
        assert "shift.docx" in text_of(page, "#search-answer .fr-after li")
        assert len(texts_of(page, "#search-answer .fr-after > ol > li")) == 2
        click(page, "#search-options button.label-wrap")
        script(page, "document.querySelectorAll('#search-rules input')[1].click()")
        click(page, "#search-submit")
        until(lambda: "1 left out: job offers" in text_of(page, "#search-answer .fr-facts"))
        assert len(texts_of(page, "#search-answer .fr-after > ol > li")) == 1

    def test_sample_files(self, page: Chrome) -> None:
        open_tab(page, "search")
        click(page, "#search-sample")
        until(lambda: value_of(page, "#search-query textarea") == QUERY)
        until(lambda: "4 of 4 files" in text_of(page, "#about-search"), MODEL_S)
        search(page)
        assert "pump-p3.md" in text_of(page, "#search-answer .fr-after li")
        assert not [each for each in page.find_elements("css selector", "#search-where") if each.is_displayed()]

    def test_markup_in_a_file_stays_text(self, page: Chrome, tmp_path: Path) -> None:
        hostile = "alarm <img src=x onerror='window.hacked=1'> <b id='bold'>E07</b> ${window.hacked=1}"
        (tmp_path / "<i>x.txt").write_text(hostile)
        open_tab(page, "search")
        open_files(page, tmp_path / "<i>x.txt")
        search(page)
        assert "<b id='bold'>E07</b>" in text_of(page, "#search-answer .fr-snippet")
        assert script(page, "return window.hacked === undefined && !document.querySelector('#bold')")

    @pytest.mark.parametrize(
        ("files", "query", "sentence"),
        [
            ([], QUERY, "No files were opened; open some, or try the sample files."),
            (["notes.md"], " ", "The query is empty"),
        ],
    )
    def test_an_error_is_a_sentence(
        self, page: Chrome, folder: Path, files: list[str], query: str, sentence: str
    ) -> None:
        open_tab(page, "search")
        if files:
            open_files(page, *(folder / name for name in files))
        fill(page, search_query=query)
        click(page, "#search-submit")
        until(lambda: sentence in text_of(page, "#search-answer .fr-error"))

    def test_files_of_which_nothing_can_be_read(self, page: Chrome, folder: Path, tmp_path: Path) -> None:
        open_tab(page, "search")
        find(page, "#search-files-input").send_keys(str(folder / "broken.pdf"))
        until(lambda: "broken.pdf" in text_of(page, "#about-search .fr-error"), MODEL_S)

    def test_files_that_are_too_large_together(self, page: Chrome, tmp_path: Path) -> None:
        for name in ("a.txt", "b.txt"):
            (tmp_path / name).write_text("x" * 120_000)
        open_tab(page, "search")
        find(page, "#search-files-input").send_keys("\n".join(str(tmp_path / name) for name in ("a.txt", "b.txt")))
        until(lambda: "234.4 KB together and this server takes up to" in text_of(page, "#about-search .fr-error"))


class TestServersIndex:
    def test_it_is_one_of_two_choices(self, chrome: Chrome, indexed: Server, folder: Path) -> None:
        resize(chrome, "wide")
        chrome.get(indexed.url)
        until(lambda: "all-MiniLM-L6-v2" in text_of(chrome, "#model"), 20)
        open_tab(chrome, "search")
        assert texts_of(chrome, "#search-where label span") == ["the server's index", "files of your own"]
        assert not chrome.find_elements("css selector", "#search-files")
        search(chrome)
        assert f"manual.pdf, page {ANSWER_PAGE}" in text_of(chrome, "#search-answer .fr-after li")
        script(chrome, "document.querySelectorAll('#search-where input')[1].click()")
        until(lambda: chrome.find_elements("css selector", "#search-files-input"))
        assert "shift.docx" not in text_of(chrome, "#search-answer")
        open_files(chrome, folder / "shift.docx")
        fill(chrome, search_query="Was the door open?")
        click(chrome, "#search-submit")
        until(lambda: "shift.docx" in text_of(chrome, "#search-answer"), MODEL_S)
        chrome.get("about:blank")
        assert {urlsplit(each).netloc for each in requested_urls(chrome)} == {urlsplit(indexed.url).netloc}


class TestRerank:
    def test_a_pdf_is_ranked_by_its_passages(self, page: Chrome, folder: Path, tmp_path: Path) -> None:
        upload(page, "file", folder / "manual.pdf")
        until(lambda: "manual.pdf" in text_of(page, "#about-file"), 30)
        assert f"manual.pdf: {NUM_PAGES} passages" in text_of(page, "#about-file")
        fill(page, query=QUERY)
        click(page, "#submit")
        too_many = (
            f"The file has {NUM_PAGES} passages and this server ranks {MAX_DOCUMENTS} at a time; ask it in the Search"
        )
        until(lambda: too_many in text_of(page, "#answer .fr-error"))
        (tmp_path / "short.pdf").write_bytes(manual_pdf(ANSWER_PAGE, ANSWER_PAGE + 2))
        upload(page, "file", tmp_path / "short.pdf")
        until(lambda: "short.pdf: 3 passages" in text_of(page, "#about-file"), 30)
        click(page, "#submit")
        until(lambda: ranked(page))
        assert ANSWER in ranked(page)[0]
        assert "short.pdf, page 1" in text_of(page, "#answer li .fr-origin")

    def test_a_word_file_is_ranked_by_its_passages(self, page: Chrome, folder: Path) -> None:
        upload(page, "file", folder / "shift.docx")
        until(lambda: "shift.docx: 1 passages" in text_of(page, "#about-file"), 30)
        fill(page, query="Was the door open?")
        click(page, "#submit")
        until(lambda: ranked(page))
        assert "safety door" in ranked(page)[0]
