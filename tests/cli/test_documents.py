"""Reading documents from files."""

from pathlib import Path
from typing import Any

import pytest

from finerank.cli.documents import gather_documents, read_documents
from finerank.errors import InputError


def written(folder: Path, name: str, content: bytes | str) -> str:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(file)


def test_text_is_one_document_a_line_and_empty_lines_are_none(tmp_path: Path) -> None:
    documents = read_documents(written(tmp_path, "a.txt", "one\r\n\n  \ntwo\u2028still two\x0cstill two\nthree"))
    assert documents.texts == ["one", "two\u2028still two\x0cstill two", "three"]
    assert documents.originals == documents.texts
    assert documents.warnings == []


@pytest.mark.parametrize(
    ("name", "content", "texts"),
    [
        ("a.txt", "Straße\n", ["Straße"]),
        ("a.jsonl", '{"text": "Straße"}\n', ["Straße"]),
        ("a.csv", "text\nStraße\n", ["Straße"]),
    ],
)
def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path, name: str, content: str, texts: list[str]) -> None:
    assert read_documents(written(tmp_path, name, b"\xef\xbb\xbf" + content.encode())).texts == texts


def test_bad_bytes_are_replaced_and_counted_in_lines(tmp_path: Path) -> None:
    documents = read_documents(written(tmp_path, "a.txt", b"good\nb\xffd\xfe\nfine\n\xc3\n"))
    assert documents.texts == ["good", "b\ufffdd\ufffd", "fine", "\ufffd"]
    (warning,) = documents.warnings
    assert "in 2 of 4 lines" in warning


def test_jsonl_takes_strings_and_objects_and_hands_back_what_it_read(tmp_path: Path) -> None:
    file = written(tmp_path, "a.JSONL", '"plain"\n\n{"body": "inside", "text": "other", "id": 7}\n')
    documents = read_documents(file, text_field="body")
    assert documents.texts == ["plain", "inside"]
    assert documents.originals == ["plain", {"body": "inside", "text": "other", "id": 7}]


def test_a_value_that_is_no_text_is_left_to_become_that_documents_error(tmp_path: Path) -> None:
    assert read_documents(written(tmp_path, "a.jsonl", '{"text": null}\n"b"\n')).texts == [None, "b"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"text": "cut', "line 3 is not JSON"),
        ('{"text": NaN}', "NaN"),
        ("[1, 2]", "line 3 is list"),
        ('{"title": "x", "id": 1}', "no key 'text'; its keys are title, id; choose with --field"),
        ("[" * 200_000, "line 3"),
        ("1" * 5000, "line 3"),
    ],
)
def test_a_broken_jsonl_line_is_named(tmp_path: Path, line: str, reason: str) -> None:
    file = written(tmp_path, "a.jsonl", f'"one"\n\n{line}\n')
    with pytest.raises(InputError) as caught:
        read_documents(file)
    assert reason in str(caught.value)
    assert "line 3" in str(caught.value)


def test_csv_takes_quoted_line_breaks_long_fields_and_short_rows(tmp_path: Path) -> None:
    long = "word " * 40_000
    file = written(tmp_path, "a.csv", f'id,body\n1,"two\nlines, one document"\n2,{long}\n3\n')
    documents = read_documents(file, text_field="body")
    assert documents.texts == ["two\nlines, one document", long, ""]
    assert documents.originals[0] == {"id": "1", "body": "two\nlines, one document"}


def test_a_csv_without_the_field_lists_its_columns(tmp_path: Path) -> None:
    file = written(tmp_path, "a.csv", "id,body\n1,x\n")
    with pytest.raises(InputError, match="no column 'text'; its columns are id, body; choose with --field"):
        read_documents(file)


def test_format_overrides_the_suffix(tmp_path: Path) -> None:
    file = written(tmp_path, "a.csv", '{"text": "x"}\n')
    assert read_documents(file, form="jsonl").texts == ["x"]
    assert read_documents(file, form="text").texts == ['{"text": "x"}']


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.txt", "", "is empty"),
        ("a.txt", " \n\n", "is empty"),
        ("a.txt", b"\xef\xbb\xbf", "is empty"),
        ("a.csv", "text,id\n", "has no documents"),
        ("a.txt", "hello".encode("utf-16"), "is UTF-16; save it as UTF-8"),
        ("a.json", "[]", "--format jsonl"),
    ],
)
def test_files_without_documents_are_refused(tmp_path: Path, name: str, content: Any, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read_documents(written(tmp_path, name, content))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        read_documents(str(tmp_path / "missing.txt"))
    with pytest.raises(InputError, match="is a folder"):
        read_documents(str(tmp_path))


def test_documents_come_from_one_place() -> None:
    assert gather_documents(["a", "b"], None).texts == ["a", "b"]
    with pytest.raises(InputError, match="one or the other"):
        gather_documents(["a"], "file.txt")
    with pytest.raises(InputError, match="--file - for standard input"):
        gather_documents([], None)
