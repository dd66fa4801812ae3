"""The nouns of evaluation: a dataset, a run over it, and what was measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from ..types import ModelInfo

Qrels: TypeAlias = dict[str, dict[str, int]]
"""Query id -> document id -> grade; above 0 is relevant."""

Run: TypeAlias = dict[str, dict[str, float]]
"""Query id -> document id -> score, larger is better. A query without results maps to an empty dict."""

PerQuery: TypeAlias = dict[str, dict[str, float]]
"""Metric (as ir_measures writes it: "nDCG@10") -> query id -> value in [0, 1]."""


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
    warnings: what was odd in the files and how it was taken.
    """

    name: str
    split: str
    queries: dict[str, str]
    corpus: Mapping[str, CorpusDocument]
    qrels: Qrels
    excluded: frozenset[tuple[str, str]] = frozenset()
    fingerprint: str = ""
    warnings: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Cost:
    """What a stage cost.

    seconds: query id -> wall time, where each query ran alone.   tokens: that went through the network, all queries.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    tokens: int = 0


@dataclass(slots=True)
class Stage:
    """One ranking of the candidates of every query, and how good it is.

    name: "bm25", "dense", "hybrid", "oracle", or what a reranked one is called in a comparison.
    kind: first (the first stage), reranked, or oracle (the best order of the first stage's candidates).
    """

    name: str
    kind: Literal["first", "reranked", "oracle"]
    run: Run
    per_query: PerQuery
    means: dict[str, float]
    cost: Cost = field(default_factory=Cost)
    model: ModelInfo | None = None
    instruction: str | None = None


@dataclass(slots=True)
class PairedTest:
    """Is stage `b` better than stage `a` on the same queries?

    difference: mean of b - a.   low, high: 95 % bootstrap confidence interval of it.
    p_value: two-sided paired randomisation test.   wins, losses, ties: queries where b is better, worse, equal.
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


@dataclass(slots=True)
class Evaluation:
    """Everything that `finerank eval` and `finerank compare` found.

    stages: the first stage first, then the reranked ones, then the oracle.   metrics: in the order asked for; the
    first is the one that tests and plots are about.   by_depth: stage name -> depth k -> mean of the first metric when
    only the first stage's best k are reranked.
    num_candidates: mean per query.   seconds: of the whole run.   settings: what it was run with, as JSON values.
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
