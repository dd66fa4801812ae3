"""When are two texts the same? Case, white space and Unicode form do not count; a query's final punctuation neither."""

import unicodedata
from typing import Final

_FINAL: Final = " ?!.,;:。"  # NFKC makes these of their wide forms


def folded(text: str) -> str:
    """NFKC, case folded, white space as single spaces."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return " ".join(text.casefold().split())


def folded_query(text: str) -> str:
    return folded(text).rstrip(_FINAL)


class TextNumbers:
    """The same number for texts that are the same, of 64 bits, so that no second copy of a million texts is kept.

    Numbers hold within one process only.
    """

    def __init__(self) -> None:
        self._documents: dict[str, int] = {}

    def document(self, text: str) -> int:
        number = self._documents.get(text)
        if number is None:
            number = self._documents[text] = hash(folded(text))
        return number

    def query(self, text: str) -> int:
        return hash(folded_query(text))
