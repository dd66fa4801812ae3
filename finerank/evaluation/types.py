"""The nouns of evaluation: a dataset, a run over it, and what was measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from ..types import ModelInfo

Qrels: TypeAlias = dict[str, dict[str, int]]
"""Query id -> document id -> grade; above 0 is relevant."""

Run: TypeAlias = dict[str, dict[str, float]]
"""Query id -> document id -> score, larger is better. A query without results maps to an empty dict."""

PerQuery: TypeAlias = dict[str, dict[str, float]]
"""Metric (as ir_measures writes it: "nDCG@10") -> query id -> value in [0, 1]."""


SIGNIFICANT: Final = 0.05
"""A difference that chance gives less often than this is called one."""


@dataclass(slots=True)
class CorpusDocument:
    """A text to find."""

    text: str
    title: str = ""

    @property
    def full_text(self) -> str:
        """Title and text as one, as BEIR's baselines read them."""
        return f"{self.title}\n{self.text}".strip() if self.title else self.text


@dataclass(slots=True)
class Dataset:
    """Queries, documents and judgements.

    name: for people and for caches' folder names.   split: which qrels were read.
    corpus: may be any mapping; empty for a dataset that is only a run and qrels.
    queries: only those that have a judgement in `qrels`.
    excluded: (query id, document id) that must not stand in any ranking.
    instructions: query id -> an instruction of its own, over that of the whole evaluation.
    warnings: what was odd in the files and how it was taken.
    """

    name: str
    split: str
    queries: dict[str, str]
    corpus: Mapping[str, CorpusDocument]
    qrels: Qrels
    excluded: frozenset[tuple[str, str]] = frozenset()
    instructions: dict[str, str] = field(default_factory=dict)
    fingerprint: str = ""
    warnings: list[str] = field(default_factory=list)

    @property
    def excluded_by_query(self) -> dict[str, set[str]]:
        """Query id -> documents that must not stand in its ranking; only queries that have some."""
        found: dict[str, set[str]] = {}
        for query_id, document_id in self.excluded:
            found.setdefault(query_id, set()).add(document_id)
        return found


@dataclass(slots=True)
class Cost:
    """What a stage cost.

    seconds: query id -> wall time, where each query ran alone, measured in this run.
    tokens: that go through the network for all queries; for what came from the cache, as counted when it was computed.
    earlier_seconds: as `seconds`, measured by an earlier run whose scores came from the cache.
    num_computed, num_cached: pairs that this run computed, and that the cache knew.
    price_per_million: of tokens, in the user's currency; None = not told.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    tokens: int = 0
    earlier_seconds: dict[str, float] = field(default_factory=dict)
    num_computed: int = 0
    num_cached: int = 0
    price_per_million: float | None = None

    @property
    def price(self) -> float | None:
        """Of all tokens, in the user's currency; None if no price was told."""
        return None if self.price_per_million is None else self.tokens * self.price_per_million / 1e6


@dataclass(slots=True)
class Stage:
    """One ranking of the candidates of every query, and how good it is.

    name: "bm25", "dense", "hybrid", "oracle", or what a reranked one is called in a comparison.
    kind: first (the first stage), reranked, or oracle (the best order of the first stage's candidates).
    run: of a reranked stage, the log-odds of the first stage's best `depth`; documents that the model could not score,
    then those below the depth, follow in the first stage's order, with scores that say only that.
    scores: of a reranked stage, query id -> document id -> log-odds, without such fillers.
    """

    name: str
    kind: Literal["first", "reranked", "oracle"]
    run: Run
    per_query: PerQuery
    means: dict[str, float]
    cost: Cost = field(default_factory=Cost)
    model: ModelInfo | None = None
    instruction: str | None = None
    scores: Run = field(default_factory=dict)


@dataclass(slots=True)
class PairedTest:
    """Is stage `b` better than stage `a` on the same queries?

    difference: mean of b - a.   low, high: 95 % bootstrap confidence interval of it.
    p_value: two-sided paired randomisation test.   p_holm: the same, corrected by Holm's method for all tests of this
    metric in the evaluation; None where there is only one.
    wins, losses, ties: queries where b is better, worse, equal.
    """

    metric: str
    a: str
    b: str
    difference: float
    low: float
    high: float
    p_value: float
    wins: int
    losses: int
    ties: int
    p_holm: float | None = None

    @property
    def p_decisive(self) -> float:
        """What is called significant goes by this: corrected where several tests were made."""
        return self.p_value if self.p_holm is None else self.p_holm

    @property
    def is_significant(self) -> bool:
        """False for NaN."""
        return self.p_decisive < SIGNIFICANT


@dataclass(slots=True)
class Evaluation:
    """Everything that `finerank eval` and `finerank compare` found.

    stages: the first stage first, then the reranked ones, then the oracle.   metrics: in the order asked for; the
    first is the one that tests and plots are about.   by_depth: stage name -> depth k -> mean of the first metric when
    only the first stage's best k are reranked.
    num_candidates: mean per query.   seconds: of the whole run.   settings: what it was run with, as JSON values.
    warnings: of the run; those of the files are the dataset's.
    """

    dataset: Dataset
    metrics: list[str]
    depth: int
    stages: list[Stage]
    tests: list[PairedTest]
    by_depth: dict[str, dict[int, float]] = field(default_factory=dict)
    num_candidates: float = 0.0
    seconds: float = 0.0
    settings: dict[str, object] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
