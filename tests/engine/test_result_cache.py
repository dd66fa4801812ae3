"""Scores that come back, and a store that is full, damaged, poisoned or gone."""

import errno
import pickle
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import fakeredis
import pytest

from finerank.engine.result_cache import CachedScore, MemoryStore, ResultCache, Store, cache_keys
from finerank.engine.stores import DiskStore, RedisStore, open_cache
from finerank.errors import SettingsError
from finerank.reranker import Reranker
from tests.server.fake_model import FakeModel

SCORE = CachedScore(1.5, 12, 90, False, None)
WINDOWED = CachedScore(-3.25, 9000, 9500, True, (17, 4000))


@pytest.fixture(params=["memory", "disk", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    if request.param == "memory":
        return MemoryStore(1 << 20)
    if request.param == "disk":
        return DiskStore(tmp_path / "scores", 1 << 20)
    made = RedisStore("redis://localhost:6379/0")
    made._redis = fakeredis.FakeRedis()
    return made


def test_what_was_put_comes_back(store: Store) -> None:
    cache = ResultCache(store)
    first, second, third = cache_keys(("f",), "query", ["a", "b", "c"])
    cache.put_many({first: SCORE, second: WINDOWED})
    assert cache.get_many([first, second, third]) == {first: SCORE, second: WINDOWED}
    assert (cache.hits, cache.misses, cache.errors, cache.damaged) == (2, 1, 0, 0)
    cache.close()


@pytest.mark.parametrize("poison", [b"", b"x" * 25, pickle.dumps("hello"), "text", 7])
def test_a_poisoned_entry_is_a_miss(store: Store, poison: bytes | str | int) -> None:
    cache = ResultCache(store)
    (key,) = cache_keys(("f",), "query", ["a"])
    if isinstance(store, MemoryStore) or isinstance(poison, bytes):
        store.put_many({key: poison})  # type: ignore[dict-item]
    elif isinstance(store, DiskStore):
        store._cache.set(key, poison)
    assert cache.get_many([key]) == {}
    cache.put_many({key: SCORE})
    assert cache.get_many([key]) == {key: SCORE}
    cache.close()


def test_an_entry_of_another_key_is_not_taken(store: Store) -> None:
    cache = ResultCache(store)
    first, second = cache_keys(("f",), "query", ["a", "b"])
    store.put_many({second: SCORE.pack(first)})
    assert cache.get_many([second]) == {}
    assert cache.damaged == 1
    cache.close()


def test_a_pickle_on_disk_is_not_run(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "scores", 1 << 20)
    (key,) = cache_keys(("f",), "query", ["a"])
    store.put_many({key: SCORE.pack(key)})
    store.close()
    bomb = b"cos\nsystem\n(S'touch " + str(tmp_path / "ran").encode() + b"'\ntR."
    with sqlite3.connect(tmp_path / "scores" / "cache.db") as database:
        database.execute("UPDATE Cache SET mode = 4, value = ?", (bomb,))
    cache = ResultCache(DiskStore(tmp_path / "scores", 1 << 20))
    assert cache.get_many([key]) == {}
    assert not (tmp_path / "ran").exists()
    cache.close()


def test_keys_differ_in_every_part() -> None:
    keys = {
        *cache_keys(("f", None), "query", ["a"]),
        *cache_keys(("g", None), "query", ["a"]),
        *cache_keys(("f", "instruction"), "query", ["a"]),
        *cache_keys(("f", None), "other", ["a"]),
        *cache_keys(("f", None), "query", ["b"]),
        *cache_keys(("f", "Nonequery"), "", ["a"]),
    }
    assert len(keys) == 6


def test_memory_is_bounded() -> None:
    store = MemoryStore(3300)
    cache = ResultCache(store)
    keys = cache_keys(("f",), "query", [str(number) for number in range(100)])
    for key in keys:
        cache.get_many(keys[:1])
        cache.put_many({key: SCORE})
    assert len(store) == 10
    assert keys[0] in cache.get_many(keys)  # asked for all the time


class BrokenStore:
    is_in_process = True
    calls = 0

    def get_many(self, keys: Sequence[bytes]) -> Mapping[bytes, object]:
        self.calls += 1
        raise ConnectionError("gone")

    def put_many(self, entries: Mapping[bytes, bytes]) -> None:
        self.calls += 1
        raise OSError(errno.ENOSPC, "No space left on device")

    def close(self) -> None: ...


def test_a_store_that_is_gone_costs_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    store = BrokenStore()
    cache = ResultCache(store)
    with Reranker.from_model(FakeModel(), result_cache=cache) as reranker:
        for _ in range(3):
            assert [each.index for each in reranker.rank("mars", ["venus", "mars"])] == [1, 0]
    assert store.calls == 1  # then it is left alone for a while
    assert cache.errors == 1
    assert "gone" in caplog.text


_FULL_DISK = """
import resource, signal, sys
from finerank.engine.stores import open_cache
from finerank.reranker import Reranker
from tests.server.fake_model import FakeModel
cache = open_cache("disk:" + sys.argv[1], 64 << 20)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))  # a write beyond fails, as on a full disk
with Reranker.from_model(FakeModel(), result_cache=cache) as reranker:
    for turn in range(20):
        ranking = reranker.rank("mars", [f"mars {turn} {number}" for number in range(100)])
        assert len(ranking) == 100 and all(each.error is None for each in ranking)
print(cache.errors)
"""


def test_a_full_disk_costs_no_answer(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FULL_DISK, str(tmp_path / "scores")], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 1


def test_the_reranker_computes_a_document_once() -> None:
    model, cache = FakeModel(), ResultCache(MemoryStore(1 << 20))
    with Reranker.from_model(model, result_cache=cache) as reranker:
        first = reranker.rank("mars", ["venus", "the mars"])
        again = reranker.rank("mars", ["the mars", "venus", "new mars", "the mars"])
        other = reranker.rank("mars", ["venus"], instruction="another")
    assert (model.computed.count("venus"), model.computed.count("the mars")) == (2, 1)
    known = {each.text: each.log_odds for each in again}
    assert [(each.text, each.log_odds) for each in first] == [(text, known[text]) for text in ("the mars", "venus")]
    assert (first.facts.usage.result_cache_hits, again.facts.usage.result_cache_hits) == (0, 3)
    assert again.facts.usage.prompt_tokens == 2 + 1 + 2 + 2
    assert other.facts.usage.result_cache_hits == 0


def test_a_failure_is_not_kept() -> None:
    cache = ResultCache(MemoryStore(1 << 20))
    with Reranker.from_model(FakeModel(), result_cache=cache) as reranker:
        for _ in range(2):
            assert "exploded" in (reranker.rank("mars", ["explode"])[0].error or "")
    assert cache.hits == 0


@pytest.mark.parametrize(
    ("where", "message"),
    [("disk:/proc/no", "/proc/no cannot be used"), ("redis://host:port", "give redis://host:port/0")],
)
def test_a_place_that_cannot_be_used_is_named(where: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        open_cache(where, 1 << 20)


def test_off_is_off() -> None:
    assert open_cache("off", 1 << 20) is None
