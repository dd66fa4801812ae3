"""Word's docx through mammoth, which makes HTML of it by the meaning of its styles."""

import re
import zipfile
from collections.abc import Iterator
from typing import Any, Final
from zlib import error as ZlibError

from ...errors import UnreadableError
from ..types import SourceDocument
from .encoding import cleaned
from .file import File, as_title
from .html import document_of
from .sniffing import refuse_office

_MOST_BYTES: Final = 100 * 2**20
"""Of XML, unpacked; a thousand pages have some 10 MB."""
_TITLE: Final = re.compile(rb"<dc:title[^>]*>(.*?)</dc:title>", re.DOTALL)
_STYLES: Final = """
p[style-name='Title'] => h1.title:fresh
p[style-name='Subtitle'] => p:fresh
p[style-name^='TOC'] => !
p[style-name^='toc'] => !
"""


def read(file: File) -> Iterator[SourceDocument]:
    """One document. Pictures are left out; headers and footers, too."""
    import mammoth

    refuse_office(file.head(8), file.name)
    title = _checked_title(file)
    with file.open() as stream:
        converted = mammoth.convert_to_html(
            stream, style_map=_STYLES, convert_image=mammoth.images.img_element(_no_image), external_file_access=False
        )
    yield document_of(cleaned(converted.value), file, title)


def _checked_title(file: File) -> str:
    """The title that the file gives itself, or "". Raises UnreadableError for what is no Word document or too large."""
    try:
        with file.open() as stream, zipfile.ZipFile(stream) as archive:
            sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
            _check_parts(sizes, file.name)
            core = archive.read("docProps/core.xml") if "docProps/core.xml" in sizes else b""
    except (zipfile.BadZipFile, ZlibError, NotImplementedError, RuntimeError, EOFError) as error:
        raise UnreadableError(
            f"{file.name} is broken or no docx file ({error}); open it in Word or LibreOffice and save it anew"
        ) from None
    found = _TITLE.search(core)
    return as_title(_unescaped(found[1].decode("utf-8", "replace"))) if found else ""


def _check_parts(sizes: dict[str, int], name: str) -> None:
    if not any(part.startswith("word/") and part.endswith(".xml") for part in sizes):
        raise UnreadableError(f"{name} is a zip file without a Word document in it; save it as docx, or unpack it")
    size = sum(size for part, size in sizes.items() if part.endswith((".xml", ".rels")))
    if size > _MOST_BYTES:
        raise UnreadableError(
            f"{name} unpacks to {size / 2**20:,.0f} MB of XML; at most {_MOST_BYTES // 2**20} MB are read, split it"
        )


def _no_image(image: Any) -> dict[str, str]:
    return {}


def _unescaped(text: str) -> str:
    import html

    return html.unescape(text)
