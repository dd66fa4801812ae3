"""The engine thread with a model of a few lines: log-odds = the payload, or trouble."""

import threading
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from finerank.engine.facts import BatchFacts
from finerank.engine.loop import Engine
from finerank.engine.planner import Planner
from finerank.errors import EngineError, ProviderError
from finerank.models.base import BatchResult, EncodedPair, PairModel
from finerank.texts import Window


class EchoModel(PairModel):
    """Fails for payloads that are exceptions, and for batches of more than `fits` pairs.

    on_compute: called before a batch is computed.
    """

    def __init__(self, fits: int = 1000) -> None:
        self.fits = fits
        self.batches: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.on_compute: Callable[[], None] = lambda: None

    def encode(self, query: str, documents: Sequence[str], instruction: str | None) -> list[EncodedPair]:
        raise NotImplementedError

    def windows(
        self, query: str, document: str, instruction: str | None, max_tokens: int | None, overlap: float
    ) -> list[Window]:
        raise NotImplementedError

    def compute(self, pairs: Sequence[EncodedPair]) -> BatchResult:
        self.gate.wait(10)
        self.batches.append(len(pairs))
        self.on_compute()
        if len(pairs) > self.fits:
            raise MemoryError("too large")
        for pair in pairs:
            if isinstance(pair.payload, Exception):
                raise pair.payload
        return BatchResult(np.array([pair.payload for pair in pairs], dtype=np.float32), len(pairs))


def _pairs(*payloads: object) -> list[EncodedPair]:
    return [EncodedPair(payload, 1, 1, False) for payload in payloads]


@pytest.fixture
def model() -> EchoModel:
    return EchoModel()


@pytest.fixture
def engine(model: EchoModel) -> Iterator[Engine]:
    engine = Engine(model, Planner(max_tokens=16))
    yield engine
    engine.close()


def test_results_come_in_the_callers_order(engine: Engine) -> None:
    job = engine.submit(_pairs(*range(50))).future.result(10)
    assert job.log_odds == list(range(50))
    assert round(job.computed_tokens) == 50


def test_nothing_to_do_is_done(engine: Engine) -> None:
    assert engine.submit([]).future.result(1).log_odds == []


def test_a_batch_that_does_not_fit_is_halved(engine: Engine, model: EchoModel) -> None:
    model.fits = 3
    job = engine.submit(_pairs(*range(16))).future.result(10)
    assert job.log_odds == list(range(16))
    assert not job.errors
    assert max(model.batches) == 16


def test_one_bad_pair_fails_alone(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    job = engine.submit(_pairs(1.0, ValueError("bad document"), 3.0, float("nan"), float("inf"))).future.result(10)
    assert [job.log_odds[0], job.log_odds[2]] == [1.0, 3.0]
    assert set(job.errors) == {1, 3, 4}
    assert "bad document" in job.errors[1]
    assert "nan" in job.errors[3]
    assert np.isnan([job.log_odds[index] for index in (1, 3, 4)]).all()


def test_callers_share_batches(engine: Engine, model: EchoModel) -> None:
    model.gate.clear()
    first = engine.submit(_pairs(0.0))
    others = [engine.submit(_pairs(float(number))) for number in range(1, 9)]
    model.gate.set()
    for job in (first, *others):
        job.future.result(10)
    assert len(model.batches) <= 3


def test_a_cancelled_call_is_not_computed(engine: Engine, model: EchoModel) -> None:
    model.gate.clear()
    running = engine.submit(_pairs(1.0))
    waiting = engine.submit(_pairs(*[2.0] * 8))
    waiting.cancel()
    model.gate.set()
    running.future.result(10)
    engine.submit(_pairs(3.0)).future.result(10)
    assert sum(model.batches) <= 3


def test_progress_is_told(engine: Engine) -> None:
    seen: list[tuple[int, int]] = []
    engine.submit(_pairs(*range(20)), on_progress=lambda done, total: seen.append((done, total))).future.result(10)
    assert seen == [(done, 20) for done in range(1, 21)]


def test_a_progress_callback_that_fails_harms_nobody(engine: Engine) -> None:
    def fail(done: int, total: int) -> None:
        raise ValueError("callback")

    job = engine.submit(_pairs(1.0, 2.0), on_progress=fail).future.result(10)
    assert job.log_odds == [1.0, 2.0]
    assert engine.submit(_pairs(3.0)).future.result(10).log_odds == [3.0]


def test_a_closed_engine_says_so(model: EchoModel) -> None:
    engine = Engine(model, Planner(max_tokens=1))
    model.gate.clear()
    engine.submit(_pairs(1.0))
    waiting = engine.submit(_pairs(2.0, 3.0))
    closing = threading.Thread(target=engine.close)
    closing.start()
    model.gate.set()
    closing.join(10)
    with pytest.raises(EngineError, match="closed before"):
        waiting.future.result(10)
    with pytest.raises(EngineError, match="is closed"):
        engine.submit(_pairs(1.0))


def test_what_a_model_raises_on_purpose_reaches_its_caller_only(engine: Engine, model: EchoModel) -> None:
    model.gate.clear()
    first = engine.submit(_pairs(0.0))
    refused = engine.submit(_pairs(1.0, ProviderError("no such key", 401)))
    other = engine.submit(_pairs(2.0))
    model.gate.set()
    with pytest.raises(ProviderError, match="no such key"):
        refused.future.result(10)
    assert [first.future.result(10).log_odds, other.future.result(10).log_odds] == [[0.0], [2.0]]


def test_a_failure_in_one_batch_harms_no_other_call(engine: Engine, model: EchoModel) -> None:
    model.gate.clear()
    engine.submit(_pairs(0.0))
    others = [engine.submit(_pairs(float(number), float(number))) for number in range(5)]
    bad = engine.submit(_pairs(RuntimeError("the kernel died")))
    model.gate.set()
    assert [job.future.result(10).log_odds for job in others] == [[number] * 2 for number in range(5)]
    assert "the kernel died" in bad.future.result(10).errors[0]


def test_a_small_call_passes_a_large_batch_between_its_layers(engine: Engine, model: EchoModel) -> None:
    done: list[str] = []
    small = []

    def pause() -> None:
        model.on_compute = lambda: None
        small.append(engine.submit(_pairs(7.0, 8.0)))
        small[0].future.add_done_callback(lambda _: done.append("small"))
        assert model.on_pause is not None
        model.on_pause()

    model.on_compute = pause
    large = engine.submit(_pairs(*range(16)))
    large.future.add_done_callback(lambda _: done.append("large"))
    assert large.future.result(10).log_odds == list(range(16))
    assert small[0].future.result(10).log_odds == [7.0, 8.0]
    assert done == ["small", "large"]
    assert model.batches == [16, 2]


def test_batches_are_told_with_waits(engine: Engine, model: EchoModel) -> None:
    told: list[BatchFacts] = []
    engine.on_batch = told.append
    model.fits = 2
    engine.submit(_pairs(1.0, 2.0, 3.0)).future.result(10)
    engine.close()
    assert [(facts.num_pairs, facts.is_failed) for facts in told] == [(3, True), (1, False), (2, False)]
    assert [len(facts.waits) for facts in told] == [1, 0, 0]
    assert told[0].max_tokens == 16
    assert sum(facts.computed_tokens for facts in told) == 3
