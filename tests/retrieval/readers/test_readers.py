"""Which reader reads what, and what is said of files that none can read."""

import random
from pathlib import Path

import pytest

from finerank.errors import UnreadableError
from finerank.retrieval.readers import SUFFIXES, read_bytes, read_file

from ..making_files import docx_of, pdf_of_lines
from .reading import document_of, documents_of, text_of

JUNK = random.Random(7).randbytes(4000)


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
@pytest.mark.parametrize("content", [b"", JUNK, b"\0" * 500], ids=["empty", "junk", "nulls"])
def test_a_bad_file_is_named_with_a_remedy(suffix: str, content: bytes) -> None:
    with pytest.raises(UnreadableError, match=rf"^manuals/bad{suffix} .*(;|leave|save)"):
        list(read_bytes(content, f"manuals/bad{suffix}"))


@pytest.mark.parametrize("suffix", sorted(SUFFIXES - {".pdf", ".docx"}))
def test_every_format_of_text_takes_utf16(suffix: str) -> None:
    text = "text\nÖldruck prüfen: Alarm E07\n"
    if suffix in (".jsonl", ".ndjson"):
        text = '{"text": "Öldruck prüfen: Alarm E07"}\n'
    if suffix in (".html", ".htm", ".xhtml"):
        text = "<html><p>Öldruck prüfen: Alarm E07</p></html>"
    documents, _ = documents_of(text.encode("utf-16"), f"a{suffix}")
    assert "Öldruck prüfen: Alarm E07" in text_of(documents[0])


def test_a_file_and_its_bytes_are_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "manual.pdf"
    path.write_bytes(pdf_of_lines([["Alarm E07 means a fault"]]))
    assert list(read_file(path, "sub/manual.pdf")) == [document_of(path.read_bytes(), "sub/manual.pdf")]


def test_an_unknown_suffix_is_sniffed() -> None:
    assert document_of(pdf_of_lines([["page one"]]), "report").sections[0].page == 1
    assert document_of(docx_of([("Heading 1", "A"), ("Normal", "b")]), "report.x").sections[0].headings == ("A",)
    assert text_of(document_of("<!-- c --><!DOCTYPE html><p>Hello<p>you", "page.php")) == "Hello\n\nyou"
    assert text_of(document_of("# no heading", "README")) == "# no heading"


def test_old_word_is_told_from_text() -> None:
    with pytest.raises(UnreadableError, match=r"old Word file.*save it as docx"):
        list(read_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + JUNK, "letter.doc"))


@pytest.mark.parametrize(("content", "kind"), [(b"%PDF-1.4 ...", "a PDF"), (b"PK\x03\x04 ...", "a zip file")])
def test_a_wrong_suffix_is_said(content: bytes, kind: str) -> None:
    with pytest.raises(UnreadableError, match=f"^a.txt is no text but {kind}"):
        list(read_bytes(content, "a.txt"))


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(UnreadableError, match=r"gone\.txt cannot be opened \(No such file"):
        list(read_file(Path("/nowhere/gone.txt"), "gone.txt"))


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="a file that opens and cannot be read")
@pytest.mark.parametrize("name", ["disk.txt", "disk"])
def test_a_file_whose_disk_fails(name: str) -> None:
    with pytest.raises(UnreadableError, match=rf"^{name} cannot be read \(Input/output error\)"):
        list(read_file(Path("/proc/self/mem"), name))


def test_a_name_that_is_no_unicode() -> None:
    assert document_of("text", "caf\udce9.txt").id == "caf\\udce9.txt"


def test_nothing_is_opened_before_it_is_asked_for() -> None:
    read_file(Path("/nowhere/gone.txt"), "gone.txt")
