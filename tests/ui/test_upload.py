"""Files as the browser sends them: encodings, and what is no text."""

import base64
import io
import zipfile
from typing import Any

import pytest

from finerank.ui.form import given_documents
from finerank.ui.texts import PageError
from finerank.ui.upload import RawFile, Upload, most_bytes, read_files, read_upload, send_files


def sent(name: str, content: bytes) -> dict[str, Any]:
    return {"name": name, "size": len(content), "data": base64.b64encode(content).decode()}


def read(name: str, content: bytes, limit: int = 10_000) -> Upload:
    upload = read_upload(sent(name, content), limit)
    assert upload is not None
    return upload


def a_zip() -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("xl/workbook.xml", "<x/>")
    return written.getvalue()


@pytest.mark.parametrize(
    ("content", "notice"),
    [
        ("红色行星\n".encode(), None),
        (b"\xef\xbb\xbf" + "红色行星\n".encode(), None),
        ("红色行星\n".encode("gbk"), "file.as_gbk"),
        ("红色行星\n".encode("utf-16"), "file.as_utf16"),
    ],
)
def test_encodings(content: bytes, notice: str | None) -> None:
    upload = read("a.txt", content)
    assert upload.text == "红色行星\n"
    assert [each.key for each in upload.notices] == ([notice] if notice else [])


@pytest.mark.parametrize(
    ("content", "key"),
    [
        (b"", "file.empty"),
        (b"\xef\xbb\xbf \n", "file.empty"),
        (a_zip(), "file.is_zip"),
        (b"\xd0\xcf\x11\xe0 doc", "file.is_office"),
        (b"\x1f\x8b\x08", "file.is_gzip"),
        (b"abc\x00\x01\x02def", "file.binary"),
        (b"caf\xe9 \xff\xff", "file.encoding"),
        (b"x" * 10_001, "file.too_large"),
    ],
)
def test_what_is_no_text_is_said_plainly(content: bytes, key: str) -> None:
    with pytest.raises(PageError) as caught:
        read("report.txt", content)
    assert caught.value.said.key == key
    assert "report.txt" in str(caught.value)


@pytest.mark.parametrize("data", ["not base64!", None, 7])
def test_data_that_did_not_arrive_whole(data: object) -> None:
    with pytest.raises(PageError):
        read_upload({"name": "a.txt", "size": 3, "data": data}, 100)


def test_pdf_and_word_come_as_bytes_whatever_they_are_called() -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("word/document.xml", "<x/>")
    for content in (b"%PDF-1.7 ...", written.getvalue()):
        upload = read("report.txt", content)
        assert (upload.text, upload.content) == ("", content)


def test_several_files_come_as_they_are() -> None:
    files = [RawFile("a.pdf", b"%PDF"), RawFile("b.txt", b"\xff\x00")]
    assert read_files(send_files(files), 100) == files
    assert read_files(None, 100) == []
    assert read_files({"files": []}, 100) == []
    with pytest.raises(PageError, match=r"the files have 0\.1 KB together and this server takes up to 0\.1 KB"):
        read_files(send_files([RawFile("a", b"x" * 60), RawFile("b", b"x" * 60)]), 100)


def test_no_two_files_have_one_name() -> None:
    names = ["a/report.pdf", "report.pdf", "notes", "b/report.pdf", "report (2).pdf", "notes"]
    files = [RawFile(name, str(number).encode()) for number, name in enumerate(names)]
    read = read_files(send_files(files), 100)
    assert [each.content for each in read] == [each.content for each in files]
    assert [each.name for each in read] == [
        "report.pdf",
        "report (2).pdf",
        "notes",
        "report (3).pdf",
        "report (2) (2).pdf",
        "notes (2)",
    ]


def test_no_file_is_none_and_a_path_is_only_a_name() -> None:
    assert read_upload(None, 100) is None
    assert read("../../etc/pass wd.txt", b"x").name == "pass wd.txt"
    assert read("C:\\docs\\a.txt", b"x").name == "a.txt"


def test_a_file_of_the_largest_size_fits_into_a_request() -> None:
    limit = most_bytes(1 << 20)
    assert len(base64.b64encode(b"x" * limit)) < (1 << 20) * 0.9


def test_the_file_takes_the_place_of_the_box() -> None:
    given = given_documents("ignored", read("a.jsonl", b'"one"\n{"text": "two", "id": 2}\n{"text": null}\n'), "", 10)
    assert given.documents == ["one", "two", {"text": None}]
    assert given.originals == ["one", {"text": "two", "id": 2}, {"text": None}]
    assert given.is_file
    assert given_documents(" one \n\ntwo", None, "", 10).documents == ["one", "two"]


@pytest.mark.parametrize(
    ("name", "content", "field", "sentence"),
    [
        ("a.csv", b"id,body\n1,x\n", "", "a.csv has no column text; its columns are id, body"),
        ("a.jsonl", b'{"body": 1}\n', "title", "a.jsonl, line 1 has no key title; its keys are body"),
        ("a.json", b"[]", "", "a whole JSON value is not read"),
        ("a.txt", b"1\n2\n3\n4\n", "", "4 entries and this server takes 3"),
    ],
)
def test_a_file_that_cannot_be_used(name: str, content: bytes, field: str, sentence: str) -> None:
    with pytest.raises(PageError, match=sentence):
        given_documents("", read(name, content), field, 3)
