"""A file that the browser read and sent along with the form. Nothing of it is kept on this machine.

The page's own component reads it (page.js), because Gradio's would first store it in a folder of the server.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Final

from ..documents import UTF8_BOM, UTF16_BOMS
from .texts import PageError, Said

_MAGIC: Final = {
    b"PK\x03\x04": "zip",
    b"%PDF": "pdf",
    b"\xd0\xcf\x11\xe0": "office",
    b"\x1f\x8b": "gzip",
}


@dataclass(frozen=True, slots=True)
class Upload:
    """text: its content.   notices: what the reader had to assume."""

    name: str
    text: str
    notices: tuple[Said, ...] = ()

    @property
    def suffix(self) -> str:
        return PurePath(self.name).suffix.lower()


def most_bytes(max_body_bytes: int) -> int:
    """Of a file, so that it fits into a request: base64 makes it larger by a third, and the form comes with it."""
    return max_body_bytes * 2 // 3


def read_upload(sent: Mapping[str, Any] | None, limit: int) -> Upload | None:
    """What the browser sent; None if no file was chosen. Raises PageError for what is no text."""
    if not sent:
        return None
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
    text, notices = _decoded(content, name)
    if not text.strip():
        raise PageError("file.empty", name=name)
    return Upload(name, text, notices)


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
