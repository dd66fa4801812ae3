"""How a search is to be done."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, Self, TypeAlias

from ..errors import InputError
from ..ranking import CALIBRATED, MinScore, check_options

RecallMode: TypeAlias = Literal["hybrid", "dense", "bm25"]

MODES: Final = ("hybrid", "dense", "bm25")
MOST_RECALLED: Final = 1000


@dataclass(frozen=True, slots=True)
class Rule:
    """Drops a candidate whose `field` matches `pattern`.

    field: "title", "text", "source", "headings", or a key of the metadata.   pattern: a regular expression,
    case-insensitive, searched anywhere.   name: under which drops are counted.
    """

    name: str
    field: str
    pattern: str


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """The options of one search; the defaults are those of every front.

    recall: candidates from each recall, 1 to 1,000.   depth: so many of the best go to the reranker, 0 = none.
    top_n: so many hits at most.   mode: dense and BM25 together, or one of them.
    filter: a Milvus expression over `source`, `title`, `page`, `document_id` and `metadata["key"]`.
    instruction: for the reranker; None = its default.   min_score: only hits of at least this probability; "calibrated"
    is the threshold of the reranker's calibration.
    rules: candidates to drop before reranking.
    duplicates: chunks whose texts are at least so alike, in (0, 1], are collapsed into the best of them; None = keep.
    group: keep only the best chunk of each document.
    diversity: 0 = by score alone, up to 1 = by novelty alone (maximal marginal relevance).
    """

    recall: int = 100
    depth: int = 50
    top_n: int = 10
    mode: RecallMode = "hybrid"
    filter: str | None = None
    instruction: str | None = None
    min_score: MinScore | None = None
    rules: tuple[Rule, ...] = ()
    duplicates: float | None = 0.95
    group: bool = False
    diversity: float = 0.0

    def with_changes(self, changes: Mapping[str, Any]) -> Self:
        """With other values of the fields that `changes` names. Raises InputError for a name that is none."""
        known = self.__dataclass_fields__
        for name in changes:
            if name not in known:
                raise InputError(f"{name} is no option of a search; there are {', '.join(known)}")
        return replace(self, **changes)

    def check(self) -> None:
        """Raises InputError that names the option."""
        from .rules import compiled_rule

        _check_count("recall", self.recall, 1, MOST_RECALLED)
        _check_count("depth", self.depth, 0, MOST_RECALLED)
        _check_count("top_n", self.top_n, 1, MOST_RECALLED)
        # Whether there is a calibration the reranker says.
        check_options(self.top_n, None if self.min_score == CALIBRATED else self.min_score, 0)
        if self.mode not in MODES:
            raise InputError(f"mode is {self.mode!r}; give one of {', '.join(MODES)}")
        if self.duplicates is not None and not 0.0 < self.duplicates <= 1.0:
            raise InputError(
                f"duplicates is {self.duplicates!r}; give a share above 0 and up to 1, or None to keep all"
            )
        if not 0.0 <= self.diversity <= 1.0:
            raise InputError(f"diversity is {self.diversity!r}; give a share from 0 to 1")
        for rule in self.rules:
            compiled_rule(rule)


def _check_count(name: str, value: object, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InputError(f"{name} is {value!r}; give a whole number from {least} to {most:,}")
