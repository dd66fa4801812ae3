import json
import tracemalloc
from pathlib import Path

import pytest

from finerank.errors import UnreadableError
from finerank.retrieval.readers import read_bytes, read_file
from finerank.retrieval.readers.row_ids import RowIds

from .reading import document_of, documents_of, text_of


def test_beir_corpus() -> None:
    lines = [
        {"_id": "4983", "title": "Press", "text": "Alarm E07", "metadata": {"url": "u"}},
        {"_id": "x", "text": "b"},
    ]
    documents, notes = documents_of("".join(json.dumps(line) + "\n" for line in lines), "corpus.jsonl")
    assert notes == []
    assert [(each.id, each.source, each.title, text_of(each)) for each in documents] == [
        ("corpus.jsonl#4983", "corpus.jsonl", "Press", "Alarm E07"),
        ("corpus.jsonl#x", "corpus.jsonl", "", "b"),
    ]
    assert documents[0].metadata == {"_id": "4983", "metadata": {"url": "u"}}


def test_real_beir_corpus(data_folder: Path) -> None:
    path = data_folder / "scifact" / "corpus.jsonl"
    rows = {row["_id"]: row for row in map(json.loads, path.read_text().splitlines())}
    documents = list(read_file(path, "corpus.jsonl"))
    assert [each.id.removeprefix("corpus.jsonl#") for each in documents] == list(rows)
    texts = [(text_of(each), rows[each.id.removeprefix("corpus.jsonl#")]["text"]) for each in documents]
    differing = [(ours, theirs) for ours, theirs in texts if ours != theirs]
    assert len(differing) < 5  # stray controls of Windows, which are made quotation marks and dashes
    assert all(len(ours) >= len(theirs) - 1 for ours, theirs in differing)


def test_csv() -> None:
    content = 'Name,Description,price,code\nPhone,"Type-C,\nfast",12.50,007\nLamp,"12"" wide",,\n'
    documents, notes = documents_of(content, "shop.csv")
    assert notes == []
    assert [(each.id, each.title, text_of(each), each.metadata) for each in documents] == [
        ("shop.csv#1", "Phone", "Type-C,\nfast", {"price": 12.5, "code": "007"}),
        ("shop.csv#2", "Lamp", '12" wide', {}),
    ]


@pytest.mark.parametrize(("delimiter", "name"), [(";", "a.csv"), ("\t", "a.tsv"), ("\t", "a.csv"), ("|", "a.csv")])
def test_delimiters(delimiter: str, name: str) -> None:
    assert text_of(document_of(f"id{delimiter}text\n1{delimiter}one, two\n", name)) == "one, two"


def test_ragged_rows_are_kept_and_noted() -> None:
    documents, notes = documents_of("id,text,more\n1,a\n2,b,c,d,e\n3\n", "a.csv")
    assert [(text_of(each), each.metadata) for each in documents] == [
        ("a", {"id": 1}),
        ("b", {"id": 2, "more": "c", "(more)": ["d", "e"]}),
    ]
    assert notes == [
        "a.csv: 1 row with more fields than the header, the others kept as (more) (first: line 3)",
        "a.csv: 1 row without text, left out (first: line 4)",
    ]


def test_duplicate_ids_are_kept_apart() -> None:
    documents, notes = documents_of("id,text\nx,first\ny,other\nx,second\n,third\n", "a.csv")
    assert [(each.id, text_of(each)) for each in documents] == [
        ("a.csv#x", "first"), ("a.csv#y", "other"), ("a.csv#x@3", "second"), ("a.csv#@4", "third"),
    ]  # fmt: skip
    assert notes == ["a.csv: 2 rows with no id, or one that another row has, known by its number (first: line 4)"]


def test_bad_lines_cost_only_themselves() -> None:
    content = '{"text": "one"}\n{"text": \n[1]\n\n"two"\n{"text": "\\ud800 three"}\n{"text": NaN}\n{"other": null}\n'
    documents, notes = documents_of(content, "a.jsonl")
    assert [(each.id, text_of(each)) for each in documents] == [
        ("a.jsonl#1", "one"), ("a.jsonl#5", "two"), ("a.jsonl#6", "\ufffd three"),
    ]  # fmt: skip
    assert len(notes) == 4
    assert notes[0].startswith("a.jsonl: 2 rows that cannot be read, left out (first: line 2, it is not JSON")
    assert notes[1] == "a.jsonl: 1 row with neither a JSON object nor a string, left out (first: line 3)"
    assert notes[2].startswith("a.jsonl: 1 row whose fields are all its text")
    assert notes[3] == "a.jsonl: 1 row without text, left out (first: line 8)"


def test_columns_without_a_text_are_the_text_together() -> None:
    (document,), notes = documents_of("brand,ports\nACME,USB-C\n", "a.csv")
    assert text_of(document) == "brand: ACME\nports: USB-C"
    assert document.metadata == {"brand": "ACME", "ports": "USB-C"}
    assert "none is called text" in notes[0]


def test_a_title_alone_is_text() -> None:
    assert text_of(document_of('{"title": "Only this", "text": ""}', "a.jsonl")) == "Only this"


def test_metadata_stays_small() -> None:
    row = {"text": "t", **{f"key {number}": "v" * 3000 for number in range(100)}}
    metadata = document_of(json.dumps(row), "a.jsonl").metadata
    assert len(json.dumps(metadata)) < 17_000
    assert metadata["key 0"] == "v" * 1000


def test_only_a_csv_s_strings_become_numbers() -> None:
    row = {"_id": "9001", "version": "1.10", "year": 2021, "price": 1.5, "parts": ["7", 8], "text": "t"}
    assert document_of(json.dumps(row), "a.jsonl").metadata == {key: row[key] for key in row if key != "text"}
    (document,), _ = documents_of("text,year,price,code\nt,2021,12.50,0815\n", "a.csv")
    assert document.metadata == {"year": 2021, "price": 12.5, "code": "0815"}


def test_numbers_that_no_database_takes_become_strings() -> None:
    numbers = f'"a": {2**63 - 1}, "b": {2**63}, "c": {-(2**63)}, "d": {-(2**63) - 1}, "e": [1e999], "f": true'
    assert document_of(f'{{"text": "t", {numbers}}}', "a.jsonl").metadata == {
        "a": 2**63 - 1, "b": str(2**63), "c": -(2**63), "d": str(-(2**63) - 1), "e": ["inf"], "f": True,
    }  # fmt: skip


@pytest.mark.parametrize("opened", ["[", '{"a":'])
def test_deep_fields_cost_only_what_is_deep(opened: str) -> None:
    levels = 700
    inner = opened * levels + "1" + {"[": "]"}.get(opened, "}") * levels
    (document,), notes = documents_of(f'{{"text": "the text", "deep": {inner}}}', "a.jsonl")
    assert text_of(document) == "the text"
    assert notes == ["a.jsonl: 1 row of more than 16 levels, those below left out (first: line 1)"]
    assert json.dumps(document.metadata["deep"]).count(opened[0]) == 16


def test_deep_fields_of_a_row_that_is_all_text_end_soon() -> None:
    inner = '{"a":' * 30 + '"core"' + "}" * 30  # twice the work for each level would take minutes
    (document,), _ = documents_of(f'{{"shallow": {{"b": "seen"}}, "deep": {inner}}}', "a.jsonl")
    assert text_of(document) == "shallow: b: seen"


def test_ids_of_many_rows_take_little_memory() -> None:
    ids = RowIds()
    tracemalloc.start()
    try:
        assert all(ids.is_new(f"row {number}") for number in range(100_000))
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size < 3_000_000  # a set of their hashes: 7,400,000
    assert not any(ids.is_new(f"row {number}") for number in range(0, 100_000, 7))


def test_ids_beyond_what_is_remembered_are_taken_for_known() -> None:
    ids = RowIds(most=3)
    assert [ids.is_new(name) for name in "abacde"] == [True, True, False, True, False, False]


@pytest.mark.parametrize(
    ("content", "name", "why"),
    [
        ("\n\n", "a.csv", "a.csv has no header"),
        ("id,text\n", "a.csv", "a.csv has no row with text"),
        ("{\n{\n", "a.jsonl", "no row with text: 2 rows that cannot be read"),
        ('id,text\n1,"open' + " never closed" * 1_500_000, "a.csv", "close its quotation marks"),
    ],
)
def test_files_without_a_row(content: str, name: str, why: str) -> None:
    with pytest.raises(UnreadableError, match=why):
        list(read_bytes(content.encode(), name))
