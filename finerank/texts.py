"""What can be said of a text without a model: is it valid, is it blank, where would windows over it lie."""

from collections.abc import Mapping, Sequence

from .errors import InputError

Window = tuple[int, int]
"""Characters [start, end) of a text."""


def check_text(text: object, what: str) -> str:
    """`text` itself if it is a valid Unicode string. Raises InputError that names `what` if not."""
    if not isinstance(text, str):
        raise InputError(f"{what} must be a string, not {type(text).__name__}")
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(
            f"{what} has the lone surrogate U+{ord(text[error.start]):04X} at character {error.start}, which is no "
            "text; decode its bytes with errors='replace'"
        ) from None
    return text


def check_query(query: object) -> str:
    """`query` itself. Raises InputError if it is no text, or blank."""
    text = check_text(query, "the query")
    if not text.strip():
        raise InputError("the query is empty; give the text to rank the documents for")
    return text


def check_list(items: object, what: str) -> None:
    """Raises InputError if `items` is no list, or an empty one."""
    if isinstance(items, str | bytes | Mapping) or not isinstance(items, Sequence):
        raise InputError(f"{what} must be a list, not {type(items).__name__}")
    if not items:
        raise InputError(f"{what} is empty; give at least one")


def text_of(document: object) -> str:
    """What is ranked of a document: itself, or a mapping's `text`. Raises InputError."""
    if type(document) is str and document.isascii():  # nothing to check; asking for a Mapping first is slow
        return document
    if isinstance(document, Mapping):
        if "text" not in document:
            raise InputError(f"a document that is a mapping needs the key 'text'; it has {list(document)[:6]}")
        return check_text(document["text"], "the document's text")
    return check_text(document, "the document")


def windows_of(offsets: Sequence[Window], length: int, size: int, overlap: float) -> list[Window]:
    """Overlapping windows over a tokenised text, in order, together covering all of it.

    offsets: the characters of each token.   length: of the text, in characters.
    size: tokens in a window, at least 1.   overlap: share of a window that the next one repeats, in [0, 1).
    """
    step = max(1, int(size * (1.0 - overlap)))
    if len(offsets) <= size:
        return [(0, length)]
    starts = list(range(0, len(offsets) - size, step))
    starts.append(len(offsets) - size)
    return [(offsets[start][0], offsets[start + size - 1][1]) for start in starts]
