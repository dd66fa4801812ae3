"""Real files for the readers, written by the libraries that people write them with."""

import io
import zipfile
from collections.abc import Callable, Sequence

import docx
from PIL import Image
from reportlab.lib.pagesizes import A4
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate

WIDTH, HEIGHT = A4

Decorate = Callable[[Canvas, int], None]


def pdf_of_lines(
    pages: Sequence[Sequence[str]],
    *,
    title: str | None = None,
    encrypt: str | None = None,
    decorate: Decorate | None = None,
) -> bytes:
    """A page of lines each, 14 points apart, from 100 points below the top.   decorate: draws headers and footers."""
    content = io.BytesIO()
    encryption = StandardEncryption(encrypt, strength=128) if encrypt else None
    canvas = Canvas(content, pagesize=A4, encrypt=encryption)
    if title is not None:
        canvas.setTitle(title)
    for number, lines in enumerate(pages, start=1):
        for index, line in enumerate(lines):
            canvas.drawString(72, HEIGHT - 100 - 14 * index, line)
        if decorate is not None:
            decorate(canvas, number)
        canvas.showPage()
    canvas.save()
    return content.getvalue()


def pdf_of_paragraphs(
    pages: Sequence[Sequence[tuple[str, str]]], *, title: str = "", decorate: Decorate | None = None
) -> bytes:
    """pages: of (style, text), as ("Heading1", "Alarms"), ("BodyText", "..."), set as a word processor does."""
    content = io.BytesIO()
    styles = getSampleStyleSheet()
    story: list[object] = []
    for page in pages:
        story += [Paragraph(text, styles[style]) for style, text in page]
        story.append(PageBreak())

    def draw(canvas: Canvas, document: SimpleDocTemplate) -> None:
        if decorate is not None:
            decorate(canvas, document.page)

    SimpleDocTemplate(content, pagesize=A4, title=title).build(story, onFirstPage=draw, onLaterPages=draw)
    return content.getvalue()


def pdf_of_scans(num_pages: int) -> bytes:
    """Pages that are pictures."""
    content = io.BytesIO()
    canvas = Canvas(content, pagesize=A4)
    for _ in range(num_pages):
        canvas.drawImage(ImageReader(Image.new("L", (60, 80), 200)), 0, 0, WIDTH, HEIGHT)
        canvas.showPage()
    canvas.save()
    return content.getvalue()


def docx_of(paragraphs: Sequence[tuple[str, str]], *, title: str = "", table: Sequence[Sequence[str]] = ()) -> bytes:
    """paragraphs: of (style, text), as ("Heading 1", "Alarms"), ("Normal", "...")."""
    document = docx.Document()
    document.core_properties.title = title
    document.sections[0].header.paragraphs[0].text = "E07 header of every page"
    for style, text in paragraphs:
        document.add_paragraph(text, style=style)
    if table:
        grid = document.add_table(rows=0, cols=len(table[0]))
        for row in table:
            for cell, text in zip(grid.add_row().cells, row, strict=True):
                cell.text = text
    content = io.BytesIO()
    document.save(content)
    return content.getvalue()


def with_part(archive: bytes, name: str, content: bytes | None) -> bytes:
    """The zip file with one part replaced, or without it."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.namelist():
            if entry != name:
                new.writestr(entry, old.read(entry))
        if content is not None:
            new.writestr(name, content)
    return out.getvalue()
