"""From bytes to characters: in which encoding a file was written, and what of it is no text."""

import codecs
import io
import re
from dataclasses import dataclass
from typing import Final

from ...errors import UnreadableError
from .file import File

CONTROLS: Final = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff\ue000\ufff9-\ufffb]")
"""Characters that stand for nothing; tabs, line ends and form feeds are none of them."""
_WINDOWS: Final = {
    byte: bytes([byte]).decode("cp1252")
    for byte in range(0x80, 0xA0)
    if byte not in (0x81, 0x85, 0x8D, 0x8F, 0x90, 0x9D)
}
"""Control characters that are the quotation marks and dashes of Windows, decoded as Latin-1 by somebody before."""
_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_BLOCK_BYTES: Final = 2**20
_SAMPLE_BYTES: Final = 2**14
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LEGACY: Final = "cp1252 gb18030 big5 cp932 euc_jp cp949 cp1250 cp1251 koi8_r cp1253 cp1254 cp1255 cp1256".split()
"""Encodings that files without a mark still come in, the first wins where two fit alike."""
_OTHER_KINDS: Final = {
    b"%PDF-": "a PDF; give it the suffix .pdf",
    b"PK\x03\x04": "a zip file (docx is one); give it the suffix of its format, or unpack it",
    b"\x1f\x8b": "a gzip file; unpack it",
    b"\x89PNG": "a picture; recognise its text (OCR) first",
    b"\xff\xd8\xff": "a picture; recognise its text (OCR) first",
    b"\xd0\xcf\x11\xe0": "an old Office file; save it as docx",
}
_MOST_CONTROLS: Final = 0.03
"""Share of a text's bytes; random bytes have a tenth."""
_MOST_DAMAGE: Final = 0.1
"""Share of characters beyond ASCII that may be broken in a text that is otherwise UTF-8."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """name: Python's.   has_pages: there are form feeds, which stand between pages."""

    name: str
    has_pages: bool = False


def encoding_of(file: File) -> Encoding:
    """How to decode a text file with errors="replace". Reads all of it once, a block at a time.

    Raises UnreadableError for what is no text. What had to be guessed is noted.
    """
    head = file.head(_SAMPLE_BYTES)
    for bom, name in _BOMS:
        if head.startswith(bom):
            return Encoding(name, True)
    if _is_utf16(head):
        return Encoding("utf-16-le" if head[1:2] == b"\0" else "utf-16-be", True)
    _refuse_binary(head, file.name)
    bad, has_pages = _scan_utf8(file)
    if bad is None:
        return Encoding("utf-8", has_pages)
    name = _damaged_utf8(bad) or _guess(_whole_lines(bad), file)
    file.notes.append(
        f"{file.name}: some bytes are no UTF-8 and are shown as \ufffd"
        if name == "utf-8"
        else f"{file.name}: is no UTF-8 and was read as {name}; save it as UTF-8 if that is wrong"
    )
    return Encoding(name, has_pages)


def cleaned(text: str) -> str:
    """Without characters that stand for nothing, and with U+FFFD for lone surrogates."""
    if text.isascii():
        return CONTROLS.sub("", text)
    return _SURROGATES.sub("\ufffd", CONTROLS.sub("", text.translate(_WINDOWS)))


def decoded(file: File) -> str:
    """All of a text file. Raises UnreadableError for what is no text."""
    encoding = encoding_of(file)
    with io.TextIOWrapper(file.open(), encoding=encoding.name, errors="replace") as stream:
        return cleaned(stream.read())


def _refuse_binary(head: bytes, name: str) -> None:
    for magic, kind in _OTHER_KINDS.items():
        if head.startswith(magic):
            raise UnreadableError(f"{name} is no text but {kind}")
    num_controls = sum(head.count(byte) for byte in range(32) if byte not in b"\t\n\r\f\x1b")
    if num_controls > max(2, _MOST_CONTROLS * len(head)):
        raise UnreadableError(
            f"{name} holds no text but binary data; give it the suffix of its format, or leave it out"
        )


def _is_utf16(head: bytes) -> bool:
    """Latin text in UTF-16 without its mark: every second byte is null."""
    return len(head) >= 4 and any(
        head[start::2].count(0) > 0.4 * len(head) / 2 > head[1 - start :: 2].count(0) * 4 for start in (0, 1)
    )


def _scan_utf8(file: File) -> tuple[bytes | None, bool]:
    """(the first block that is no UTF-8, None if all are; is there a form feed)."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    has_pages, bad = False, None
    with file.open() as stream:
        while block := stream.read(_BLOCK_BYTES):
            has_pages = has_pages or b"\f" in block
            if bad is None:
                try:
                    decoder.decode(block, final=len(block) < _BLOCK_BYTES)
                except UnicodeDecodeError as error:
                    bad = block[max(0, error.start - _SAMPLE_BYTES // 2) :][:_SAMPLE_BYTES]
    return bad, has_pages


def _damaged_utf8(sample: bytes) -> str | None:
    """The name of UTF-8 if only a few characters are broken."""
    text = sample.decode("utf-8", "replace")[1:-1]
    num_bad = text.count("\ufffd")
    return "utf-8" if num_bad < _MOST_DAMAGE * sum(not each.isascii() for each in text) else None


def _guess(sample: bytes, file: File) -> str:
    from charset_normalizer import from_bytes

    matches = from_bytes(sample, cp_isolation=_LEGACY)
    if not matches:
        raise UnreadableError(f"{file.name} is in an unknown encoding, or no text; save it as UTF-8")
    ranked = (
        (round(match.chaos, 2), -round(match.coherence, 1), _LEGACY.index(name))
        for match in matches
        for name in match.could_be_from_charset
    )
    return _LEGACY[min(ranked)[2]]


def _whole_lines(sample: bytes) -> bytes:
    """Without the ends of characters that a cut may have left at its borders."""
    inner = sample[sample.find(b"\n") + 1 :] if len(sample) == _SAMPLE_BYTES else sample
    end = inner.rfind(b"\n")
    return inner[: end + 1] if len(sample) == _SAMPLE_BYTES and end > 0 else inner
