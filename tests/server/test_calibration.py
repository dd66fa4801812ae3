"""A calibrated model behind the server: scores are its probabilities, `min_score` may be its threshold."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from finerank import Reranker
from finerank.errors import SettingsError
from finerank.evaluation.calibration import Calibration, Line, Threshold
from finerank.server.app import create_app
from finerank.server.model_pool import ModelSpec
from finerank.settings import Settings
from tests.server.fake_model import DEFAULT_INSTRUCTION, FakeModel

THRESHOLD = Threshold(0.9, 0.95, 0.5, 0.62, 40, 38, 0.7)
BOUND = Calibration("fake", "0123456789abcdef", DEFAULT_INSTRUCTION, None, Line(0.5, 0.25), THRESHOLD)
QUESTION = {"query": "red planet mars", "documents": ["venus is hot", "mars is the red planet", "the red bus"]}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    with Reranker.from_model(FakeModel(), calibration=BOUND) as reranker:
        app = create_app(Settings(), reranker)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://finerank") as made:
            yield made
        await asyncio.sleep(0)


async def test_scores_are_calibrated_and_log_odds_are_not(client: httpx.AsyncClient) -> None:
    results = (await client.post("/v1/rerank", json=QUESTION)).json()["results"]
    assert [each["log_odds"] for each in results] == [1.0, -1.0, -2.0]
    assert [each["relevance_score"] for each in results] == pytest.approx([0.679179, 0.437823, 0.320821], abs=1e-6)


async def test_the_threshold_may_be_asked_for(client: httpx.AsyncClient) -> None:
    kept = (await client.post("/v1/rerank", json=QUESTION | {"min_score": "calibrated"})).json()["results"]
    assert [each["index"] for each in kept] == [1]


async def test_another_instruction_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/rerank", json=QUESTION | {"instruction": "find law"})
    assert answer.status_code == 400
    assert "find law" in answer.text


async def test_a_model_without_one_says_so() -> None:
    with Reranker.from_model(FakeModel()) as reranker:
        app = create_app(Settings(), reranker)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://finerank") as client:
            answer = await client.post("/v1/rerank", json=QUESTION | {"min_score": "calibrated"})
    assert answer.status_code == 400
    assert "no calibration" in answer.text


def test_another_models_is_refused() -> None:
    other = Calibration("other", "f" * 16, DEFAULT_INSTRUCTION, None, Line(1.0, 0.0))
    with pytest.raises(SettingsError, match=r"made with other, fingerprint ffffffffffffffff"):
        Reranker.from_model(FakeModel(), calibration=other)


def test_it_belongs_to_the_first_model() -> None:
    settings = Settings(model=("a", "b"), calibration="calibration.json")
    assert ModelSpec.parse("a").settings(settings, is_first=True).calibration is not None
    assert ModelSpec.parse("b").settings(settings, is_first=False).calibration is None
