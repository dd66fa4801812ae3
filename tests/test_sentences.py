"""Where sentences lie, in several scripts."""

import pytest

from finerank.sentences import sentence_windows, whole_sentences


def sentences(text: str, most: int = 1000) -> list[str]:
    return [text[start:end] for start, end in sentence_windows(text, most)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ('He said "Stop." Then he left.', ['He said "Stop."', "Then he left."]),
        (
            "See Fig. 2 and e.g. Dr. Smith, p. 12. Pi is 3.14 here.",
            ["See Fig. 2 and e.g. Dr. Smith, p. 12.", "Pi is 3.14 here."],
        ),
        ("It ended ... and went on. J. Smith came.", ["It ended ... and went on.", "J. Smith came."]),
        ("今天下雨。明天呢？后天晴！", ["今天下雨。", "明天呢？", "后天晴！"]),
        ("他说：“走吧。”然后离开了。", ["他说：“走吧。”", "然后离开了。"]),
        ("彼は「はい。」と言った。雨だ。", ["彼は「はい。」と言った。", "雨だ。"]),
        ("- first item\n- second item\n\nText", ["- first item", "- second item", "Text"]),
        ("def f(x):\n    return x\n\nprint(f(1))", ["def f(x):", "return x", "print(f(1))"]),
        ("if (a) {\n  run();\n}\n", ["if (a) {", "run();\n}"]),
        ("This line was broken by an editor at some column,\nso the sentence goes on.", None),
        ("no end at all", ["no end at all"]),
        ("  \n ", []),
        ("", []),
    ],
)
def test_sentences(text: str, expected: list[str] | None) -> None:
    assert sentences(text) == ([text] if expected is None else expected)


def test_only_white_space_is_left_out() -> None:
    text = "  One e.g. this.  Two\n\n第三句。第四句\r\n}\n" + "word, " * 300
    position = 0
    for start, end in sentence_windows(text, 1000):
        assert not text[position:start].strip()
        assert text[start:end] == text[start:end].strip()
        position = end
    assert not text[position:].strip()


def test_whole_sentences_of_other_scripts_and_abbreviations() -> None:
    text = "Siehe Nr. 5 bzw. Abs. 2 hier. पहला वाक्य। दूसरा॥ Wait… What now"
    assert [text[start:end] for start, end in whole_sentences(text)] == [
        "Siehe Nr. 5 bzw. Abs. 2 hier.", "पहला वाक्य।", "दूसरा॥", "Wait…", "What now",
    ]  # fmt: skip


@pytest.mark.parametrize("end", [" ", "\n"])
def test_a_long_text_takes_no_more_time_for_each_sentence(end: str) -> None:
    text = f"A pump stops.{end}" * 75_000  # 1 MB; each copy of the rest would make it minutes
    assert len(whole_sentences(text)) == 75_000


def test_a_long_sentence_is_cut_at_pauses_and_one_without_pauses_anyhow() -> None:
    assert all(len(each) <= 400 and each.endswith((",", "d")) for each in sentences("some word, " * 200))
    assert [len(each) for each in sentences("字" * 1000)] == [400, 400, 200]


@pytest.mark.parametrize("most", [1, 2, 3, 7])
def test_neighbours_are_joined_until_they_are_few_enough(most: int) -> None:
    text = " ".join(f"Sentence {number} is here." for number in range(17))
    joined = sentences(text, most)
    assert 0 < len(joined) <= most
    assert " ".join(joined) == text
