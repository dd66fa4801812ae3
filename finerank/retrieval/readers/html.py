"""HTML through BeautifulSoup: headings, paragraphs, lists and tables, without what surrounds them on a web page."""

import re
from collections.abc import Iterator
from typing import Any, Final

from ...errors import UnreadableError
from ..types import Section, SourceDocument
from .encoding import cleaned, decoded
from .file import File, as_title
from .outline import Outline

_MOST_BYTES: Final = 32 * 2**20
"""Of a file; its tree takes some twenty times as much memory."""
_HEAD_BYTES: Final = 4096
_XML_HEAD: Final = re.compile(r"^\s*<\?xml[^>]*\?>")
_DROPPED: Final = frozenset(
    "script style noscript template svg math canvas iframe object embed audio video select button input textarea "
    "dialog head".split()
)
_AROUND: Final = frozenset("nav header footer aside".split())
_HEADINGS: Final = {f"h{level}": level for level in range(1, 7)}
_BLOCKS: Final = (
    frozenset(
        "p div section article main body html ul ol dl li dt dd table caption thead tbody tfoot tr blockquote figure "
        "figcaption "
        "form fieldset address hr pre details summary center td th".split()
    )
    | _AROUND
    | frozenset(_HEADINGS)
)
_HIDDEN: Final = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)


def read(file: File) -> Iterator[SourceDocument]:
    """One document."""
    yield document_of(_decoded(file), file)


def document_of(markup: str, file: File, title: str = "") -> SourceDocument:
    """The document of some HTML. Raises UnreadableError if it has no text.   title: where it has none itself."""
    from bs4 import BeautifulSoup

    if "<" not in markup:  # BeautifulSoup warns of what may be an address
        markup = f"<p>{markup}</p>"
    soup = BeautifulSoup(_XML_HEAD.sub("", markup), "lxml")
    outline, sections = _outlined(soup)
    if not sections:
        raise UnreadableError(f"{file.name} holds no text; if a program in it writes the text, save it from a browser")
    own = as_title(soup.title.get_text()) if soup.title else ""
    return SourceDocument(file.name, file.name, own or title or outline.first_heading or file.stem, sections)


def _outlined(soup: Any) -> tuple[Outline, list[Section]]:
    """A page that has all its text in its <header> or <aside> keeps that."""
    for dropped in (_DROPPED | _AROUND, _DROPPED):
        walk = _Walk(dropped)
        walk.over(soup)
        if sections := walk.outline.sections():
            break
    return walk.outline, sections


class _Walk:
    """Goes through a tree without recursion, however deep it is, and fills the outline."""

    def __init__(self, dropped: frozenset[str]) -> None:
        self.outline = Outline()
        self._dropped = dropped
        self._words: list[str] = []
        self._lines: list[str] = []  # of a list or table
        self._cells: list[list[str]] = []  # of the rows that are open
        self._lists = 0
        self._tables = 0
        self._preformatted = 0

    def over(self, soup: Any) -> None:
        from bs4.element import NavigableString, PreformattedString

        stack: list[tuple[Any, Iterator[Any]]] = [(soup, iter(soup.contents))]
        while stack:
            tag, children = stack[-1]
            child = next(children, None)
            if child is None:
                stack.pop()
                self._end(tag)
            elif isinstance(child, NavigableString):
                if not isinstance(child, PreformattedString):  # comments and the like
                    self._words.append(str(child))
            elif not self._is_dropped(child, stack):
                self._start(child)
                stack.append((child, iter(child.contents)))
        self._flush()
        self._end_lines()

    def _is_dropped(self, tag: Any, stack: list[tuple[Any, Any]]) -> bool:
        if tag.name == "header" and any(above.name in ("article", "main") for above, _ in stack):
            return False  # an article's own header has its title
        if tag.name in self._dropped or tag.has_attr("hidden") or tag.get("aria-hidden") == "true":
            return True
        style = tag.get("style")
        return isinstance(style, str) and bool(_HIDDEN.search(style))

    def _start(self, tag: Any) -> None:
        name = tag.name
        if name == "br":
            self._words.append("\n" if self._preformatted else " ")
        if name == "img" and tag.get("alt"):
            self._words.append(f" {tag['alt']} ")
        if name not in _BLOCKS:
            return
        self._flush()
        if name in ("ul", "ol", "dl"):
            self._lists += 1
        elif name == "table":
            self._tables += 1
        elif name == "tr":
            self._cells.append([])
        elif name in ("td", "th") and self._cells:
            self._cells[-1].append("")
        elif name == "pre":
            self._preformatted += 1

    def _end(self, tag: Any) -> None:
        name = tag.name
        if name in _HEADINGS and not self._tables and not self._lists:
            is_title = "title" in (tag.get("class") or ())
            self.outline.heading(0 if is_title else _HEADINGS[name], self._taken())
        elif name in ("td", "th") and self._cells:
            self._flush()
        elif name == "pre":
            self._flush()
            self._preformatted -= 1
        elif name in ("tr", "ul", "ol", "dl", "table"):
            self._flush()
            self._end_group(name)
        elif name in _BLOCKS:
            self._flush(is_item=name in ("li", "dt", "dd"))

    def _end_group(self, name: str) -> None:
        if name == "tr":
            row = " | ".join(self._cells.pop()) if self._cells else ""
            if row.strip(" |"):
                self._put(row)
        elif name == "table":
            self._tables -= 1
        else:
            self._lists -= 1
        self._end_lines()

    def _flush(self, is_item: bool = False) -> None:
        """What was collected becomes a cell, a line of a list, or a paragraph."""
        text = self._taken()
        if not text:
            return
        if not self._cells and self._lists:
            self._lines.append(f"{'  ' * (self._lists - 1)}- {text}")
        elif self._tables:
            self._put(text)
        else:
            self.outline.text(text)

    def _put(self, text: str) -> None:
        """Into the cell that is open, also of a table around this one; else on a line of its own."""
        if self._cells:
            row = self._cells[-1]
            row[-1:] = [f"{row[-1]} {text}".strip()] if row else [text]
        else:
            self._lines.append(text)

    def _end_lines(self) -> None:
        if self._lines and not self._lists and not self._tables:
            self.outline.text("\n".join(self._lines))
            self._lines = []

    def _taken(self) -> str:
        text = "".join(self._words)
        self._words = []
        return text.strip("\n") if self._preformatted else " ".join(text.split())


def _decoded(file: File) -> str:
    """By the mark at its beginning, by what it says itself, or as any text."""
    from bs4.dammit import EncodingDetector

    content = file.read()
    if len(content) > _MOST_BYTES:
        raise UnreadableError(
            f"{file.name} has {len(content) / 2**20:.0f} MB of HTML; at most {_MOST_BYTES // 2**20} are read, split it"
        )
    if content[:3] != b"\xef\xbb\xbf" and content[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        declared = EncodingDetector.find_declared_encoding(content[:_HEAD_BYTES], is_html=True)
        # Browsers, too, read these for what they are most often mistaken for.
        declared = {"iso-8859-1": "cp1252", "gb2312": "gb18030", "gbk": "gb18030"}.get(declared or "", declared)
        try:
            return cleaned(content.decode(declared or "utf-8"))
        except (LookupError, UnicodeDecodeError):
            pass
    return decoded(file)
