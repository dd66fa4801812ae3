"""Which documents are compared in which step: the same for the same seed, whatever was interrupted in between."""

import math
import random
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from ..errors import TrainingError
from .examples import Candidate, Example, fingerprint, texts_of


@dataclass(frozen=True, slots=True)
class Group:
    """One positive first, then documents of lower labels, for one query."""

    query: str
    instruction: str | None
    candidates: tuple[Candidate, ...]
    place: str

    @property
    def name(self) -> str:
        """For people: where it was read, or its query."""
        return self.place or repr(self.query)


class GroupSampler:
    """Cuts examples into groups, anew for each epoch: one for each positive.

    negatives: of each group, from the example itself: its documents of lower labels, drawn if there are more.
    random_negatives: besides them, documents that no example with this query knows.
    fill: where an example has too few negatives of its own, random ones make up for that. Not for losses that need a
    teacher's scores, which random ones have not.
    documents: what random negatives are drawn from; those of the examples if empty.
    Raises TrainingError if there is no positive.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        *,
        negatives: int,
        random_negatives: int = 0,
        seed: int = 0,
        fill: bool = True,
        documents: Sequence[str] = (),
    ) -> None:
        self._examples = list(examples)
        self._negatives = negatives
        self._random = random_negatives
        self._fill = fill
        self.seed = seed
        self._pool = list(dict.fromkeys(documents)) or texts_of(self._examples)
        self._known = _known_texts(self._examples)
        self._positives = [
            (number, positive) for number, example in enumerate(self._examples) for positive in example.positives
        ]
        if not self._positives:
            raise TrainingError(
                f"none of {len(self._examples):,} examples has a document that answers its query; give positives"
            )

    def __len__(self) -> int:
        """Groups of an epoch."""
        return len(self._positives)

    def num_steps(self, epochs: float, groups: int) -> int:
        """Of so many groups each, until `epochs` are over; at least one."""
        return max(1, math.ceil(epochs * len(self) / groups - 1e-9))

    @property
    def recipe(self) -> dict[str, Any]:
        """All that decides which groups there are, as JSON: goes into the recipe of a run."""
        return {
            "data": fingerprint(self._examples, self._pool),
            "negatives": self._negatives,
            "random_negatives": self._random,
            "fill": self._fill,
            "seed": self.seed,
        }

    def epoch(self, number: int, *, skipped: int = 0) -> Iterator[Group]:
        """Its groups, without so many of the first."""
        order = list(range(len(self)))
        random.Random(f"{self.seed} {number}").shuffle(order)
        for place in order[skipped:]:
            yield self._group(*self._positives[place], random.Random(f"{self.seed} {number} {place}"))

    def groups_from(self, number: int) -> Iterator[Group]:
        """Endless, epoch after epoch, beginning with the group that comes after `number` others."""
        epoch, skipped = divmod(number, len(self))
        while True:
            yield from self.epoch(epoch, skipped=skipped)
            epoch, skipped = epoch + 1, 0

    def _group(self, number: int, positive: Candidate, chance: random.Random) -> Group:
        example = self._examples[number]
        lower = [each for each in example.candidates if each.label < positive.label]
        drawn = chance.sample(lower, min(len(lower), self._negatives))
        missing = self._random + (self._negatives - len(drawn) if self._fill else 0)
        drawn += [Candidate(text, 0.0) for text in self._others(example, missing, chance)]
        return Group(example.query, example.instruction, (positive, *drawn), example.place)

    def _others(self, example: Example, count: int, chance: random.Random) -> list[str]:
        """Documents that this query does not know; fewer if there are not enough."""
        known = self._known[example.query]
        found: dict[str, None] = {}
        for _ in range(4 * count):
            if len(found) == count:
                return list(found)
            text = self._pool[chance.randrange(len(self._pool))]
            if text not in known:
                found[text] = None
        return list(found) if len(found) == count else self._others_of_few(known, count, chance)

    def _others_of_few(self, known: AbstractSet[str], count: int, chance: random.Random) -> list[str]:
        left = [text for text in self._pool if text not in known]
        return chance.sample(left, min(count, len(left)))


def _known_texts(examples: Sequence[Example]) -> dict[str, set[str]]:
    """Query -> documents of all examples with it: what one of them does not list may well answer the other."""
    known: dict[str, set[str]] = {}
    for example in examples:
        known.setdefault(example.query, set()).update(each.text for each in example.candidates)
    return known
