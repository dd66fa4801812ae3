import pytest

from finerank.retrieval.readers.text import PART_CHARACTERS

from .reading import document_of, documents_of, text_of

MANUAL = """---
title: "Press: manual"
tags: [a]
---
Before any heading.

# Alarms `E07`

A *first* paragraph
of two lines.

```python
# no heading

def stop(): ...
```

Codes
-----

| code | meaning |
|------|---------|
| E07  | sensor  |

- one
- two

<div align="center"><!-- hidden --><b>shown</b></div>

### Deep
end
"""


def test_structure() -> None:
    document = document_of(MANUAL, "a.md")
    assert document.title == "Press: manual"
    assert [(section.headings, section.text) for section in document.sections] == [
        ((), "Before any heading."),
        (("Alarms E07",), "A *first* paragraph\nof two lines.\n\n```python\n# no heading\n\ndef stop(): ...\n```"),
        (
            ("Alarms E07", "Codes"),
            "| code | meaning |\n|------|---------|\n| E07  | sensor  |\n\n- one\n- two\n\nshown",
        ),
        (("Alarms E07", "Codes", "Deep"), "end"),
    ]


def test_the_title_is_the_first_heading_or_the_name() -> None:
    assert document_of("text\n\n## Second level\n\nmore", "a.md").title == "Second level"
    assert document_of("- [ ] item\n" * 40 + "x " * 80, "dir/notes.md").title == "- [ ] item"


@pytest.mark.parametrize(
    "between", ["Alarm E07: stop the press.", "Just a line.\ntitle: not here", "", "# only a remark"]
)
def test_text_between_two_rules_is_no_front_matter(between: str) -> None:
    (section,) = document_of(f"---\n{between}\n---\n\nmore\n", "a.md").sections
    said = [*" ".join(section.headings).split(), *section.text.split()]  # a line over a rule is a heading
    assert said == [*between.replace("#", "").split(), "more"]


@pytest.mark.parametrize(
    "lines", ["title: A\n# remark\n\ntags:\n  - a\n- b\nnext: [1,\n  2\n]", "'a title': x\n\"b\":", "og:title: x"]
)
def test_yaml_is_front_matter(lines: str) -> None:
    assert text_of(document_of(f"---\n{lines}\n---\nText.\n", "a.md")) == "Text."


def test_only_the_first_part_of_a_large_file_has_front_matter() -> None:
    filler = "word " * 15 + "\n"
    block = "---\nkey: value of a later part\n---\n"
    first = filler * (PART_CHARACTERS // len(filler) - 10)
    content = f"{first}\n\n{block}{filler * 30}"
    documents, _ = documents_of(content, "a.md")
    assert len(documents) == 2
    assert documents[1].sections[0].headings == ("key: value of a later part",)


def test_headings_alone_are_text() -> None:
    sections = document_of("# One\n\n# Two\n", "a.md").sections
    assert [(section.headings, section.text) for section in sections] == [((), "One"), ((), "Two")]


def test_pathological_nesting() -> None:
    assert document_of("> " * 5000 + "deep\n\n" + "[" * 5000 + "\n", "a.md").sections
