"""How the tests here read a file that they made."""

from finerank.retrieval.readers import read_bytes
from finerank.retrieval.types import SourceDocument


def documents_of(content: bytes | str, name: str) -> tuple[list[SourceDocument], list[str]]:
    """(documents, notes)."""
    notes: list[str] = []
    content = content.encode() if isinstance(content, str) else content
    return list(read_bytes(content, name, notes)), notes


def document_of(content: bytes | str, name: str) -> SourceDocument:
    """The only one, read without a note."""
    documents, notes = documents_of(content, name)
    assert len(documents) == 1
    assert notes == []
    return documents[0]


def text_of(document: SourceDocument) -> str:
    return "\n\n".join(section.text for section in document.sections)
