"""The real Qwen3-Reranker-0.6B, where its weights are: the hub's cache, or the folder FINERANK_GOLDEN_MODEL."""

import os

import pytest

from finerank import Reranker, golden
from finerank.evidence import gather, golden_rows
from finerank.models.hub import cached_bytes

pytestmark = pytest.mark.golden


@pytest.fixture(scope="module")
def model() -> str:
    folder = os.environ.get("FINERANK_GOLDEN_MODEL")
    if folder is None and cached_bytes(golden.MODEL) is None:
        pytest.skip(f"{golden.MODEL} is not in the cache; download it, or set FINERANK_GOLDEN_MODEL to its folder")
    return folder or golden.MODEL


def test_golden_values_in_fp32(model: str) -> None:
    with Reranker(model, dtype="float32", self_test="require") as reranker:
        assert max(row.difference for row in golden_rows(reranker)) <= golden.TOLERANCE


@pytest.mark.parametrize(
    ("query", "document", "score"),
    [
        ("What is the capital of China?", "The capital of China is Beijing.", 0.9995),
        (
            "Explain gravity",
            "Gravity is a force that attracts two bodies towards each other. It gives weight to physical objects and "
            "is responsible for the movement of planets around the sun.",
            0.9972,
        ),
    ],
)
def test_the_model_cards_pairs(model: str, query: str, document: str, score: float) -> None:
    with Reranker(model, dtype="float32", self_test="off") as reranker:
        assert float(reranker.score([(query, document)])[0]) == pytest.approx(score, abs=5e-4)


def test_the_small_ranking_set(model: str) -> None:
    with Reranker(model, self_test="off") as reranker:
        assert gather(reranker).top_1 >= 0.9
