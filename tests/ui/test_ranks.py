"""How rankings differ, and the lines that show it."""

import re

import pytest

from finerank.ui.ranks import Move, agreement, moves_between
from finerank.ui.render_compare import lines_svg


def test_moves_name_both_places() -> None:
    moves = moves_between([2, 0, 1], [0, 1, 2])
    assert moves == [Move(2, 1, 3), Move(0, 2, 1), Move(1, 3, 2)]
    assert [move.gain for move in moves] == [-2, 1, 1]


@pytest.mark.parametrize(
    ("right", "share"), [([0, 1, 2, 3], 1.0), ([3, 2, 1, 0], 0.0), ([1, 0, 2, 3], 5 / 6), ([0], 1.0), ([], 1.0)]
)
def test_agreement_is_the_share_of_pairs_in_the_same_order(right: list[int], share: float) -> None:
    assert agreement(moves_between([0, 1, 2, 3], right)) == pytest.approx(share)


def test_each_document_has_a_line_from_place_to_place() -> None:
    svg = lines_svg("en", moves_between([5, 6, 7], [7, 6, 5]))
    height = int(re.findall(r'viewBox="0 0 100 (\d+)"', svg)[0])
    pitch = height // 3
    paths = dict(re.findall(r'd="(.+?)" class="(.+?)"', svg))
    first, last = pitch // 2, 2 * pitch + pitch // 2
    assert paths[f"M0 {first} C50 {first} 50 {last} 100 {last}"] == "fr-down"
    assert paths[f"M0 {last} C50 {last} 50 {first} 100 {first}"] == "fr-up"
    assert next(iter(paths.values())) == "fr-still"
    assert "<title>1 to 3</title>" in svg
