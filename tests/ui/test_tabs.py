"""Compare, Why and Batch from end to end."""

import csv
import io
import json
from pathlib import Path

from selenium.webdriver import Chrome

from tests.server.fake_model import FakeModel

from .conftest import MAX_DOCUMENTS, Server
from .steps import (
    choose,
    click,
    download,
    fill,
    fits,
    open_tab,
    resize,
    script,
    text_of,
    texts_of,
    until,
    upload,
    value_of,
)

ROWS = "return [...document.querySelectorAll(arguments[0])].map(each => Number(each.dataset.doc))"


class TestCompare:
    def test_two_models_side_by_side(self, fake: FakeModel, page: Chrome, screenshots: Path) -> None:
        documents = ["the red thing", "Mars is a planet", "red planet red", "nothing"]
        fill(page, query="red planet", documents="\n".join(documents))
        open_tab(page, "compare")
        click(page, "#compare-take")
        until(lambda: value_of(page, "#compare-query textarea") == "red planet")
        choose(page, "model-b", "fake/overlap")
        click(page, "#compare-submit")
        until(lambda: texts_of(page, "#comparison .fr-row"))
        left, right = (
            script(page, ROWS, ".fr-column:first-child .fr-row"),
            script(page, ROWS, ".fr-column:last-child .fr-row"),
        )
        assert sorted(left) == sorted(right) == [0, 1, 2, 3]
        assert right[0] == 2
        assert len(script(page, ROWS, "#comparison svg path")) == 4
        assert texts_of(page, "#comparison .fr-heading strong") == ["all-MiniLM-L6-v2", "fake/overlap"]
        self._check_lines(page, left, right)
        page.save_screenshot(str(screenshots / "compared.png"))
        resize(page, "phone")
        assert fits(page)

    def _check_lines(self, page: Chrome, left: list[int], right: list[int]) -> None:
        """Each line ends at the middle of its rows, as the eye sees them."""
        code = """const path = document.querySelector(`svg path[data-doc="${arguments[0]}"]`);
            const box = document.querySelector(`.fr-column:nth-of-type(${arguments[1]}) [data-doc="${arguments[0]}"]`)
                .getBoundingClientRect();
            const point = path.getPointAtLength(arguments[1] === 1 ? 0 : path.getTotalLength())
                .matrixTransform(path.getScreenCTM());
            return Math.abs(point.y - box.top - box.height / 2)"""
        for index in left:
            assert script(page, code, index, 1) < 3
            assert script(page, code, index, 2) < 3

    def test_another_precision_is_loaded_once(self, page: Chrome, server: Server) -> None:
        open_tab(page, "compare")
        click(page, "#compare-example")
        until(lambda: value_of(page, "#dtype-b input") == "bfloat16")
        click(page, "#compare-submit")
        until(lambda: texts_of(page, "#comparison .fr-row"), 30)
        assert "bfloat16" in texts_of(page, "#comparison .fr-heading")[1]
        assert "embedded@bfloat16" in server.service.pool.slots
        del server.service.pool.slots["embedded@bfloat16"]

    def test_two_sides_that_are_the_same_are_an_error(self, page: Chrome) -> None:
        open_tab(page, "compare")
        fill(page, compare_query="q", compare_documents="a\nb")
        click(page, "#compare-submit")
        until(lambda: "Both sides are the same; change the instruction" in text_of(page, "#comparison .fr-error"))


class TestWhy:
    def test_sentences_are_coloured_by_their_scores(self, page: Chrome, screenshots: Path) -> None:
        open_tab(page, "why")
        click(page, "#why-example")
        until(lambda: value_of(page, "#why-query textarea"))
        click(page, "#why-submit")
        until(lambda: texts_of(page, "#explanation mark"))
        marks = texts_of(page, "#explanation .fr-heat mark")
        code = """return [...document.querySelectorAll('.fr-heat mark')]
            .map(each => Number(each.style.getPropertyValue('--heat')))"""
        heats = script(page, code)
        assert marks[heats.index(1)].startswith("Alarm E07 means")
        assert min(heats) == 0
        assert "".join(texts_of(page, "#explanation .fr-heat")) == value_of(page, "#why-document textarea")
        assert "reads nothing else" in text_of(page, "#explanation .fr-caption")
        page.save_screenshot(str(screenshots / "explained.png"))
        script(page, "document.querySelectorAll('#measure input')[1].click()")
        until(lambda: "Green sentences hold the score up" in text_of(page, "#explanation .fr-caption"))
        assert text_of(page, "#explanation .fr-sentences .fr-quiet").startswith("adds ")
        resize(page, "phone")
        assert fits(page)

    def test_a_document_of_many_sentences_is_scored_in_one_call(self, page: Chrome) -> None:
        open_tab(page, "why")
        text = "".join(f"这是第{number}句话。" for number in range(50))
        fill(page, why_query="第7句", why_document=text)
        click(page, "#why-submit")
        until(lambda: texts_of(page, "#explanation mark"))
        assert 1 < len(texts_of(page, "#explanation .fr-heat mark")) < MAX_DOCUMENTS
        assert "neighbours were joined" in text_of(page, "#explanation")

    def test_no_document_is_an_error(self, page: Chrome) -> None:
        open_tab(page, "why")
        fill(page, why_query="q")
        click(page, "#why-submit")
        until(lambda: "The document is empty; give the text to explain." in text_of(page, "#explanation .fr-error"))


class TestBatch:
    def test_a_bad_line_is_a_row_and_the_others_are_ranked(self, page: Chrome, tmp_path: Path) -> None:
        file = tmp_path / "batch.jsonl"
        lines: list[object] = [
            {"query": "red planet", "documents": ["Venus is hot.", "Mars is called the red planet."], "id": 7},
            {"query": "", "documents": ["x"]},
            {"query": "many", "documents": ["x"] * (MAX_DOCUMENTS + 1)},
        ]
        file.write_text("\n".join(map(json.dumps, lines)) + "\nnot json\n", encoding="utf-8")
        open_tab(page, "batch")
        upload(page, "batch-file", file)
        until(lambda: "2 queries with 23 documents; 2 lines cannot be used" in text_of(page, "#about-batch"))
        click(page, "#batch-submit")
        until(lambda: "Done: 4 queries" in text_of(page, "#batch-answer"))
        assert "3 with an error" in text_of(page, "#batch-answer .fr-summary")
        saved = download(page, "#batch-save-jsonl", tmp_path, "finerank-batch.jsonl").decode()
        records = [json.loads(line) for line in saved.splitlines()]
        assert [each["line"] for each in records] == [1, 2, 3, 4]
        assert records[0]["id"] == 7
        assert [each["index"] for each in records[0]["results"]] == [1, 0]
        assert [each["error"].split(";")[0].split(":")[0] for each in records[1:]] == [
            "query is missing or empty",
            f"documents has {MAX_DOCUMENTS + 1} entries and this server takes {MAX_DOCUMENTS}",
            "the line is not JSON",
        ]
        content = download(page, "#batch-save-csv", tmp_path, "finerank-batch.csv").decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(content, newline="")))
        assert [(row["line"], row["place"]) for row in rows] == [
            ("1", "1"),
            ("1", "2"),
            ("2", ""),
            ("3", ""),
            ("4", ""),
        ]

    def test_progress_and_cancel(self, fake: FakeModel, page: Chrome, tmp_path: Path) -> None:
        file = tmp_path / "many.csv"
        rows = [f"query {number},document {number}" for number in range(60)]
        file.write_text("query,document\n" + "\n".join(rows), encoding="utf-8")
        fake.gate.clear()
        page.refresh()
        until(lambda: "all-MiniLM" in text_of(page, "#model"), 20)
        until(lambda: script(page, "return document.querySelector('#model-choice input') !== null"))
        choose(page, "model-choice", "fake/overlap")
        open_tab(page, "batch")
        upload(page, "batch-file", file)
        until(lambda: "60 queries" in text_of(page, "#about-batch"))
        click(page, "#batch-submit")
        until(lambda: "0 of 60 queries" in text_of(page, "#batch-answer"))
        until(lambda: script(page, "return !document.querySelector('#batch-cancel').disabled"))
        click(page, "#batch-cancel")
        until(lambda: "Cancelled after 0 of 60 queries" in text_of(page, "#batch-answer"))
        fake.gate.set()

    def test_without_a_file_there_is_a_sentence(self, page: Chrome) -> None:
        open_tab(page, "batch")
        click(page, "#batch-submit")
        until(lambda: "No file was chosen; open a .jsonl or .csv file" in text_of(page, "#batch-answer .fr-error"))
