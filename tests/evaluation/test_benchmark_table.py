"""The committed table says how it was made, and calls significant what the reports do."""

from argparse import Namespace

import pytest

from benchmarks.evaluation_table import _reranked, command
from finerank.evaluation.types import PairedTest

from .made import stage


def test_the_command_has_the_arguments_that_were_given() -> None:
    asked = Namespace(models=["embedded", "name=a b,model=c/d"], sets=None, limit=500, depth=100)
    expected = "python -m benchmarks.evaluation_table --model embedded --model 'name=a b,model=c/d' --limit 500"
    assert command(asked) == expected
    assert command(Namespace(models=None, sets=["scifact"], limit=0, depth=50)).endswith("--set scifact --depth 50")


@pytest.mark.parametrize(("p_holm", "expected"), [(None, "**0.5000**"), (0.03, "**0.5000**"), (0.06, "0.5000")])
def test_bold_is_what_is_significant_after_holm(p_holm: float | None, expected: str) -> None:
    test = PairedTest("nDCG@10", "bm25", "a", 0.1, 0.0, 0.2, 0.02, 3, 1, 0, p_holm)
    assert _reranked(stage("a", "reranked", {"q": 0.5}, {}), test) == expected
