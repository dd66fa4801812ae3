"""Headings and the text below them, as they come, to sections."""

from ..types import Section
from .file import as_title


class Outline:
    """Collects sections. A heading without any text below it becomes text itself, so that nothing is lost."""

    def __init__(self) -> None:
        self._sections: list[Section] = []
        self._path: list[_Heading] = []
        self._blocks: list[str] = []
        self._page: int | None = None
        self.first_heading = ""

    def heading(self, level: int, text: str) -> None:
        """level: of lower ones all above are kept."""
        title = as_title(text)
        if not title:
            return
        self._close()
        while self._path and self._path[-1].level >= level:
            self._pop()
        self._path.append(_Heading(level, title))
        self.first_heading = self.first_heading or title

    def text(self, text: str, page: int | None = None) -> None:
        """A paragraph, table or block of code, which is kept as it is."""
        if not text.strip():
            return
        if page != self._page:
            self._close()
            self._page = page
        self._blocks.append(text.strip("\n"))

    def sections(self) -> list[Section]:
        """All of them; the outline is at its end."""
        self._close()
        while self._path:
            self._pop()
        return self._sections

    def _close(self) -> None:
        if not self._blocks:
            return
        headings = tuple(each.title for each in self._path)
        self._sections.append(Section("\n\n".join(self._blocks), self._page, headings))
        self._blocks = []
        for each in self._path:
            each.is_used = True

    def _pop(self) -> None:
        last = self._path.pop()
        if not last.is_used:
            self._sections.append(Section(last.title, self._page, tuple(each.title for each in self._path)))
            for each in self._path:
                each.is_used = True


class _Heading:
    def __init__(self, level: int, title: str) -> None:
        self.level, self.title, self.is_used = level, title, False
