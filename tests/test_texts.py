import pytest

from finerank.errors import InputError
from finerank.texts import check_text, windows_of


def test_check_text_accepts_any_valid_text() -> None:
    for text in ("", " ", "a\x00b", "👩‍👩‍👧‍👦", "e\u0301"):
        assert check_text(text, "it") is text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (5, "it must be a string, not int"),
        (None, "not NoneType"),
        (b"x", "not bytes"),
        ("a\udcff", r"U\+DCFF at character 1"),
    ],
)
def test_check_text_refuses_what_is_none(text: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_text(text, "it")


@pytest.mark.parametrize("num_tokens", [1, 9, 10, 11, 25, 100])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.9])
def test_windows_cover_every_token(num_tokens: int, overlap: float) -> None:
    offsets = [(3 * token, 3 * token + 2) for token in range(num_tokens)]
    windows = windows_of(offsets, 3 * num_tokens, 10, overlap)
    for start, end in offsets:
        assert any(low <= start and end <= high for low, high in windows)
    assert windows == sorted(set(windows))
    for low, high in windows:
        assert sum(low <= start and end <= high for start, end in offsets) <= 10


def test_a_short_text_is_one_window() -> None:
    assert windows_of([(1, 4)], 5, 10, 0.1) == [(0, 5)]
