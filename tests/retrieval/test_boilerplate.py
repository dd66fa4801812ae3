import random

from finerank.retrieval.boilerplate import Zone, boilerplate_lines, without_boilerplate
from finerank.retrieval.types import Section

_WORDS = "pump valve sensor pressure oil cable relay motor filter tank switch hose seal bearing gauge".split()


def _body(seed: int, num_lines: int = 12) -> list[str]:
    words = random.Random(seed)
    return [" ".join(words.choices(_WORDS, k=9)).capitalize() + "." for _ in range(num_lines)]


def _stripped(pages: list[list[str]]) -> tuple[list[list[str]], list[str]]:
    """(what is left of each page, the lines that are on none of them any more)."""
    sections = without_boilerplate([Section("\n".join(page), number) for number, page in enumerate(pages, 1)])
    kept = [section.text.split("\n") for section in sections]
    left = {line for page in kept for line in page}
    return kept, list(dict.fromkeys(line for page in pages for line in page if line.strip() and line not in left))


def test_header_and_page_number() -> None:
    bodies = [_body(number) for number in range(20)]
    pages = [["HP-200 manual, alarm E07", *body, f"Page {number} of 20"] for number, body in enumerate(bodies, 1)]
    assert _stripped(pages) == (
        bodies,
        ["HP-200 manual, alarm E07", *[f"Page {number} of 20" for number in range(1, 21)]],
    )


def test_left_and_right_pages() -> None:
    bodies = [_body(number) for number in range(30)]
    pages = [
        [f"{number} | ACME" if number % 2 == 0 else f"Hydraulics | {number}", *body]
        for number, body in enumerate(bodies, 41)
    ]
    assert _stripped(pages)[0] == bodies


def test_headers_of_chapters() -> None:
    bodies = [_body(number) for number in range(25)]
    pages = [[f"Chapter of the {_WORDS[number // 5]}", *body, f"- {number} -"] for number, body in enumerate(bodies)]
    kept, removed = _stripped(pages)
    assert kept == bodies
    assert [line for line in removed if line.startswith("Chapter")] == [f"Chapter of the {word}" for word in _WORDS[:5]]


def test_several_lines_of_letterhead() -> None:
    bodies = [_body(number) for number in range(10)]
    pages = [
        ["ACME Ltd.", "Pump Street 1", "", *body, "Rev. 3", f"Seite {number}"] for number, body in enumerate(bodies)
    ]
    assert [[line for line in page if line] for page in _stripped(pages)[0]] == bodies


def test_a_line_of_three_bodies_stays() -> None:
    pages = [["HP-200 manual", *_body(number), str(number)] for number in range(30)]
    for number in (3, 11, 24):
        pages[number].insert(1, "Alarm E07 means a fault of the pressure sensor.")
        pages[number].insert(8, "Switch the press off.")
    kept, removed = _stripped(pages)
    assert sum("Alarm E07" in line for page in kept for line in page) == 3
    assert sum("Switch the press" in line for page in kept for line in page) == 3
    assert "HP-200 manual" in removed


def test_numbers_that_are_no_page_numbers_stay() -> None:
    """One alarm a page, each on its page of that number: the worst case for a rule of numbers that grow."""
    pages = [
        [f"Alarm {number}", f"Alarm E{number:02}", *_body(number), f"See alarm {number + 1}"] for number in range(1, 30)
    ]
    assert _stripped(pages) == (pages, [])


def test_a_title_with_a_bare_number_goes_only_from_a_margin() -> None:
    pages = [[f"HP-200 Service Manual {number}", *_body(number)] for number in range(1, 12)]
    assert _stripped(pages) == (pages, [])
    zones = [[Zone.TOP_MARGIN] + [Zone.BODY] * (len(page) - 1) for page in pages]
    assert boilerplate_lines(pages, zones) == [{0}] * 11


def test_lines_in_the_body_never_go() -> None:
    pages = [["Code Meaning Action", *_body(number)] for number in range(20)]
    assert boilerplate_lines(pages, [[Zone.BODY] * len(page) for page in pages]) == [set()] * 20


def test_short_documents() -> None:
    two = [["Dear Madam", *_body(1), "Page 1 of 2"], ["Dear Madam", *_body(2), "Page 2 of 2"]]
    kept, removed = _stripped(two)
    assert removed == ["Page 1 of 2", "Page 2 of 2"]
    assert [page[0] for page in kept] == ["Dear Madam", "Dear Madam"]
    three = [["ACME report", *_body(number)] for number in range(3)]
    assert _stripped(three)[1] == ["ACME report"]
    assert _stripped([["ACME report", *_body(1)]]) == ([["ACME report", *_body(1)]], [])


def test_pages_that_are_all_alike_are_kept() -> None:
    pages = [["Form 7", "Name", "Date"]] * 6
    assert _stripped(pages) == (pages, [])


def test_blank_pages_and_sections_without_pages() -> None:
    sections = [Section("HP\n" + "\n".join(_body(number)), number) for number in range(1, 8)]
    sections.insert(3, Section("HP", 9))
    sections.append(Section("HP\nloose"))
    kept = without_boilerplate(sections)
    assert all("HP" not in section.text for section in kept[:-1])
    assert len(kept) == 8
    assert kept[-1] == Section("HP\nloose")


def test_headings_and_pages_of_sections_are_kept() -> None:
    sections = [Section(f"top\n{_body(number)[0]}", number, ("A", str(number))) for number in range(1, 9)]
    kept = without_boilerplate(sections)
    assert [(section.page, section.headings) for section in kept] == [
        (number, ("A", str(number))) for number in range(1, 9)
    ]
    assert [section.text for section in kept] == [_body(number)[0] for number in range(1, 9)]


def test_no_pages_at_all() -> None:
    assert without_boilerplate([]) == []
