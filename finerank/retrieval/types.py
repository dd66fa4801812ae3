"""The nouns of retrieval: what a file holds, what an index holds, and what a search gives back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..ranking import MinScore
from ..types import ModelInfo, Ranking


@dataclass(slots=True)
class Section:
    """A run of text that stands together in a document.

    page: from 1, None where the format has no pages.   headings: those above it, outermost first.
    """

    text: str
    page: int | None = None
    headings: tuple[str, ...] = ()


@dataclass(slots=True)
class SourceDocument:
    """One document of a file: the whole of a PDF, one row of a CSV.

    id: unique in an index, stable between runs: the path as the user sees it, with `#ROW` where a file holds several.
    source: the file's path as the user sees it.   metadata: the file's own fields, JSON values only.
    """

    id: str
    source: str
    title: str
    sections: list[Section]
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Chunk:
    """A passage of a document, the unit that is found.

    id: unique in an index and a function of the document's id and the position.
    position: 0, 1, ... within its document.   page, last_page: where it starts and ends, from 1; None without pages.
    headings: those above its beginning, outermost first.   num_tokens: of `text`, by the embedding model's tokenizer.
    """

    id: str
    document_id: str
    source: str
    title: str
    text: str
    position: int = 0
    page: int | None = None
    last_page: int | None = None
    headings: tuple[str, ...] = ()
    num_tokens: int = 0
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """For people: source and page."""
        if self.page is None:
            return self.source
        if self.last_page is None or self.last_page == self.page:
            return f"{self.source}, page {self.page}"
        return f"{self.source}, pages {self.page}-{self.last_page}"


@dataclass(slots=True)
class Found:
    """A chunk as one of the recalls found it.   score: cosine or BM25, larger is better."""

    chunk: Chunk
    score: float


@dataclass(slots=True)
class Hit:
    """One result of a search, with the opinion of every stage that had one.

    dense, bm25: cosine and BM25 score, None where that recall did not find it; *_rank from 1.
    code_rank: from 1, among those that have the codes of the query ("E07"); None for the others.
    fused: of reciprocal rank fusion.   recall_rank: from 1, its place before the reranker, behind rules and
    near-duplicates.
    score, log_odds: the reranker's; None without one, or if the reranker failed on it (`error` says why).
    is_truncated: the reranker saw only its beginning.
    num_more: further chunks of the same document that were left out by grouping.
    duplicates: ids of chunks that say nearly the same and were collapsed into this one.
    """

    chunk: Chunk
    dense: float | None = None
    dense_rank: int | None = None
    bm25: float | None = None
    bm25_rank: int | None = None
    code_rank: int | None = None
    fused: float = 0.0
    recall_rank: int = 0
    score: float | None = None
    log_odds: float | None = None
    is_truncated: bool = False
    error: str | None = None
    num_more: int = 0
    duplicates: tuple[str, ...] = ()


@dataclass(slots=True)
class SearchFacts:
    """What is true of a whole answer.

    embedding_model, reranker: who answered; None where that stage did not run.
    num_dense, num_bm25: what each recall found; num_recalled: all together, with what the query's codes found.
    dropped: rule -> how many candidates it dropped.   num_duplicates: collapsed into others.   num_reranked: of those.
    seconds: stage ("embed", "dense", "bm25", "rules", "rerank") -> how long it took.
    warnings: what the caller should know of this answer; those made here are notes.Note, with a code.
    """

    embedding_model: str | None = None
    reranker: ModelInfo | None = None
    instruction: str | None = None
    num_dense: int = 0
    num_bm25: int = 0
    num_recalled: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    num_duplicates: int = 0
    num_reranked: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


@dataclass(slots=True)
class SearchResult:
    """hits: best first, at most `top_n`.   recalled: before reranking, in the order of the recall, for comparison."""

    query: str
    hits: list[Hit]
    recalled: list[Hit]
    facts: SearchFacts


class Ranker(Protocol):
    """What of a `Reranker` is needed here; a server gives its own, which queues and counts."""

    @property
    def info(self) -> ModelInfo: ...

    @property
    def calibration(self) -> Any:
        """None, or what `min_score="calibrated"` goes by."""

    def rank(
        self, query: str, documents: Sequence[str], *, instruction: str | None = None, min_score: MinScore | None = None
    ) -> Ranking: ...

    async def arank(
        self, query: str, documents: Sequence[str], *, instruction: str | None = None, min_score: MinScore | None = None
    ) -> Ranking: ...
