"""What is trained on: a query with documents, each labelled; and where it was read, for people."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Candidate:
    """A document for a query.

    label: 1 answers it, 0 does not; graded judgements lie between.
    teacher: log-odds that a stronger model gave, to distil from.
    """

    text: str
    label: float
    teacher: float | None = None

    @property
    def is_positive(self) -> bool:
        return self.label > 0


@dataclass(frozen=True, slots=True)
class Example:
    """A query with its documents.   place: file and line, or query id, where it was read."""

    query: str
    candidates: tuple[Candidate, ...]
    instruction: str | None = None
    place: str = ""

    @property
    def positives(self) -> tuple[Candidate, ...]:
        return tuple(each for each in self.candidates if each.is_positive)

    @property
    def negatives(self) -> tuple[Candidate, ...]:
        return tuple(each for each in self.candidates if not each.is_positive)


def texts_of(examples: Iterable[Example]) -> list[str]:
    """Every document once, in order."""
    return list(dict.fromkeys(each.text for example in examples for each in example.candidates))
