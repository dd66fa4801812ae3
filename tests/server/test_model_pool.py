"""Several models in one server: names, loading on demand, a memory bound, hot swap."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from finerank.embedder import Embedder
from finerank.errors import HubError, InputError, NotReadyError, OverloadedError, UnknownModelError
from finerank.reranker import Reranker
from finerank.server import model_slot
from finerank.server.embedder_slot import EmbedderSlot
from finerank.server.model_pool import ModelPool, ModelSpec
from finerank.settings import Settings
from tests.server.fake_model import FakeModel
from tests.server.fake_text_model import FakeTextModel

GIB = 2**30


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the models that were loaded, in order; each has 1 GiB of weights."""
    names: list[str] = []

    def load(settings: Settings) -> Reranker:
        name = settings.model[0] if settings.model else "embedded"
        if "missing" in name:
            raise HubError(f"{name} is not there")
        names.append(f"{name}:{settings.dtype}")
        model = FakeModel(name)
        model.num_bytes = GIB
        return Reranker.from_model(model)

    monkeypatch.setattr(model_slot, "load_reranker", load)
    return names


async def answered(pool: ModelPool, name: str | None) -> str:
    with (await pool.ready_slot(name)).use() as reranker:
        return (await reranker.arank("mars", ["mars"])).facts.model.name


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("Qwen/Qwen3-Reranker-0.6B", ModelSpec("Qwen/Qwen3-Reranker-0.6B", "Qwen/Qwen3-Reranker-0.6B", None)),
        ("law=/models/law tune@float32", ModelSpec("law", "/models/law tune", "float32")),
        ("/models/a@bf16", ModelSpec("/models/a@bf16", "/models/a", "bf16")),
        ("embedded", ModelSpec("embedded", None, None)),
    ],
)
def test_models_are_written_so(text: str, spec: ModelSpec) -> None:
    assert ModelSpec.parse(text) == spec


async def test_one_model_answers_to_every_name_unless_strict(loaded: list[str]) -> None:
    pool = ModelPool(Settings(model=("org/one",)))
    await pool.load()
    assert {await answered(pool, name) for name in (None, "org/one", "one", "gpt-5")} == {"org/one"}
    await pool.close()
    strict = ModelPool(Settings(model=("org/one",), strict_model=True))
    await strict.load()
    assert await answered(strict, "ONE") == "org/one"
    with pytest.raises(UnknownModelError, match="model 'gpt-5' is not served here; served are org/one"):
        await answered(strict, "gpt-5")
    await strict.close()


async def test_several_models_are_chosen_by_name_and_loaded_on_demand(loaded: list[str]) -> None:
    pool = ModelPool(Settings(model=("org/one", "law=/models/law@float32")))
    await pool.load()
    assert loaded == ["org/one:auto"]
    assert [await answered(pool, name) for name in (None, "law", "org/one")] == ["org/one", "/models/law", "org/one"]
    assert loaded == ["org/one:auto", "/models/law:float32"]
    with pytest.raises(UnknownModelError, match="served are org/one, law"):
        await answered(pool, "gpt-5")
    await pool.close()


async def test_many_calls_at_once_load_a_model_once(loaded: list[str]) -> None:
    pool = ModelPool(Settings(model=("one", "two")))
    await pool.load()
    assert set(await asyncio.gather(*[answered(pool, "two") for _ in range(20)])) == {"two"}
    assert loaded.count("two:auto") == 1
    await pool.close()


async def test_a_model_that_cannot_be_loaded_on_demand_says_why_and_is_tried_again(loaded: list[str]) -> None:
    pool = ModelPool(Settings(model=("one", "missing")))
    await pool.load()
    for _ in range(2):
        with pytest.raises(NotReadyError, match="missing could not be loaded: missing is not there"):
            await answered(pool, "missing")
    assert await answered(pool, "one") == "one"
    await pool.close()


async def test_idle_models_are_put_away_under_the_memory_bound(loaded: list[str]) -> None:
    pool = ModelPool(Settings(model=("one", "two", "three"), max_model_memory=2))
    await pool.load()
    for name in ("two", "one", "three", "two", "one"):
        assert await answered(pool, name) == name
        assert sum(slot.num_bytes for slot in pool.loaded) <= 2 * GIB
    assert [slot.name for slot in pool.loaded] == ["one", "two"]
    await pool.close()


async def test_a_model_in_use_is_not_put_away(loaded: list[str]) -> None:
    pool = ModelPool(Settings(model=("one", "two"), max_model_memory=0.5))
    await pool.load()
    with (await pool.ready_slot("one")).use() as reranker:
        with pytest.raises(OverloadedError, match="two does not fit beside the models in use"):
            await answered(pool, "two")
        assert (await reranker.arank("mars", ["mars"])).facts.model.name == "one"
    assert await answered(pool, "two") == "two"
    assert [slot.name for slot in pool.loaded] == ["two"]
    assert await answered(pool, None) == "one"
    await pool.close()


async def test_hot_swap_loses_no_call(loaded: list[str]) -> None:
    pool = ModelPool(Settings(model=("base",)))
    await pool.load()
    await pool.put(ModelSpec.parse("law=/adapters/v1"))
    models, stop = set(), threading.Event()

    async def keep_asking() -> None:
        while not stop.is_set():
            models.add(await answered(pool, "law"))
            await asyncio.sleep(0)

    asking = [asyncio.create_task(keep_asking()) for _ in range(8)]
    await asyncio.sleep(0.05)
    await pool.put(ModelSpec.parse("law=/adapters/v2"))
    await asyncio.sleep(0.05)
    stop.set()
    await asyncio.gather(*asking)
    assert models == {"/adapters/v1", "/adapters/v2"}
    assert await answered(pool, "law") == "/adapters/v2"
    await pool.drop("law")
    with pytest.raises(UnknownModelError):
        await pool.drop("law")
    with pytest.raises(InputError, match="base is the server's first model and stays"):
        await pool.drop("base")
    await pool.close()


async def test_a_swap_that_fails_keeps_the_old_model(loaded: list[str]) -> None:
    pool = ModelPool(Settings(model=("base",)))
    await pool.load()
    await pool.put(ModelSpec.parse("law=/adapters/v1"))
    with pytest.raises(HubError):
        await pool.put(ModelSpec.parse("law=/adapters/missing"))
    with pytest.raises(HubError):
        await pool.put(ModelSpec.parse("new=/adapters/missing"))
    assert await answered(pool, "law") == "/adapters/v1"
    assert list(pool.slots) == ["base", "law"]
    await pool.close()


async def test_whoever_listens_hears_of_every_model(loaded: list[str]) -> None:
    pool = ModelPool(Settings(model=("one", "two")))
    heard: list[str] = []
    listen: Callable[[Reranker], None] = lambda reranker: heard.append(reranker.info.name)  # noqa: E731
    pool.on_loaded.append(listen)
    await pool.load()
    with (await pool.ready_slot("two")).use() as reranker:
        assert reranker.result_cache is pool.result_cache is not None
    assert heard == ["one", "two"]
    await pool.close()


async def test_embedding_models_count_and_stay(loaded: list[str]) -> None:
    settings = Settings(model=("one", "two"), max_model_memory=2)
    pool = ModelPool(settings)
    await pool.load()
    await answered(pool, "two")
    assert [slot.name for slot in pool.loaded] == ["one", "two"]
    model = FakeTextModel()
    model.num_bytes = GIB
    with Embedder.from_model(model) as embedder:
        slot = EmbedderSlot(settings, embedder)
        pool.add_embedder(slot)
        heard: list[str] = []
        pool.on_loaded.append(lambda each: heard.append(each.info.name))
        await slot.ready()
        while len(pool.loaded) > 1:
            await asyncio.sleep(0.01)
        assert heard == ["fake/letters"]
        assert [slot.name for slot in pool.loaded] == ["two"]
        await answered(pool, "one")
        assert [slot.name for slot in pool.loaded] == ["one"]
    await pool.close()
