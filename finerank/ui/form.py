"""From what stands in a form to documents, or to a sentence that says why not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..documents import Documents, MissingFieldError, documents_of, format_of
from ..server.problems import problem_of
from ..types import Document
from .render import Html, error_html, joined, line_html, said_html
from .texts import Language, PageError, Said, say
from .upload import Upload


@dataclass(frozen=True, slots=True)
class Given:
    """documents: to be ranked.   originals: what is handed back.   notices: about the file they came from."""

    documents: Sequence[Document]
    originals: Sequence[Any]
    notices: Sequence[Said] = ()
    is_file: bool = False

    def said(self, language: Language) -> list[str]:
        return [say(language, notice.key, **notice.values) for notice in self.notices]


def given_documents(typed: str, upload: Upload | None, field: str, limit: int) -> Given:
    """The documents of the file, or else the lines of the box. Raises PageError, InputError."""
    if upload is None:
        lines = [line.strip() for line in (typed or "").split("\n")]
        texts = [line for line in lines if line]
        given = Given(texts, texts)
    else:
        read = documents_in(upload, field)
        documents = read.texts if upload.passages is not None else [_document(text) for text in read.texts]
        given = Given(documents, read.originals, upload.notices, is_file=True)
    if not given.documents:
        raise PageError("error.documents")
    if len(given.documents) > limit:
        key = "error.many" if upload is None or upload.passages is None else "file.many_passages"
        raise PageError(key, count=f"{len(given.documents):,}", limit=f"{limit:,}")
    return given


def documents_in(upload: Upload, field: str) -> Documents:
    """The documents of a file. Raises PageError, InputError."""
    if upload.passages is not None:
        return Documents(list(upload.passages), list(upload.passages))
    if upload.suffix == ".json":
        raise PageError("file.json", name=upload.name)
    name = (field or "").strip() or "text"
    try:
        return documents_of(upload.text, upload.name, format_of(upload.name), text_field=name)
    except MissingFieldError as error:
        raise PageError(f"file.no_{error.kind}", place=error.place, name=error.name, found=error.found) from None


def about_file_html(language: Language, upload: Upload, field: str) -> Html:
    """What is in the file, and what had to be assumed. Raises PageError, InputError."""
    count = len(documents_in(upload, field).texts)
    key = "file.read" if upload.passages is None else "file.read_passages"
    line = line_html(say(language, key, name=upload.name, count=f"{count:,}"))
    return joined(line, said_html(language, upload.notices))


def check_query(query: str) -> None:
    """Raises PageError if it is blank."""
    if not (query or "").strip():
        raise PageError("error.query")


def failure_html(language: Language, error: Exception) -> Html:
    return error_html(sentence_of(language, error))


def sentence_of(language: Language, error: Exception) -> str:
    """In the reader's language where it is a matter of the page, in the server's words where not."""
    if isinstance(error, PageError):
        return say(language, error.said.key, **error.said.values)
    return problem_of(error).message


def _document(text: Any) -> Document:
    """What is no text becomes a document with an error of its own."""
    return text if isinstance(text, str) else {"text": text}
