"""Markdown: sections between the headings; paragraphs, lists, tables and blocks of code as they were written."""

import re
from collections.abc import Iterator
from typing import Any, Final

from ..types import SourceDocument
from . import text
from .file import File, as_title
from .outline import Outline

_FRONT_MATTER: Final = re.compile(r"\A---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_KEY: Final = re.compile(r"""(?:[\w.-]+|"[^"]+"|'[^']+')[ \t]*:(?:[ \t]|$)""")
_OTHER_YAML: Final = re.compile(r"-(?:[ \t]|$)|[ \t]|#|[]}]|$")
"""How lines of YAML begin that hold no key: an item of a list, a line that goes on, a comment, an end."""
_FRONT_TITLE: Final = re.compile(r"""^title:\s*(['"]?)(.+?)\1\s*$""", re.MULTILINE)
_TAG: Final = re.compile(r"<[^<>]*>")
_COMMENT: Final = re.compile(r"<!--.*?-->", re.DOTALL)


def read(file: File) -> Iterator[SourceDocument]:
    """One document; a large file becomes several, as with plain text."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark").enable("table")
    title = ""
    for number, part in enumerate(text.read(file)):
        content = "\n".join(section.text for section in part.sections)
        front = _front_matter(content) if number == 0 else None
        if front:
            content = content[front.end() :]
        outline = _outline(parser, content)
        title = title or _front_title(front) or outline.first_heading or part.title
        sections = outline.sections()
        if sections:
            yield SourceDocument(part.id, part.source, title, sections)


def _front_matter(content: str) -> re.Match[str] | None:
    """The block of YAML that a file begins with. Text between two rules is none."""
    found = _FRONT_MATTER.match(content)
    lines = found[1].split("\n") if found else []
    has_key = any(map(_KEY.match, lines))
    return found if has_key and all(_KEY.match(line) or _OTHER_YAML.match(line) for line in lines) else None


def _outline(parser: Any, content: str) -> Outline:
    outline = Outline()
    lines = content.split("\n")
    tokens = parser.parse(content)
    for token, inner in zip(tokens, [*tokens[1:], None], strict=True):
        if token.level or token.map is None:
            continue
        if token.type == "heading_open" and inner is not None:
            outline.heading(int(token.tag[1:]), _plain(inner))
        elif token.type == "html_block":
            outline.text(_TAG.sub(" ", _COMMENT.sub("", token.content)).strip())
        elif token.type != "hr":
            outline.text("\n".join(lines[token.map[0] : token.map[1]]))
    return outline


def _plain(inline: Any) -> str:
    """A heading's words, without the signs that make them bold or a link."""
    return "".join(child.content if child.type != "softbreak" else " " for child in inline.children or ())


def _front_title(front: re.Match[str] | None) -> str:
    found = _FRONT_TITLE.search(front[1]) if front else None
    return as_title(found[2]) if found else ""
