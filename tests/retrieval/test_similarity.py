import random

import numpy as np
import pytest

from finerank.retrieval.similarity import shingle_similarity, words_of


def jaccard(left: list[str], right: list[str], size: int) -> float:
    """Of sets of runs, as the definition has it."""
    a, b = ({tuple(words[i : i + size]) for i in range(max(1, len(words) - size + 1))} for words in (left, right))
    return len(a & b) / len(a | b)


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("num_texts", [2, 90, 300])
def test_it_is_jaccards(size: int, num_texts: int) -> None:
    """Few words, so that some runs are frequent (a dense product) and others are rare."""
    made = random.Random(num_texts)
    shared = [f"s{number}" for number in range(9)]
    words = [
        [*shared[: made.randint(0, 9)], *(made.choice("abcdefghij") for _ in range(made.randint(1, 30)))]
        for _ in range(num_texts)
    ]
    found = shingle_similarity(words, size)
    expected = [[jaccard(left, right, size) for right in words] for left in words]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_texts_without_words_are_like_no_other() -> None:
    np.testing.assert_array_equal(shingle_similarity([[], [], ["a"]], 3), np.eye(3))
    assert shingle_similarity([], 3).shape == (0, 0)


def test_words_of_many_scripts() -> None:
    assert words_of("The E07-Alarm, today") == ["the", "e07", "alarm", "today"]
    assert words_of("报警代码 E07，液压") == ["报", "警", "代", "码", "e07", "液", "压"]
    assert words_of("Straße ＡＢＣ") == ["strasse", "abc"]
    assert words_of("빠른 여우") == ["빠른", "여우"]
    assert words_of("コーヒー・豆 人々") == ["コ", "ー", "ヒ", "ー", "豆", "人", "々"]
    assert words_of("หน้า ๑๒") == ["ห", "น", "้", "า", "๑๒"]
