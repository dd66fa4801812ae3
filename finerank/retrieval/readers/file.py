"""What a reader is given: a file on the disk, or the bytes of one that somebody sent."""

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from ...errors import UnreadableError

MOST_TITLE: Final = 200
"""Characters of a title; what is longer is a paragraph that was marked as one."""


@dataclass(frozen=True, slots=True)
class File:
    """name: the path as the user sees it.   path, content: one of them.   notes: for what could not be read of it."""

    name: str
    path: Path | None = None
    content: bytes | None = None
    notes: list[str] = field(default_factory=list)

    def open(self) -> BinaryIO:
        """From its beginning. Raises UnreadableError."""
        if self.path is None:
            return io.BytesIO(self.content or b"")
        try:
            return self.path.open("rb")
        except OSError as error:
            raise UnreadableError(
                f"{self.name} cannot be opened ({error.strerror}); check its path and its rights"
            ) from None

    def head(self, num_bytes: int) -> bytes:
        """Its first bytes. Raises UnreadableError."""
        try:
            with self.open() as stream:
                return stream.read(num_bytes)
        except OSError as error:
            raise UnreadableError(
                f"{self.name} cannot be read ({error.strerror}); check its disk, or copy it"
            ) from None

    def read(self) -> bytes:
        """All of it. Raises UnreadableError."""
        if self.content is not None:
            return self.content
        with self.open() as stream:
            return stream.read()

    @property
    def stem(self) -> str:
        """The name without folders and suffix: the title of last resort."""
        return Path(self.name.replace("\\", "/")).stem or self.name


def as_title(text: str) -> str:
    """One line of at most MOST_TITLE characters."""
    line = " ".join(text.split())
    return line if len(line) <= MOST_TITLE else line[: MOST_TITLE - 1].rstrip() + "…"
