"""Which ids the rows of a file have had, in little memory however many rows there are."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

_MOST: Final = 1 << 24
"""Ids that are kept: 128 MB."""
_RECENT: Final = 1 << 14
"""Ids that are kept in a set, before they are sorted into an array."""


class RowIds:
    """Remembers ids by a hash of 64 bits: eight bytes each, where a set of numbers takes seventy."""

    def __init__(self, most: int = _MOST) -> None:
        self._recent: set[int] = set()
        self._sorted: list[NDArray[np.int64]] = []  # each more than twice as long as the next one
        self._most = most
        self._num_ids = 0

    def is_new(self, row_id: str) -> bool:
        """True the first time; False of an id that was asked for before, and of all once there are too many."""
        key = hash(row_id)
        if self._num_ids >= self._most or key in self._recent or any(_holds(keys, key) for keys in self._sorted):
            return False
        self._num_ids += 1
        self._recent.add(key)
        if len(self._recent) == _RECENT:
            self._sort_in()
        return True

    def _sort_in(self) -> None:
        keys = np.fromiter(self._recent, np.int64, len(self._recent))
        self._recent.clear()
        while self._sorted and len(self._sorted[-1]) <= 2 * len(keys):
            keys = np.concatenate((self._sorted.pop(), keys))
        keys.sort(kind="stable")  # radix or merge sort: much of it is in order
        self._sorted.append(keys)


def _holds(keys: NDArray[np.int64], key: int) -> bool:
    place = int(keys.searchsorted(key))
    return place < len(keys) and bool(keys[place] == key)
