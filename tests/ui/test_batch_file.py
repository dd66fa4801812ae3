"""Batches: files in, files out."""

import csv
import io
import json
from collections.abc import Iterator

import pytest

from finerank.reranker import Reranker
from finerank.ui.batch_file import Item, Outcome, csv_of, items_of, jsonl_of
from finerank.ui.examples import BATCH
from finerank.ui.texts import PageError
from finerank.ui.upload import Upload
from tests.server.fake_model import FakeModel


@pytest.fixture
def reranker() -> Iterator[Reranker]:
    with Reranker.from_model(FakeModel()) as made:
        yield made


def test_jsonl_lines_become_items_and_bad_ones_errors() -> None:
    lines = [
        '{"query": "q", "documents": ["a", {"text": "b", "id": 1}, 7], "instruction": "i", "id": "x"}',
        "",
        '{"query": "q"}',
        '{"documents": ["a"]}',
        '{"query": 3, "documents": ["a"]}',
        '{"query": "q", "documents": ["a"], "instruction": 1}',
        "[1]",
        '{"query": "cut',
    ]
    items = items_of(Upload("a.jsonl", "\n".join(lines)))
    assert items[0] == Item(1, "q", ["a", {"text": "b", "id": 1}, {"text": 7}], "i", {"id": "x"})
    assert [item.line for item in items] == [1, 3, 4, 5, 6, 7, 8]
    assert [item.error.split(";")[0].split(":")[0] for item in items[1:] if item.error] == [
        "documents is missing or empty",
        "query is missing or empty",
        "query is not a text",
        "instruction is not a text",
        "the line is list, not an object with query and documents",
        "the line is not JSON",
    ]


def test_rows_of_a_csv_with_the_same_query_belong_together() -> None:
    text = "query,document,instruction\nq1,a,\nq2,b,\nq1,c,\n,d,\nq2,e,other\nq3,,\n"
    items = items_of(Upload("a.csv", text))
    assert [(item.line, item.query, item.documents, item.instruction) for item in items if item.error is None] == [
        (2, "q1", ["a", "c"], None),
        (3, "q2", ["b"], None),
        (6, "q2", ["e"], "other"),
    ]
    assert [(item.line, item.error) for item in items if item.error] == [
        (5, "query is empty"),
        (7, "document is empty"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("a.txt", "x", "a batch is a .jsonl or a .csv file"),
        ("a.csv", "query,document\n", "has no queries"),
        ("a.csv", "query,text\nq,d\n", "no column 'document'; its columns are query, text"),
    ],
)
def test_a_file_that_is_no_batch(name: str, text: str, sentence: str) -> None:
    with pytest.raises((PageError, ValueError), match=sentence):
        items_of(Upload(name, text))


def test_results_as_jsonl_and_csv(reranker: Reranker) -> None:
    item = Item(1, "red planet", ["venus", '=red "planet"\n行星'], None, {"id": "x", "line": "theirs"})
    outcomes = [Outcome(item, reranker.rank(item.query, item.documents)), Outcome(Item(4, "q"), error="it broke")]
    good, bad = map(json.loads, jsonl_of(outcomes).splitlines())
    assert (good["id"], good["line"], good["query"], good["model"]) == ("x", 1, "red planet", "fake/overlap")
    assert [each["index"] for each in good["results"]] == [0, 1] or [each["index"] for each in good["results"]] == [
        1,
        0,
    ]
    assert bad == {"line": 4, "query": "q", "error": "it broke"}
    rows = list(csv.DictReader(io.StringIO(csv_of(outcomes), newline="")))
    assert [row["place"] for row in rows] == ["1", "2", ""]
    assert {row["document"] for row in rows[:2]} == set(item.documents)
    assert rows[2]["error"] == "it broke"


def test_the_sample_has_one_bad_line() -> None:
    items = items_of(Upload("sample.jsonl", BATCH))
    assert [item.error is None for item in items] == [True, True, False, True]
