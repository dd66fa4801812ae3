"""What a file is, by its first bytes."""

import re
from typing import Final

from ...errors import UnreadableError
from .file import File

_HEAD_BYTES: Final = 1024
_HTML: Final = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)


def kind_of(file: File) -> str:
    """The name of the reader for a file whose suffix says nothing. Raises UnreadableError for old Office files."""
    head = file.head(_HEAD_BYTES)
    if b"%PDF-" in head:
        return "pdf"
    if head.startswith(b"PK\x03\x04"):
        return "docx"
    refuse_office(head, file.name)
    return "html" if _HTML.match(head.removeprefix(b"\xef\xbb\xbf")) else "text"


def refuse_office(head: bytes, name: str) -> None:
    """Raises UnreadableError for the old binary formats of Office, and for newer ones with a password."""
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        raise UnreadableError(
            f"{name} is an old Word file (.doc), or an Office file with a password; save it as docx without a password"
        )
