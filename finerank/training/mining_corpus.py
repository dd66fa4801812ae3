"""Documents to mine among, from a file that is no training data."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..documents import documents_of, format_of
from ..errors import InputError
from ..evaluation.files import raw_lines
from ..evaluation.types import CorpusDocument


def read_documents(file: Path, warnings: list[str]) -> list[str]:
    """Texts of a .jsonl (strings, or objects with text and perhaps title, as BEIR's), a .csv with text, or a file with
    one document a line; title and text as one, as BEIR's are read.

    Raises InputError naming the line of what is no text, and for a file without documents.
    """
    path = file.expanduser()
    if path.is_dir():
        raise InputError(f"{file} is a folder; --corpus is a file of documents, such as corpus.jsonl in it")
    found = documents_of("".join(raw_lines(path, warnings)), str(file), format_of(path.name))
    return list(_texts(file, found.texts, found.originals))


def _texts(file: Path, texts: list[Any], originals: list[Any]) -> Iterator[str]:
    for number, (text, original) in enumerate(zip(texts, originals, strict=True), start=1):
        title = original.get("title") if isinstance(original, dict) else None
        if not isinstance(text, str) or not isinstance(title, str | None):
            raise InputError(f"{file}, document {number}: text and title must be strings")
        full = CorpusDocument(text, title or "").full_text
        # A lone surrogate can be written in JSON, but no model can read it.
        yield full if full.isascii() else full.encode("utf-8", "replace").decode("utf-8")
