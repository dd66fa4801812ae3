"""What is trained on: a query with documents, each labelled; and where it was read, for people."""

import hashlib
import json
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


def fingerprint(examples: Iterable[Example], documents: Iterable[str] = ()) -> str:
    """Hash over all that is learned from, in order; where it was read does not count."""
    digest = hashlib.sha256()
    for example in examples:
        candidates = [(each.text, each.label, each.teacher) for each in example.candidates]
        digest.update(json.dumps([example.query, example.instruction, candidates]).encode())
    for document in documents:
        digest.update(json.dumps(document).encode())
    return digest.hexdigest()[:16]
