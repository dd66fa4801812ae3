import time

import pytest

from finerank.retrieval.snippets import Snippet, snippet

FILLER = "The pump is filled with oil before it is started for the first time. " * 6
ANSWER = "Alarm E07 means that the signal of the hydraulic pressure sensor is missing."
QUERY = "What does alarm E07 mean?"


def marked(found: Snippet) -> list[str]:
    return [found.text[start:end] for start, end in found.spans]


def test_the_sentence_that_speaks_to_the_query_is_shown() -> None:
    found = snippet(FILLER + ANSWER + " " + FILLER, QUERY, 120)
    assert ANSWER in found.text
    assert found.text.startswith("… ")
    assert found.text.endswith(" …")
    assert not found.is_whole
    assert marked(found) == ["Alarm", "E07", "means"]
    assert len(found.text) <= 124


def test_a_short_passage_is_shown_whole() -> None:
    assert snippet(ANSWER, QUERY).is_whole
    assert snippet(f"  {ANSWER}\n\nNext ", QUERY).text == f"{ANSWER} Next"


def test_endings_differ_codes_do_not() -> None:
    assert marked(snippet("Sensors of pressure, E070 and E07.", "pressures sensor E07")) == [
        "Sensors",
        "pressure",
        "E07",
    ]


@pytest.mark.parametrize("query", ["E07", "E-07", "e 07", "E 07", "What is E_07?"])
@pytest.mark.parametrize("written", ["E07", "E-07", "E 07", "e07"])
def test_a_code_is_found_however_it_is_written(query: str, written: str) -> None:
    """As the recall finds it: the passage was found for the code, so the snippet has to show it."""
    answer = f"Alarm {written} means that the signal of the sensor is missing."
    found = snippet(FILLER + answer + " " + FILLER, query, 120)
    assert answer in found.text
    assert marked(found) == [written]


@pytest.mark.parametrize(
    ("query", "text", "expected"),
    [
        ("E07", "E070, XE07, E-071 and E.07", ["E.07"]),
        ("AB-1234", "AB1234/5 or 1234, not AB-12345", ["AB1234", "1234"]),
        ("ISO 9001", "ISO-9001:2015, ISO and 9001", ["ISO-9001", "ISO", "9001"]),
        ("10.12", "1012 and 10.12", ["10.12"]),
        ("step 5", "3.5 or 5, step 5.", ["5", "step", "5"]),
        ("报警E-07", "报警E07表示", ["报警E07"]),
        ("a1b2c3d4e5f6/page77", "see page 77 and PAGE of a1b2c3d4e5f6", ["page", "PAGE"]),
    ],
)
def test_codes_and_numbers(query: str, text: str, expected: list[str]) -> None:
    assert marked(snippet(text, query)) == expected


def test_a_long_query_costs_little() -> None:
    """A contract as the query, and its codes: 0.4 s a passage once."""
    query = " ".join(f"clause{chr(97 + n % 26)}{chr(97 + n // 26 % 26)} {n} A{n}-7" for n in range(2000))
    passages = [f"{number} {FILLER} clauseab A3-7 {FILLER}" for number in range(50)]
    snippet("warm up", query)
    started = time.perf_counter()
    assert all("clauseab A3-7" in " ".join(marked(snippet(each, query))) for each in passages)
    assert time.perf_counter() - started < 2.0


def test_words_of_form_are_not_marked() -> None:
    assert marked(snippet("What is it and how does it work? The valve.", "What is the valve?")) == ["valve"]


@pytest.mark.parametrize("length", [20, 35, 50, 80, 200])
def test_words_are_never_cut(length: int) -> None:
    text = FILLER + ANSWER + " " + FILLER
    shown = snippet(text, QUERY, length).text.replace("…", "").split()
    assert set(shown) <= set(text.split())
    assert "E07" in shown


def test_chinese() -> None:
    filler = "启动前请检查液压油的油位，并确认所有阀门处于关闭状态。" * 10
    answer = "报警E07表示液压压力传感器信号丢失。"
    found = snippet(filler + answer + filler, "报警代码E07是什么意思？", 60)
    assert answer in found.text
    assert marked(found) == ["报警E07"]
    assert snippet(filler + answer, "压力传感器", 40).text.endswith(answer)


def test_another_language_gives_the_beginning() -> None:
    found = snippet(FILLER, "液压泵", 100)
    assert found.text.startswith("The pump")
    assert found.spans == ()


def test_one_word_longer_than_the_snippet() -> None:
    assert snippet("x" * 500, "y", 100) == Snippet(f"{'x' * 100} …", (), is_whole=False)


def test_spans_are_in_order_and_apart() -> None:
    found = snippet("液压压力传感器信号 and alarm alarm", "液压压力传感器 alarm")
    assert all(before[1] < after[0] for before, after in zip(found.spans, found.spans[1:], strict=False))
    assert marked(found)[0] == "液压压力传感器"
