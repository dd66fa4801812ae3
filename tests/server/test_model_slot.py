"""Loading while /health answers, failing in a sentence, and changing the model without losing a call."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from finerank.errors import EngineError, HubError, NotReadyError
from finerank.reranker import Reranker
from finerank.server import model_slot
from finerank.server.app import create_app
from finerank.server.model_pool import ModelPool
from finerank.server.model_slot import ModelSlot
from finerank.server.service import RerankCall, RerankService
from finerank.settings import Settings
from tests.server.fake_model import FakeModel

SETTINGS = Settings(model=("fake/first",))
CALL = RerankCall(query="mars", documents=["mars"])


@pytest.fixture
def loader(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Settings], Reranker]], None]:
    """Replaces what loads a model."""
    return lambda load: monkeypatch.setattr(model_slot, "load_reranker", load)


def named(settings: Settings) -> Reranker:
    return Reranker.from_model(FakeModel(settings.model[0] if settings.model else "none"))


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[tuple[httpx.AsyncClient, ModelSlot]]:
    app = create_app(settings)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://finerank")
    async with app.router.lifespan_context(app), client:
        yield client, app.state.service.pool.default


async def test_health_answers_before_the_model_is_there(
    loader: Callable[[Callable[[Settings], Reranker]], None],
) -> None:
    gate = threading.Event()

    def slow(settings: Settings) -> Reranker:
        gate.wait(5)
        return named(settings)

    loader(slow)
    async with running(SETTINGS) as (client, slot):
        assert (await client.get("/health")).json() == {"status": "ok"}
        ready = await client.get("/ready")
        assert (ready.status_code, ready.headers["Retry-After"]) == (503, "5")
        assert "fake/first is still being loaded" in ready.json()["error"]["message"]
        rerank = await client.post("/v1/rerank", json={"query": "mars", "documents": ["mars"]})
        assert rerank.json()["error"]["type"] == "not_ready"
        gate.set()
        await asyncio.wait_for(slot.settled.wait(), 5)
        assert (await client.get("/ready")).json()["model"] == "fake/first"
        models = (await client.get("/v1/models")).json()
        assert [each["id"] for each in models["data"]] == ["fake/first"]


async def test_a_model_that_cannot_be_loaded_is_told(loader: Callable[[Callable[[Settings], Reranker]], None]) -> None:
    def fail(settings: Settings) -> Reranker:
        raise HubError("the hub is not there")

    loader(fail)
    pool = ModelPool(SETTINGS)
    await pool.load()
    slot = pool.default
    assert slot.settled.is_set()
    assert isinstance(slot.failure, HubError)
    assert not slot.is_changing
    with pytest.raises(NotReadyError, match="fake/first could not be loaded: the hub is not there"):
        await RerankService(pool, SETTINGS).rank(CALL)


async def test_a_change_lets_running_calls_end_on_the_old_model(
    loader: Callable[[Callable[[Settings], Reranker]], None],
) -> None:
    loader(named)
    slot = ModelSlot(SETTINGS)
    await slot.load()
    old = slot.reranker
    with slot.use() as used:
        slot.change_to("fake/second")
        assert slot.is_changing
        await until(lambda: not slot.is_changing)
        assert slot.reranker.info.name == "fake/second"
        assert (await used.arank("mars", ["mars"])).facts.model.name == "fake/first"
    await until(lambda: is_closed(old))
    await slot.close()
    assert is_closed(slot.reranker)


async def test_a_change_that_fails_keeps_the_old_model(
    loader: Callable[[Callable[[Settings], Reranker]], None],
) -> None:
    loader(named)
    pool = ModelPool(SETTINGS)
    await pool.load()
    slot = pool.default

    def fail(settings: Settings) -> Reranker:
        raise HubError("the hub is not there")

    loader(fail)
    slot.change_to("fake/second")
    await until(lambda: not slot.is_changing)
    assert slot.change is not None
    assert slot.change.error == "the hub is not there"
    assert (await RerankService(pool, SETTINGS).rank(CALL)).facts.model.name == "fake/first"
    await slot.close()


async def test_a_reranker_that_was_given_is_not_closed() -> None:
    with named(SETTINGS) as reranker:
        slot = ModelSlot(SETTINGS, reranker)
        await slot.close()
        assert reranker.rank("mars", ["mars"])[0].index == 0


async def test_a_closed_engine_is_503() -> None:
    reranker = named(SETTINGS)
    reranker.close()
    app = create_app(SETTINGS, reranker)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://finerank") as client:
        response = await client.post("/v1/rerank", json={"query": "mars", "documents": ["mars"]})
    assert (response.status_code, response.json()["error"]["type"]) == (503, "engine_error")


async def until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not is_true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def is_closed(reranker: Reranker) -> bool:
    try:
        reranker.rank("mars", ["mars"])
    except EngineError:
        return True
    return False
