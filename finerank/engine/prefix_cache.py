"""What is kept between batches, bounded in bytes; the least recently used goes first."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar


class HasBytes(Protocol):
    @property
    def num_bytes(self) -> int: ...


Value = TypeVar("Value", bound=HasBytes)


class PrefixCache(Generic[Value]):
    """Keys and values of prompt prefixes. Not thread-safe: it belongs to the engine's thread."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.num_bytes = 0
        self._values: OrderedDict[Hashable, Value] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Hashable) -> Value | None:
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: Hashable, value: Value) -> None:
        """Keeps `value`, unless it alone is more than the cache may hold."""
        if value.num_bytes > self.max_bytes or key in self._values:
            return
        self._values[key] = value
        self.num_bytes += value.num_bytes
        while self.num_bytes > self.max_bytes:
            _, oldest = self._values.popitem(last=False)
            self.num_bytes -= oldest.num_bytes

    def clear(self) -> None:
        self._values.clear()
        self.num_bytes = 0
