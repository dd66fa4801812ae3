"""Hits made of texts."""

from collections.abc import Sequence
from typing import Any

from finerank.retrieval.types import Chunk, Hit, SearchFacts, SearchResult


def hit(text: str = "text", place: int = 1, **changes: Any) -> Hit:
    """At `place` of the recall, each in a document of its own unless `document_id` says otherwise."""
    of_chunk = {name: changes.pop(name) for name in list(changes) if name in Chunk.__slots__}
    document_id = of_chunk.pop("document_id", f"document-{place}")
    chunk = Chunk(
        id=of_chunk.pop("id", f"chunk-{place}"),
        document_id=document_id,
        source=of_chunk.pop("source", f"{document_id}.pdf"),
        title=of_chunk.pop("title", ""),
        text=text,
        **of_chunk,
    )
    return Hit(chunk, recall_rank=place, fused=1.0 / (60 + place), **changes)


def hits(texts: Sequence[str], **changes: Any) -> list[Hit]:
    return [hit(text, place, **changes) for place, text in enumerate(texts, 1)]


def result(found: Sequence[Hit], recalled: Sequence[Hit] | None = None) -> SearchResult:
    return SearchResult("query", list(found), list(recalled if recalled is not None else found), SearchFacts())


def ids(found: Sequence[Hit]) -> list[str]:
    return [each.chunk.id for each in found]
