import copy
import json
import string

import pytest

from finerank.retrieval.notes import NOTES, Note, note


def test_a_note_is_its_sentence_and_knows_which() -> None:
    made = note("unread", count=1200)
    assert made == "the reranker could not read 1,200 of the candidates"
    assert (made.code, made.values) == ("unread", {"count": 1200})
    assert json.dumps([made]) == f'["{made}"]'


def test_it_is_still_one_after_copying() -> None:
    made = copy.deepcopy(note("not_reranked", model="m"))
    assert isinstance(made, Note)
    assert (made.code, dict(made.values)) == ("not_reranked", {"model": "m"})


@pytest.mark.parametrize("code", NOTES)
def test_every_note_can_be_said(code: str) -> None:
    names = [name for _, name, _, _ in string.Formatter().parse(NOTES[code]) if name]
    assert "{" not in note(code, **dict.fromkeys(names, 1))
