"""PDF through PDFium, page by page, without running headers and footers."""

import re
from collections.abc import Iterator, Sequence
from threading import Lock
from typing import Any, Final

from ...errors import UnreadableError
from ..boilerplate import boilerplate_lines
from ..types import SourceDocument
from .encoding import cleaned
from .file import File, as_title
from .pdf_layout import sections_of
from .pdf_lines import Line, lines_of

_PDFIUM: Final = Lock()
"""PDFium must not be used by two threads at once."""
_NO_TITLE: Final = re.compile(
    r"^(?:untitled|unknown|title|document\s*\d*|microsoft (?:word|powerpoint|excel)\b.*"
    r"|.*\.(?:docx?|indd|qxd|tex|dvi|pdf|rtf|odt)|[\W\d_]*)$",
    re.IGNORECASE,
)
"""What programs write where nobody gave a title."""
_NAMED_PAGES: Final = 10


def read(file: File) -> Iterator[SourceDocument]:
    """One document whose sections are of one page each. Pages that cannot be read, or are only pictures, are noted."""
    pages, title, pictures = _pages(file)
    texts = [[line.text for line in page] for _, page in pages]
    running = boilerplate_lines(texts, [[line.zone for line in page] for _, page in pages])
    kept = [
        (number, [line for index, line in enumerate(page) if index not in dropped])
        for (number, page), dropped in zip(pages, running, strict=True)
    ]
    sections = sections_of(kept)
    if not sections:
        raise UnreadableError(
            f"{file.name} is a PDF without text, such as a scan; have its text recognised (OCR) first"
        )
    if pictures:
        file.notes.append(f"{file.name}: {_named(pictures)} only pictures; recognise their text (OCR) to find it")
    yield SourceDocument(file.name, file.name, title or _first_line(kept) or file.stem, sections)


def _pages(file: File) -> tuple[list[tuple[int, list[Line]]], str, list[int]]:
    """(number, lines) of the pages that can be read, the title or "", and the pages that are only pictures."""
    import pypdfium2

    with _PDFIUM:
        try:
            pdf = pypdfium2.PdfDocument(file.path if file.path is not None else file.read())
        except pypdfium2.PdfiumError as error:
            raise UnreadableError(_refusal(file.name, str(error))) from None
        except OSError as error:
            raise UnreadableError(f"{file.name} cannot be opened ({error.strerror}); check its path") from None
        try:
            return _read_pages(pdf, file)
        finally:
            pdf.close()


def _read_pages(pdf: Any, file: File) -> tuple[list[tuple[int, list[Line]]], str, list[int]]:
    from pypdfium2 import PdfiumError

    pages: list[tuple[int, list[Line]]] = []
    pictures: list[int] = []
    broken: list[int] = []
    for number in range(1, len(pdf) + 1):
        try:
            page = pdf[number - 1]
        except PdfiumError:
            broken.append(number)
            continue
        try:
            lines = lines_of(page)
            pages.append((number, lines))
            if not lines and _has_picture(page):
                pictures.append(number)
        except PdfiumError:
            broken.append(number)
        finally:
            page.close()
    if broken and not any(lines for _, lines in pages):
        raise UnreadableError(f"{file.name} is broken, none of its pages can be read; save it anew")
    if broken:
        file.notes.append(f"{file.name}: {_named(broken)} broken and left out; save the file anew")
    title = as_title(cleaned(pdf.get_metadata_value("Title")))
    return pages, "" if _NO_TITLE.match(title) else title, pictures


def _refusal(name: str, reason: str) -> str:
    if "password" in reason.lower() or "security" in reason.lower():
        return f"{name} is encrypted; save it without a password"
    return f"{name} is broken or no PDF ({reason.strip('.')}); open it in a PDF viewer and save it anew"


def _has_picture(page: Any) -> bool:
    from pypdfium2.raw import FPDF_PAGEOBJ_IMAGE

    return any(True for _ in page.get_objects(filter=[FPDF_PAGEOBJ_IMAGE], max_depth=3))


def _first_line(pages: Sequence[tuple[int, Sequence[Line]]]) -> str:
    """The largest of the first page's first lines."""
    for _, lines in pages:
        if lines:
            return as_title(max(lines[:8], key=lambda line: line.height).text)
    return ""


def _named(pages: Sequence[int]) -> str:
    shown = ", ".join(map(str, pages[:_NAMED_PAGES]))
    more = f" and {len(pages) - _NAMED_PAGES} more" if len(pages) > _NAMED_PAGES else ""
    return f"page {shown} is" if len(pages) == 1 else f"pages {shown}{more} are"
