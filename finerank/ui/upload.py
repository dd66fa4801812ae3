"""Files that the browser read and sent along with the form. Nothing of them is kept on this machine's disk.

The page's own component reads it (page.js), because Gradio's would first store it in a folder of the server.
"""

import base64
import binascii
import io
import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Final

from ..documents import UTF8_BOM, UTF16_BOMS
from ..types import Document
from .texts import PageError, Said

_MAGIC: Final = {
    b"PK\x03\x04": "zip",
    b"\xd0\xcf\x11\xe0": "office",
    b"\x1f\x8b": "gzip",
}


@dataclass(frozen=True, slots=True)
class Upload:
    """text: its content; empty of a PDF or Word file, which is in `content`, and in `passages` once it was read.
    notices: what the reader had to assume.
    """

    name: str
    text: str
    notices: tuple[Said, ...] = ()
    content: bytes | None = None
    passages: Sequence[Document] | None = None

    @property
    def suffix(self) -> str:
        return PurePath(self.name).suffix.lower()


@dataclass(frozen=True, slots=True)
class RawFile:
    """A file as it was sent."""

    name: str
    content: bytes


def most_bytes(max_body_bytes: int) -> int:
    """Of a file, so that it fits into a request: base64 makes it larger by a third, and the form comes with it."""
    return max_body_bytes * 2 // 3


def read_upload(sent: Mapping[str, Any] | None, limit: int) -> Upload | None:
    """What the browser sent; None if no file was chosen. Raises PageError for what is neither text, PDF nor Word."""
    if not sent:
        return None
    file = _raw(sent, limit)
    if _is_paged(file.content):
        return Upload(file.name, "", content=file.content)
    text, notices = _decoded(file.content, file.name)
    if not text.strip():
        raise PageError("file.empty", name=file.name)
    return Upload(file.name, text, notices)


def read_files(sent: Mapping[str, Any] | None, limit: int) -> list[RawFile]:
    """The files of a control for several, `limit` bytes together; [] if none was chosen. No two have one name, for an
    index knows its files by them. Raises PageError.
    """
    if not sent:
        return []
    given = [each for each in sent.get("files") or () if isinstance(each, Mapping)]
    size = sum(each["size"] for each in given if isinstance(each.get("size"), int))
    if size > limit:
        raise PageError("file.all_too_large", size=_megabytes(size), limit=_megabytes(limit))
    return _with_names_of_their_own([_raw(each, limit) for each in given])


def send_files(files: Iterable[RawFile]) -> dict[str, Any]:
    """As the browser would send them."""
    return {
        "files": [
            {"name": file.name, "size": len(file.content), "data": base64.b64encode(file.content).decode()}
            for file in files
        ]
    }


def _with_names_of_their_own(files: Iterable[RawFile]) -> list[RawFile]:
    """The second `report.pdf` becomes `report (2).pdf`."""
    named: dict[str, RawFile] = {}
    repeated: Counter[str] = Counter()
    for file in files:
        name, path = file.name, PurePath(file.name)
        while name in named:
            repeated[file.name] += 1
            name = f"{path.stem} ({repeated[file.name] + 1}){path.suffix}"
        named[name] = RawFile(name, file.content)
    return list(named.values())


def _raw(sent: Mapping[str, Any], limit: int) -> RawFile:
    name = PurePath(str(sent.get("name", "")).replace("\\", "/")).name or "file"
    size, data = sent.get("size", 0), sent.get("data")
    if isinstance(size, int) and size > limit:
        raise PageError("file.too_large", name=name, size=_megabytes(size), limit=_megabytes(limit))
    try:
        content = base64.b64decode(data or "", validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise PageError("file.unreadable", name=name) from None
    if len(content) > limit:
        raise PageError("file.too_large", name=name, size=_megabytes(len(content)), limit=_megabytes(limit))
    return RawFile(name, content)


def _is_paged(content: bytes) -> bool:
    """A PDF or a Word document, whatever its name says?"""
    if not content.startswith(b"PK\x03\x04"):
        return content.startswith(b"%PDF")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return "word/document.xml" in archive.namelist()
    except (zipfile.BadZipFile, ValueError, OSError):
        return False


def _decoded(content: bytes, name: str) -> tuple[str, tuple[Said, ...]]:
    """UTF-8, UTF-16 with its mark, or else the encoding of Chinese Windows."""
    for magic, kind in _MAGIC.items():
        if content.startswith(magic):
            raise PageError(f"file.is_{kind}", name=name)
    try:
        if content.startswith(UTF16_BOMS):
            return content.decode("utf-16"), (Said("file.as_utf16", {"name": name}),)
        if b"\x00" in content:
            raise PageError("file.binary", name=name)
        return content.removeprefix(UTF8_BOM).decode("utf-8"), ()
    except UnicodeDecodeError:
        return _from_gbk(content, name)


def _from_gbk(content: bytes, name: str) -> tuple[str, tuple[Said, ...]]:
    try:
        text = content.decode("gb18030")
    except UnicodeDecodeError:
        raise PageError("file.encoding", name=name) from None
    return text, (Said("file.as_gbk", {"name": name}),)


def _megabytes(size: int) -> str:
    return f"{size / 2**20:,.1f} MB" if size >= 2**20 else f"{size / 1024:,.1f} KB"
