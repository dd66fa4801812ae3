"""How hard negatives are mined; what `finerank mine` takes, with the same names and defaults."""

import re
from dataclasses import dataclass
from typing import Final, Literal, Self, TypeAlias

from ..errors import InputError

FirstStageName: TypeAlias = Literal["bm25", "dense", "hybrid"]
Sampling: TypeAlias = Literal["random", "top"]

NO_MARGIN: Final = "off"
_RANKS: Final = re.compile(r"\s*(\d{1,9})\s*:\s*(\d{1,9})\s*", re.ASCII)
_MARGIN: Final = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(%?)\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class RankWindow:
    """Ranks that negatives may come from, counted from 1 over what is no known positive, both ends included.

    The best of them are often positives that nobody labelled, so the first few are left out: most of MS MARCO's top
    passages without a label are such, says RocketQA (Qu et al. 2021, arXiv 2010.08191).
    """

    first: int = 5
    last: int = 50

    @classmethod
    def parse(cls, written: str) -> Self:
        """`5:50`. Raises InputError."""
        found = _RANKS.fullmatch(written)
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise InputError(f"the ranks are {written!r}; give the first and the last as in 5:50, counted from 1")
        return cls(int(found[1]), int(found[2]))

    def __len__(self) -> int:
        return self.last - self.first + 1

    def __str__(self) -> str:
        return f"{self.first}:{self.last}"


@dataclass(frozen=True, slots=True)
class Margin:
    """How far a negative's score must be below the positive's.

    is_relative: `amount` is a share of the positive's score, not a difference. Both as sentence-transformers 6.2 has
    them (util/hard_negatives.py): a negative stays if its score is at most positive - amount, or at most
    positive - |positive| · amount. A share of 5 % is TopK-PercPos (95 %) of NV-Retriever, the best of its methods
    (Moreira et al. 2024, arXiv 2407.15831).
    """

    amount: float
    is_relative: bool = False

    @classmethod
    def parse(cls, written: str) -> "Margin | None":
        """`5%` is a share, `0.5` a difference, `off` None. Raises InputError."""
        if written.strip() == NO_MARGIN:
            return None
        found = _MARGIN.fullmatch(written)
        if found is None:
            raise InputError(f"the margin is {written!r}; give a share such as 5%, a difference such as 0.5, or off")
        amount, is_relative = float(found[1]), bool(found[2])
        if is_relative and amount > 100:
            raise InputError(f"the margin is {written!r}; a share of the positive's score is at most 100%")
        return cls(amount / 100 if is_relative else amount, is_relative)

    def limit(self, positive: float) -> float:
        """The highest score that a negative may have."""
        return positive - (abs(positive) * self.amount if self.is_relative else self.amount)

    def __str__(self) -> str:
        return f"{self.amount * 100:g}%" if self.is_relative else f"{self.amount:g}"


TEACHER_MARGIN: Final = Margin(0.05, is_relative=True)
"""With a teacher, unless another is given."""


@dataclass(frozen=True, slots=True)
class MiningOptions:
    """What is a negative, and how many of them.

    first_stage: whose ranking they come from.   language: of the documents, for BM25's terms; None = guessed.
    depth: most documents that it returns for a query.   ranks: those that negatives may have.
    negatives: mined for a query; those that the data has already are kept besides.
    random: more for each query, drawn from all documents that the first stage did not return for it.
    sampling: which of the window: "random" ones (as FlagEmbedding's hn_mine.py), or the "top" ones.
    fill: queries that find too few in the window get random ones instead.
    margin: below the lowest score of the query's positives, the safe side, as sentence-transformers has it. Without a
    teacher of the first stage's scores; with one of its log-odds, or, for a share, of its probabilities; None = no
    margin.
    threshold: no negative has a higher probability by the teacher, in (0, 1); None = any.
    instruction: of examples that have none of their own; the teacher is asked with it, and it is written with them.
    """

    first_stage: FirstStageName = "bm25"
    language: str | None = None
    depth: int = 100
    ranks: RankWindow = RankWindow()
    negatives: int = 8
    random: int = 0
    sampling: Sampling = "random"
    fill: bool = False
    margin: Margin | None = None
    threshold: float | None = None
    instruction: str | None = None
    seed: int = 0

    def check(self, *, has_teacher: bool) -> None:
        """Raises InputError for what contradicts itself."""
        for name, value in (("negatives", self.negatives), ("random", self.random), ("seed", self.seed)):
            if value < 0:
                raise InputError(f"{name} is {value}; give 0 or more")
        if self.negatives + self.random < 1:
            raise InputError("negatives and random are both 0; give at least 1 negative to look for")
        if self.ranks.last > self.depth:
            raise InputError(
                f"the ranks are {self.ranks} and the first stage returns {self.depth:,} documents; give a depth of at "
                f"least {self.ranks.last:,}, or ranks that end sooner"
            )
        if self.negatives > len(self.ranks):
            raise InputError(
                f"{self.negatives:,} negatives cannot come from the {len(self.ranks):,} ranks {self.ranks}; give more "
                "ranks or fewer negatives"
            )
        self._check_filters(has_teacher)

    def _check_filters(self, has_teacher: bool) -> None:
        if has_teacher:
            if self.threshold is not None and not 0 < self.threshold < 1:
                raise InputError(f"the teacher's threshold is {self.threshold}; give a probability between 0 and 1")
            return
        if self.threshold is not None:
            raise InputError(f"the threshold {self.threshold} is of a teacher's probabilities; name a teacher, too")
        if self.margin is not None and self.first_stage == "hybrid":
            raise InputError(
                f"a margin of {self.margin} has no meaning for hybrid, whose scores are made of ranks; take bm25 or "
                "dense, or a teacher"
            )
