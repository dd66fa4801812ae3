from dataclasses import dataclass

from finerank.engine.prefix_cache import PrefixCache


@dataclass
class Block:
    num_bytes: int


def test_the_least_recently_used_goes_first() -> None:
    cache: PrefixCache[Block] = PrefixCache(10)
    for name in "abc":
        cache.put(name, Block(3))
    assert cache.get("a") is not None
    cache.put("d", Block(4))
    assert cache.get("b") is None
    assert {name for name in "acd" if cache.get(name)} == {"a", "c", "d"}
    assert cache.num_bytes == 10


def test_what_is_larger_than_the_cache_is_not_kept() -> None:
    cache: PrefixCache[Block] = PrefixCache(10)
    cache.put("a", Block(4))
    cache.put("big", Block(11))
    assert cache.get("big") is None
    assert cache.get("a") is not None


def test_putting_twice_counts_once_and_clear_empties() -> None:
    cache: PrefixCache[Block] = PrefixCache(10)
    cache.put("a", Block(4))
    cache.put("a", Block(4))
    assert (len(cache), cache.num_bytes) == (1, 4)
    cache.clear()
    assert (len(cache), cache.num_bytes) == (0, 0)
