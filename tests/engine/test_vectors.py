"""The engine with a model whose result is a vector: the same halving, fairness and errors."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from finerank.engine.loop import Engine
from finerank.engine.planner import Planner
from finerank.models.base import BatchModel, BatchResult, EncodedPair


class VectorModel(BatchModel):
    """(payload, -payload); fails for payloads that are exceptions, and for more than `fits` items."""

    fits = 1000

    def __init__(self) -> None:
        self.batches: list[int] = []

    def compute(self, pairs: Sequence[EncodedPair]) -> BatchResult:
        self.batches.append(len(pairs))
        if len(pairs) > self.fits:
            raise MemoryError("too large")
        for pair in pairs:
            if isinstance(pair.payload, Exception):
                raise pair.payload
        values = np.array([[pair.payload, -pair.payload] for pair in pairs], dtype=np.float32)
        known = {position: "refused" for position, pair in enumerate(pairs) if pair.payload == 99}
        return BatchResult(values, len(pairs), known)


@pytest.fixture
def model() -> VectorModel:
    return VectorModel()


@pytest.fixture
def engine(model: VectorModel) -> Iterator[Engine]:
    engine = Engine(model, Planner(max_tokens=16))
    yield engine
    engine.close()


def _items(*payloads: object) -> list[EncodedPair]:
    return [EncodedPair(payload, 1, 1, False) for payload in payloads]


def test_vectors_come_in_the_callers_order(engine: Engine) -> None:
    job = engine.submit(_items(*range(50))).future.result(10)
    assert np.stack(job.values).tolist() == [[number, -number] for number in range(50)]
    assert not job.errors


def test_a_batch_that_does_not_fit_is_halved(engine: Engine, model: VectorModel) -> None:
    model.fits = 3
    job = engine.submit(_items(*range(16))).future.result(10)
    assert np.stack(job.values)[:, 0].tolist() == list(range(16))
    assert max(model.batches) == 16


def test_one_bad_text_fails_alone(engine: Engine) -> None:
    job = engine.submit(_items(1.0, ValueError("bad"), float("nan"), 99, float("inf"), 2.0)).future.result(10)
    assert [job.values[index].tolist() for index in (0, 5)] == [[1.0, -1.0], [2.0, -2.0]]
    assert set(job.errors) == {1, 2, 3, 4}
    assert "bad" in job.errors[1]
    assert "gave nan" in job.errors[2]
    assert job.errors[3] == "refused"
    assert "gave inf" in job.errors[4]
