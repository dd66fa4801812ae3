"""What the checker says of training data: figures, and what is wrong with it."""

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from ..errors import TrainingError

Severity: TypeAlias = Literal["error", "warning"]
"""An error refuses training; a warning does not."""

NUM_PLACES: Final = 3
_IN_MESSAGE: Final = 3


@dataclass(frozen=True, slots=True)
class Problem:
    """code: for machines, such as "positive_among_negatives".   count: how often.   places: up to 3 of them."""

    severity: Severity
    code: str
    message: str
    count: int
    places: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """With the places."""
        if not self.places:
            return self.message
        more = f" and {self.count - len(self.places):,} more" if self.count > len(self.places) else ""
        return f"{self.message}: {'; '.join(self.places)}{more}"


@dataclass(frozen=True, slots=True)
class Lengths:
    """Of (query, document) pairs in tokens, without the template.

    room: for a query and a document together.   num_pairs: measured, drawn at random if there are more.
    num_cut: documents that lose their end.   median, longest: tokens of a pair.
    """

    room: int
    num_pairs: int
    num_cut: int
    median: int
    longest: int

    @property
    def share_cut(self) -> float:
        return self.num_cut / self.num_pairs if self.num_pairs else 0.0


@dataclass(slots=True)
class DataReport:
    """num_queries, num_documents: different ones, apart from case and white space.

    num_positives, num_negatives: documents of all examples.   num_graded: positives with a label below 1.
    num_without_positives, num_without_negatives: examples.   num_with_teacher: documents with a teacher's score.
    held_out: name -> number of its examples.   lengths: None if nothing was given to count tokens with.
    """

    num_examples: int = 0
    num_queries: int = 0
    num_documents: int = 0
    num_positives: int = 0
    num_negatives: int = 0
    num_graded: int = 0
    num_without_positives: int = 0
    num_without_negatives: int = 0
    num_with_instruction: int = 0
    num_with_teacher: int = 0
    held_out: dict[str, int] = field(default_factory=dict)
    lengths: Lengths | None = None
    problems: list[Problem] = field(default_factory=list)

    @property
    def errors(self) -> list[Problem]:
        return [each for each in self.problems if each.severity == "error"]

    @property
    def warnings(self) -> list[Problem]:
        return [each for each in self.problems if each.severity == "warning"]

    def refuse_errors(self) -> None:
        """Raises TrainingError with the first errors, if there are any."""
        errors = self.errors
        if not errors:
            return
        more = f"; and {len(errors) - _IN_MESSAGE} more errors" if len(errors) > _IN_MESSAGE else ""
        said = "; ".join(each.sentence for each in errors[:_IN_MESSAGE])
        raise TrainingError(f"the training data cannot be used: {said}{more}")

    def lines(self) -> list[str]:
        """For people: figures, then errors, then warnings."""
        return [*self._figures(), *(f"{each.severity}: {each.sentence}" for each in [*self.errors, *self.warnings])]

    def _figures(self) -> list[str]:
        per = max(1, self.num_examples)
        figures = [
            f"{self.num_examples:,} examples with {self.num_queries:,} queries and {self.num_documents:,} documents",
            f"{self.num_positives:,} positives ({self.num_positives / per:.1f} an example), {self.num_negatives:,} "
            f"negatives ({self.num_negatives / per:.1f} an example, none in {self.num_without_negatives:,})",
        ]
        if self.num_graded:
            figures.append(f"{self.num_graded:,} positives are graded below the highest label")
        if self.num_with_instruction:
            figures.append(f"{self.num_with_instruction:,} examples have an instruction")
        if self.num_with_teacher:
            figures.append(f"{self.num_with_teacher:,} documents have a teacher's score")
        figures += [f"{number:,} examples are held out ({name})" for name, number in self.held_out.items()]
        if self.lengths is not None:
            figures.append(_about(self.lengths))
        return figures


def _about(lengths: Lengths) -> str:
    return (
        f"of {lengths.num_pairs:,} pairs the median is {lengths.median:,} tokens and the longest {lengths.longest:,}; "
        f"there is room for {lengths.room:,}, so {lengths.share_cut:.1%} of the documents lose their end"
    )
