"""`split`: some queries held out to measure on, none of which training has seen, nor their answers."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ..errors import TrainingError
from .examples import Example
from .folding import TextNumbers

_MOST: Final = 3
"""A third of the queries is held out at most, however few there are."""
_OVER: Final = 1.25
"""A connected group is passed over if it would bring more than this times the queries that were asked for."""


@dataclass(frozen=True, slots=True)
class Split:
    """dev: held out.   sentence: what was done, and what of it is not as it was asked for."""

    train: list[Example]
    dev: list[Example]
    sentence: str


def split(examples: Sequence[Example], *, dev_share: float = 0.1, min_queries: int = 50, seed: int = 0) -> Split:
    """Holds out `dev_share` of the queries that have a positive, at least `min_queries` and at most a third; a half if
    they are connected into few groups.

    Examples with the same query, or with a positive in common, stay together, apart from case, white space and final
    punctuation. Negatives may be on both sides: that a document does not answer one query says nothing of another.
    The same for the same seed; each side keeps the order.
    Raises TrainingError if nothing can be held out.
    """
    if not 0 < dev_share < 1:
        raise TrainingError(f"the share of held-out queries is {dev_share}; give one between 0 and 1, such as 0.1")
    numbers = TextNumbers()
    groups = _connected(examples, numbers)
    queries = [_queries(examples, group, numbers) for group in groups]
    total = sum(queries)
    wanted = min(max(round(dev_share * total), min_queries), total // _MOST)
    taken = _taken(queries, wanted, seed)
    if not taken:
        raise TrainingError(
            f"no queries can be held out of {total:,}: "
            + ("there are too few" if wanted < 1 else "they are connected through the documents that answer them")
            + "; give held-out data of their own (--dev)"
        )
    is_dev = {number for group in taken for number in groups[group]}
    found = sum(queries[group] for group in taken)
    return Split(
        [example for number, example in enumerate(examples) if number not in is_dev],
        [example for number, example in enumerate(examples) if number in is_dev],
        _sentence(found, total, wanted, min_queries, seed),
    )


def without_leaks(examples: Sequence[Example], held_out: Iterable[Example]) -> tuple[list[Example], str]:
    """(the examples whose query is not held out too, a sentence on those that are; empty if there are none).

    For held-out data that came with the training data: most collections ask a few questions on both sides. Documents
    that answer queries of both sides stay; the checker counts them.
    """
    numbers = TextNumbers()
    queries = {numbers.query(example.query) for example in held_out}
    kept = [example for example in examples if numbers.query(example.query) not in queries]
    num_leaks = len(examples) - len(kept)
    said = f"{num_leaks:,} of {len(examples):,} examples are not trained on: their query is held out too"
    return kept, said if num_leaks else ""


def _connected(examples: Sequence[Example], numbers: TextNumbers) -> list[list[int]]:
    """Numbers of examples that share a query or a positive, directly or through others; in order of their first."""
    parents = list(range(len(examples)))

    def root(number: int) -> int:
        while parents[number] != number:
            parents[number] = parents[parents[number]]
            number = parents[number]
        return number

    first: dict[tuple[str, int], int] = {}
    for number, example in enumerate(examples):
        keys = [("query", numbers.query(example.query))]
        keys += [("document", numbers.document(each.text)) for each in example.positives]
        for key in keys:
            one, other = root(first.setdefault(key, number)), root(number)
            parents[max(one, other)] = min(one, other)
    groups: dict[int, list[int]] = {}
    for number in range(len(examples)):
        groups.setdefault(root(number), []).append(number)
    return list(groups.values())


def _queries(examples: Sequence[Example], group: Sequence[int], numbers: TextNumbers) -> int:
    """Different ones of a group that can be measured on."""
    return len({numbers.query(examples[number].query) for number in group if examples[number].positives})


def _taken(queries: Sequence[int], wanted: int, seed: int) -> list[int]:
    """Groups drawn at random until there are so many queries; one that would bring far too many is passed over."""
    if wanted < 1:
        return []
    order = [number for number, count in enumerate(queries) if count]
    random.Random(f"{seed} held out").shuffle(order)
    taken: list[int] = []
    found = 0
    for number in order:
        if found >= wanted:
            break
        if found + queries[number] <= max(wanted * _OVER, wanted + 1):
            taken.append(number)
            found += queries[number]
    return taken or _smallest(queries, order)


def _smallest(queries: Sequence[int], order: Sequence[int]) -> list[int]:
    """Where all groups are too large: the smallest one, if at least as many queries are left."""
    smallest = min(order, key=lambda number: queries[number], default=None)
    return [] if smallest is None or 2 * queries[smallest] > sum(queries) else [smallest]


def _sentence(found: int, total: int, wanted: int, min_queries: int, seed: int) -> str:
    said = (
        f"{found:,} of {total:,} queries are held out, drawn at random with seed {seed}; training has none of these "
        "queries, and none of the documents that answer them answers another one there"
    )
    if found < wanted:
        said += f"; {wanted:,} were wanted, but too many queries share the documents that answer them"
    if found < min_queries:
        said += f"; so few (below {min_queries:,}) show large differences only"
    return said
