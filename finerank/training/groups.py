"""Which documents are compared in which step: the same for the same seed, whatever was interrupted in between."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .examples import Candidate, Example, texts_of


@dataclass(frozen=True, slots=True)
class Group:
    """One positive first, then negatives, for one query."""

    query: str
    instruction: str | None
    candidates: tuple[Candidate, ...]
    place: str


class GroupSampler:
    """Cuts examples into groups, anew for each epoch.

    negatives: of each group; those of the example first, drawn at random if there are more.
    random_negatives: documents of other examples besides them. Where an example has too few negatives of its own, they
    make up for that too, unless `margins` need a teacher's score, which those have not.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        *,
        negatives: int,
        random_negatives: int = 0,
        seed: int = 0,
        fill: bool = True,
    ) -> None:
        self._examples = list(examples)
        self._negatives = negatives
        self._random = random_negatives
        self._fill = fill
        self._seed = seed
        self._texts = texts_of(example for example in examples)
        self._places = [
            (number, position)
            for number, example in enumerate(self._examples)
            for position in range(len(example.positives))
        ]

    def __len__(self) -> int:
        """Groups of an epoch."""
        return len(self._places)

    def epoch(self, number: int) -> Iterator[Group]:
        order = list(self._places)
        random.Random(f"{self._seed} {number}").shuffle(order)
        for example, position in order:
            yield self._group(example, position, random.Random(f"{self._seed} {number} {example} {position}"))

    def _group(self, number: int, position: int, chance: random.Random) -> Group:
        example = self._examples[number]
        own = list(example.negatives)
        drawn = chance.sample(own, min(len(own), self._negatives))
        missing = self._random + (self._negatives - len(drawn) if self._fill else 0)
        drawn += self._others(example, missing, chance)
        return Group(example.query, example.instruction, (example.positives[position], *drawn), example.place)

    def _others(self, example: Example, count: int, chance: random.Random) -> list[Candidate]:
        """Documents of the other examples, none of which this one knows; fewer if there are not enough."""
        known = {each.text for each in example.candidates}
        found: dict[str, None] = {}
        for _ in range(20 * count):
            if len(found) == count:
                break
            text = self._texts[chance.randrange(len(self._texts))]
            if text not in known:
                found[text] = None
        return [Candidate(text, 0.0) for text in found]
