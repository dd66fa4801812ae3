"""From files and arguments to documents. How their content is read is in finerank/documents.py."""

import sys
from pathlib import Path
from typing import Final

from ..documents import UTF8_BOM, UTF16_BOMS, Documents, Format, documents_of, format_of
from ..errors import InputError

__all__ = ["STANDARD_INPUT", "Documents", "Format", "gather_documents", "read_documents"]

STANDARD_INPUT: Final = "-"


def gather_documents(
    arguments: list[str], file: str | None, *, text_field: str = "text", form: Format | None = None
) -> Documents:
    """The documents of a command line: its own, or those of `file`. Raises InputError for none and for both."""
    if file is not None and arguments:
        raise InputError(f"{len(arguments)} documents were given beside --file {file}; give one or the other")
    if file is not None:
        return read_documents(file, text_field=text_field, form=form)
    if not arguments:
        raise InputError("no documents; give them after the query, or --file FILE, or --file - for standard input")
    return Documents(list(arguments), list(arguments))


def read_documents(file: str, *, text_field: str = "text", form: Format | None = None) -> Documents:
    """The documents of a file in UTF-8, or of standard input if `file` is "-".

    text_field: which key of an object, or column of a CSV, holds the text.
    form: None = by the file's suffix, and text where that says nothing.
    """
    name = "standard input" if file == STANDARD_INPUT else file
    form = form or _form_of(file)
    content, warnings = _decoded(_read(file), name)
    documents = documents_of(content, name, form, text_field=text_field)
    documents.warnings = warnings
    return documents


def _form_of(file: str) -> Format:
    if Path(file).suffix.lower() == ".json":
        raise InputError(
            f"{file}: a whole JSON value is not read; write one JSON string or object a line and say --format jsonl"
        )
    return format_of(file)


def _read(file: str) -> bytes:
    if file == STANDARD_INPUT:
        return sys.stdin.buffer.read()
    try:
        return Path(file).expanduser().read_bytes()
    except FileNotFoundError:
        raise InputError(f"there is no file {file}") from None
    except IsADirectoryError:
        raise InputError(f"{file} is a folder; name a file with one document a line") from None
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from None


def _decoded(content: bytes, name: str) -> tuple[str, list[str]]:
    """The text without its byte-order mark, and a warning if bytes had to be replaced."""
    content = content.removeprefix(UTF8_BOM)
    if not content.strip():
        raise InputError(f"{name} is empty; it needs at least one document")
    if content.startswith(UTF16_BOMS):
        raise InputError(f"{name} is UTF-16; save it as UTF-8")
    lines = content.split(b"\n")
    texts = [line.decode("utf-8", errors="replace") for line in lines]
    num_bad = sum(_is_undecodable(line) for line in lines)
    if not num_bad:
        return "\n".join(texts), []
    warning = f"{name}: bytes that are not UTF-8 were replaced by \N{REPLACEMENT CHARACTER} in {num_bad} of"
    return "\n".join(texts), [f"{warning} {len(lines) - (not lines[-1])} lines"]


def _is_undecodable(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False
