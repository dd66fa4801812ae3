"""What `/v1/search` and `/v1/collections` answer, as types, with an example of each."""

from typing import Any, Final, NotRequired

from typing_extensions import TypedDict

from .endpoint import QUERY


class Snippet(TypedDict):
    """spans: characters of `text` that speak to the query."""

    text: str
    spans: list[list[int]]


class StageScore(TypedDict):
    """rank: from 1; both null if that recall did not find the passage."""

    score: float | None
    rank: int | None


class StageRank(TypedDict):
    """rank: from 1; null if the passage has none of the query's codes."""

    rank: int | None


class Stages(TypedDict):
    dense: StageScore
    bm25: StageScore
    codes: StageRank
    fused: StageScore


class SearchHit(TypedDict):
    rank: int
    id: str
    document_id: str
    source: str
    title: str
    page: int | None
    last_page: int | None
    headings: list[str]
    position: int
    text: str
    snippet: Snippet
    score: float | None
    log_odds: float | None
    truncated: bool
    error: str | None
    more_of_document: int
    duplicates: list[str]
    metadata: dict[str, Any]
    stages: Stages


class Found(TypedDict):
    dense: int
    bm25: int
    together: int


class SearchFacts(TypedDict):
    embedding_model: str | None
    model: str | None
    fingerprint: str | None
    instruction: str | None
    found: Found
    dropped: dict[str, int]
    duplicates: int
    reranked: int
    seconds: dict[str, float]
    warnings: list[str]


class Move(TypedDict):
    """A passage's place before and after reranking, from 1; `fate` says why one is no result."""

    id: str
    before: int
    after: int | None
    fate: str | None


class SearchAnswer(TypedDict):
    id: str
    object: str
    collection: str
    query: str
    results: list[SearchHit]
    facts: SearchFacts
    moves: NotRequired[list[Move]]
    context: NotRequired[str]
    warnings: NotRequired[list[str]]


class CollectionFacts(TypedDict):
    """num_chunks: as the database counts them, deleted ones maybe among them.

    error: why it cannot be searched; then what is not known of it is null.
    """

    id: str
    object: str
    num_chunks: int | None
    embedding_model: str | None
    dimensions: int | None
    is_default: bool
    error: NotRequired[str]


class CollectionList(TypedDict):
    object: str
    data: list[CollectionFacts]


COLLECTION: Final[CollectionFacts] = {
    "id": "finerank",
    "object": "collection",
    "num_chunks": 4821,
    "embedding_model": "Qwen/Qwen3-Embedding-0.6B",
    "dimensions": 1024,
    "is_default": True,
}
_TEXT: Final = "Alarm E07: hydraulic pressure sensor, signal fault. Check the plug."
ANSWER: Final[SearchAnswer] = {
    "id": "search-4b6f0c6f2f6e4a4d9d0b6c1e5a7f8d21",
    "object": "list",
    "collection": "finerank",
    "query": QUERY,
    "results": [
        {
            "rank": 1,
            "id": "manuals/pump.pdf#41",
            "document_id": "manuals/pump.pdf",
            "source": "manuals/pump.pdf",
            "title": "Pump P3: maintenance",
            "page": 17,
            "last_page": 17,
            "headings": ["Alarms"],
            "position": 41,
            "text": _TEXT,
            "snippet": {"text": _TEXT, "spans": [[0, 5], [6, 9]]},
            "score": 0.9932,
            "log_odds": 4.99,
            "truncated": False,
            "error": None,
            "more_of_document": 0,
            "duplicates": [],
            "metadata": {},
            "stages": {
                "dense": {"score": 0.71, "rank": 4},
                "bm25": {"score": 9.2, "rank": 1},
                "codes": {"rank": 1},
                "fused": {"score": 0.0320, "rank": 2},
            },
        }
    ],
    "facts": {
        "embedding_model": "Qwen/Qwen3-Embedding-0.6B",
        "model": "Qwen/Qwen3-Reranker-0.6B",
        "fingerprint": "9f0c2a41d7b85e36",
        "instruction": "Given a web search query, retrieve relevant passages that answer the query",
        "found": {"dense": 100, "bm25": 34, "together": 118},
        "dropped": {},
        "duplicates": 2,
        "reranked": 50,
        "seconds": {"embed": 0.021, "dense": 0.012, "bm25": 0.004, "rules": 0.008, "rerank": 0.61},
        "warnings": [],
    },
}
