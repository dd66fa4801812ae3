"""Compare, Why and Batch from end to end."""

import csv
import io
import json
from pathlib import Path

from tests.server.fake_model import FakeModel

from .conftest import MAX_DOCUMENTS, Server
from .steps import Page, until

ROWS = "return [...document.querySelectorAll(arguments[0])].map(each => Number(each.dataset.doc))"


class TestCompare:
    def test_two_models_side_by_side(self, fake: FakeModel, page: Page, screenshots: Path) -> None:
        documents = ["the red thing", "Mars is a planet", "red planet red", "nothing"]
        page.fill(query="red planet", documents="\n".join(documents))
        page.open_tab("compare")
        page.click("#compare-take")
        until(lambda: page.value_of("#compare-query textarea") == "red planet")
        page.choose("model-b", "fake/overlap")
        page.click("#compare-submit")
        until(lambda: page.texts_of("#comparison .fr-row"))
        left, right = (
            page.script(ROWS, ".fr-column:first-child .fr-row"),
            page.script(ROWS, ".fr-column:last-child .fr-row"),
        )
        assert sorted(left) == sorted(right) == [0, 1, 2, 3]
        assert right[0] == 2
        assert len(page.script(ROWS, "#comparison svg path")) == 4
        assert page.texts_of("#comparison .fr-heading strong") == ["all-MiniLM-L6-v2", "fake/overlap"]
        self._check_lines(page, left, right)
        page.chrome.save_screenshot(str(screenshots / "compared.png"))
        page.resize("phone")
        assert page.fits()

    def _check_lines(self, page: Page, left: list[int], right: list[int]) -> None:
        """Each line ends at the middle of its rows, as the eye sees them."""
        code = """const path = document.querySelector(`svg path[data-doc="${arguments[0]}"]`);
            const box = document.querySelector(`.fr-column:nth-of-type(${arguments[1]}) [data-doc="${arguments[0]}"]`)
                .getBoundingClientRect();
            const point = path.getPointAtLength(arguments[1] === 1 ? 0 : path.getTotalLength())
                .matrixTransform(path.getScreenCTM());
            return Math.abs(point.y - box.top - box.height / 2)"""
        for index in left:
            assert page.script(code, index, 1) < 3
            assert page.script(code, index, 2) < 3

    def test_another_precision_is_loaded_once(self, page: Page, server: Server) -> None:
        page.open_tab("compare")
        page.click("#compare-example")
        until(lambda: page.value_of("#dtype-b input") == "bfloat16")
        page.click("#compare-submit")
        until(lambda: page.texts_of("#comparison .fr-row"), 30)
        assert "bfloat16" in page.texts_of("#comparison .fr-heading")[1]
        assert "embedded@bfloat16" in server.service.pool.slots
        del server.service.pool.slots["embedded@bfloat16"]

    def test_two_sides_that_are_the_same_are_an_error(self, page: Page) -> None:
        page.open_tab("compare")
        page.fill(compare_query="q", compare_documents="a\nb")
        page.click("#compare-submit")
        until(lambda: "Both sides are the same; change the instruction" in page.text_of("#comparison .fr-error"))


class TestWhy:
    def test_sentences_are_coloured_by_their_scores(self, page: Page, screenshots: Path) -> None:
        page.open_tab("why")
        page.click("#why-example")
        until(lambda: page.value_of("#why-query textarea"))
        page.click("#why-submit")
        until(lambda: page.texts_of("#explanation mark"))
        marks = page.texts_of("#explanation .fr-heat mark")
        code = """return [...document.querySelectorAll('.fr-heat mark')]
            .map(each => Number(each.style.getPropertyValue('--heat')))"""
        heats = page.script(code)
        assert marks[heats.index(1)].startswith("Alarm E07 means")
        assert min(heats) == 0
        assert "".join(page.texts_of("#explanation .fr-heat")) == page.value_of("#why-document textarea")
        assert "reads nothing else" in page.text_of("#explanation .fr-caption")
        page.chrome.save_screenshot(str(screenshots / "explained.png"))
        page.script("document.querySelectorAll('#measure input')[1].click()")
        until(lambda: "Green sentences hold the score up" in page.text_of("#explanation .fr-caption"))
        assert page.text_of("#explanation .fr-sentences .fr-quiet").startswith("adds ")
        page.resize("phone")
        assert page.fits()

    def test_a_document_of_many_sentences_is_scored_in_one_call(self, page: Page) -> None:
        page.open_tab("why")
        text = "".join(f"这是第{number}句话。" for number in range(50))
        page.fill(why_query="第7句", why_document=text)
        page.click("#why-submit")
        until(lambda: page.texts_of("#explanation mark"))
        assert 1 < len(page.texts_of("#explanation .fr-heat mark")) < MAX_DOCUMENTS
        assert "neighbours were joined" in page.text_of("#explanation")

    def test_no_document_is_an_error(self, page: Page) -> None:
        page.open_tab("why")
        page.fill(why_query="q")
        page.click("#why-submit")
        until(lambda: "The document is empty; give the text to explain." in page.text_of("#explanation .fr-error"))


class TestBatch:
    def test_a_bad_line_is_a_row_and_the_others_are_ranked(self, page: Page, tmp_path: Path) -> None:
        file = tmp_path / "batch.jsonl"
        lines: list[object] = [
            {"query": "red planet", "documents": ["Venus is hot.", "Mars is called the red planet."], "id": 7},
            {"query": "", "documents": ["x"]},
            {"query": "many", "documents": ["x"] * (MAX_DOCUMENTS + 1)},
        ]
        file.write_text("\n".join(map(json.dumps, lines)) + "\nnot json\n", encoding="utf-8")
        page.open_tab("batch")
        page.upload("batch-file", file)
        until(lambda: "2 queries with 23 documents; 2 lines cannot be used" in page.text_of("#about-batch"))
        page.click("#batch-submit")
        until(lambda: "Done: 4 queries" in page.text_of("#batch-answer"))
        assert "3 with an error" in page.text_of("#batch-answer .fr-summary")
        saved = page.download("#batch-save-jsonl", tmp_path, "finerank-batch.jsonl").decode()
        records = [json.loads(line) for line in saved.splitlines()]
        assert [each["line"] for each in records] == [1, 2, 3, 4]
        assert records[0]["id"] == 7
        assert [each["index"] for each in records[0]["results"]] == [1, 0]
        assert [each["error"].split(";")[0].split(":")[0] for each in records[1:]] == [
            "query is missing or empty",
            f"documents has {MAX_DOCUMENTS + 1} entries and this server takes {MAX_DOCUMENTS}",
            "the line is not JSON",
        ]
        content = page.download("#batch-save-csv", tmp_path, "finerank-batch.csv").decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(content, newline="")))
        assert [(row["line"], row["place"]) for row in rows] == [
            ("1", "1"),
            ("1", "2"),
            ("2", ""),
            ("3", ""),
            ("4", ""),
        ]

    def test_progress_and_cancel(self, fake: FakeModel, page: Page, tmp_path: Path) -> None:
        file = tmp_path / "many.csv"
        rows = [f"query {number},document {number}" for number in range(60)]
        file.write_text("query,document\n" + "\n".join(rows), encoding="utf-8")
        fake.gate.clear()
        page.reload()
        page.choose("model-choice", "fake/overlap")
        page.open_tab("batch")
        page.upload("batch-file", file)
        until(lambda: "60 queries" in page.text_of("#about-batch"))
        page.click("#batch-submit")
        until(lambda: "0 of 60 queries" in page.text_of("#batch-answer"))
        until(lambda: page.script("return !document.querySelector('#batch-cancel').disabled"))
        page.click("#batch-cancel")
        until(lambda: "Cancelled after 0 of 60 queries" in page.text_of("#batch-answer"))
        fake.gate.set()

    def test_without_a_file_there_is_a_sentence(self, page: Page) -> None:
        page.open_tab("batch")
        page.click("#batch-submit")
        until(lambda: "No file was chosen; open a .jsonl or .csv file" in page.text_of("#batch-answer .fr-error"))
