"""What can be said of a text without a model: is it valid, is it blank, where would windows over it lie."""

from collections.abc import Sequence

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
