import zipfile
from pathlib import Path

import pytest

from finerank.errors import UnreadableError
from finerank.retrieval.readers import read_bytes

from ..making_files import docx_of, with_part
from .reading import document_of, text_of

PARAGRAPHS = [
    ("Title", "HP-200"),
    ("Heading 1", "Alarms"),
    ("Normal", "Read this first."),
    ("Heading 2", "E07"),
    ("Normal", "Signal of the pressure sensor lost."),
    ("List Bullet", "Check the cable"),
    ("List Bullet", "Replace the sensor"),
]


def test_structure() -> None:
    document = document_of(
        docx_of(PARAGRAPHS, title="Manual & more", table=[("Code", "Part"), ("E07", "B12")]), "a.docx"
    )
    assert document.title == "Manual & more"
    assert [(section.headings, section.text) for section in document.sections] == [
        (("HP-200", "Alarms"), "Read this first."),
        (
            ("HP-200", "Alarms", "E07"),
            "Signal of the pressure sensor lost.\n\n- Check the cable\n- Replace the sensor\n\nCode | Part\nE07 | B12",
        ),
    ]
    assert "header of every page" not in text_of(document)


@pytest.mark.parametrize("part", ["[Content_Types].xml", "_rels/.rels", "word/styles.xml"])
def test_a_missing_part_beside_the_text(part: str) -> None:
    document = document_of(with_part(docx_of(PARAGRAPHS), part, None), "a.docx")
    assert "Signal of the pressure sensor lost." in text_of(document)


def test_a_missing_text() -> None:
    with pytest.raises(UnreadableError, match=r"^a\.docx is broken or no docx file .*save it anew"):
        list(read_bytes(with_part(docx_of(PARAGRAPHS), "word/document.xml", None), "a.docx"))


def test_a_broken_part() -> None:
    with pytest.raises(UnreadableError, match=r"^a\.docx is broken or no docx file .*save it anew"):
        list(read_bytes(with_part(docx_of(PARAGRAPHS), "word/document.xml", b"<w:document><w:p>"), "a.docx"))


def test_half_of_a_file() -> None:
    whole = docx_of(PARAGRAPHS)
    with pytest.raises(UnreadableError, match=r"^a\.docx is broken or no docx file"):
        list(read_bytes(whole[: len(whole) // 2], "a.docx"))


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = with_part(docx_of(PARAGRAPHS), "word/document.xml", b" " * (101 * 2**20))
    assert len(bomb) < 2**20
    with pytest.raises(UnreadableError, match=r"unpacks to 10. MB of XML; at most 100 MB"):
        list(read_bytes(bomb, "a.docx"))


def test_a_zip_file_that_is_no_docx(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(UnreadableError, match="without a Word document"):
        list(read_bytes(path.read_bytes(), "a.docx"))


def test_a_document_without_text() -> None:
    with pytest.raises(UnreadableError, match=r"a\.docx holds no text"):
        list(read_bytes(docx_of([]), "a.docx"))
