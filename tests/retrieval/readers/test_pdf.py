import pytest
from reportlab.pdfgen.canvas import Canvas

from finerank.errors import UnreadableError
from finerank.retrieval.readers import read_bytes

from ..making_files import HEIGHT, pdf_of_lines, pdf_of_paragraphs, pdf_of_scans
from .reading import document_of, documents_of, text_of

SENSOR = (
    "The hydraulic pressure sensor sends a signal of four to twenty milliamperes to the controller, which compares it "
    "with the set point every ten milliseconds and stops the pump when it leaves the window."
)
VALVE = (
    "The relief valve opens at two hundred and fifty bar and closes again as soon as the pressure has fallen below "
    "two hundred and thirty bar, unless the safety circuit keeps it open for maintenance."
)


def _decorate(canvas: Canvas, number: int) -> None:
    canvas.setFont("Helvetica", 8)
    canvas.drawString(72, HEIGHT - 30, "HP-200 Service Manual - alarms E01 to E07")
    canvas.drawRightString(520, 25, f"Page {number} of 40")


def test_pages_titles_and_headings() -> None:
    pages = [
        [("Heading1", f"{number} Part {number}"), ("BodyText", SENSOR), ("BodyText", VALVE)] for number in range(1, 4)
    ]
    document = document_of(pdf_of_paragraphs(pages, title="HP-200 Service Manual"), "manual.pdf")
    assert document.title == "HP-200 Service Manual"
    assert document.id == document.source == "manual.pdf"
    assert [section.page for section in document.sections] == [1, 2, 3]
    assert document.sections[1].headings == ("2 Part 2",)
    assert document.sections[1].text == f"{SENSOR}\n\n{VALVE}"


def test_a_code_in_every_header_is_on_the_one_page_that_explains_it() -> None:
    pages = [[("BodyText", f"{SENSOR} Step {number} of the check."), ("BodyText", VALVE)] for number in range(40)]
    pages[17].append(("BodyText", "Alarm E07 means that the signal of the pressure sensor is lost."))
    document = document_of(pdf_of_paragraphs(pages, decorate=_decorate), "manual.pdf")
    assert [section.page for section in document.sections if "E07" in section.text] == [18]
    assert "Page" not in text_of(document)
    assert [f"Step {number}" in section.text for number, section in enumerate(document.sections)] == [True] * 40


def test_a_title_that_nobody_gave_is_the_first_large_line() -> None:
    pages = [[("BodyText", "ACME Ltd."), ("Title", "Hydraulic Press"), ("BodyText", SENSOR)]]
    assert (
        document_of(pdf_of_paragraphs(pages, title="Microsoft Word - manual.docx"), "a.pdf").title == "Hydraulic Press"
    )


def test_hyphens_at_line_ends() -> None:
    lines = ["The hydraulic pres-", "sure sensor has a long-", "term drift. See E-", "07 and the Type-", "C plug."]
    text = text_of(document_of(pdf_of_lines([lines]), "a.pdf"))
    assert " ".join(text.split()) == "The hydraulic pressure sensor has a longterm drift. See E-07 and the Type-C plug."
    known = text_of(document_of(pdf_of_lines([[*lines, "All long-term effects are known."]]), "a.pdf"))
    assert "a long-term drift" in known


def test_the_repair_of_lines_joins_paragraphs_and_keeps_rows() -> None:
    rows = [
        ("BodyText", "<br/>".join(["E07 pressure sensor", "E08 oil level", "E09 temperature"])),
        ("BodyText", SENSOR),
    ]
    text = text_of(document_of(pdf_of_paragraphs([rows]), "a.pdf"))
    assert text == f"E07 pressure sensor\nE08 oil level\nE09 temperature\n\n{SENSOR}"


def test_an_encrypted_pdf() -> None:
    with pytest.raises(UnreadableError, match=r"^a\.pdf is encrypted; save it without a password$"):
        list(read_bytes(pdf_of_lines([["secret"]], encrypt="pass"), "a.pdf"))


def test_a_scan() -> None:
    with pytest.raises(UnreadableError, match=r"^a\.pdf is a PDF without text.*OCR"):
        list(read_bytes(pdf_of_scans(3), "a.pdf"))


def test_the_beginning_of_a_pdf() -> None:
    whole = pdf_of_lines([[f"page {number} {SENSOR}"] for number in range(30)])
    for share in (0.1, 0.5, 0.9):
        with pytest.raises(UnreadableError, match=r"^cut\.pdf is broken"):
            list(read_bytes(whole[: int(len(whole) * share)], "cut.pdf"))


def test_a_broken_page_is_noted_and_the_others_are_read() -> None:
    whole = pdf_of_lines([[f"this is sheet {number}"] for number in range(1, 6)])
    damaged = whole.replace(b"/Type /Page\n", b"/Type /Pagx\n", 3).replace(b"/Type /Pagx\n", b"/Type /Page\n", 2)
    documents, notes = documents_of(damaged, "a.pdf")
    assert [section.page for section in documents[0].sections] == [1, 2, 4, 5]
    assert notes == ["a.pdf: page 3 is broken and left out; save the file anew"]


def test_blank_pages_are_kept_in_the_count() -> None:
    document = document_of(pdf_of_lines([["first"], [], ["third"]]), "a.pdf")
    assert [(section.page, section.text) for section in document.sections] == [(1, "first"), (3, "third")]
