from .reading import document_of

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


def test_headings_alone_are_text() -> None:
    sections = document_of("# One\n\n# Two\n", "a.md").sections
    assert [(section.headings, section.text) for section in sections] == [((), "One"), ((), "Two")]


def test_pathological_nesting() -> None:
    assert document_of("> " * 5000 + "deep\n\n" + "[" * 5000 + "\n", "a.md").sections
