"""LangChain: a document compressor for `ContextualCompressionRetriever`, and a cross-encoder."""

import math
from collections.abc import Sequence
from typing import Any

from ..ranking import MinScore
from .frameworks import needed
from .scoring import Scorer, Source, flags_of, score_of

try:
    from langchain_core.callbacks import Callbacks
    from langchain_core.cross_encoders import BaseCrossEncoder
    from langchain_core.documents import BaseDocumentCompressor, Document
except ModuleNotFoundError as error:
    raise needed(error, "langchain-core") from None
from pydantic import ConfigDict, Field, PrivateAttr


class FinerankCompressor(BaseDocumentCompressor):
    """Reranks what a retriever found.

    >>> compressor = FinerankCompressor(top_n=3)  # doctest: +SKIP
    >>> ContextualCompressionRetriever(base_compressor=compressor, base_retriever=retriever)  # doctest: +SKIP

    model: a model's name, a `Reranker`, a `Client` or an `AsyncClient`; None = the embedded model.
    loading: options of `Reranker` for a named model.   The others are those of `Reranker.rank`.

    Documents are copied; the copies have `relevance_score` in their metadata, `is_truncated` if the model read only
    their beginning, and `rerank_error` (with a score of None) if they could not be scored: those come last.
    Raises InputError for a blank query.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    model: Any = None
    loading: dict[str, Any] = Field(default_factory=dict)
    instruction: str | None = None
    top_n: int | None = None
    min_score: MinScore | None = None
    batch_size: int = 0
    _scorer: Scorer = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        # Not model_dump(), which would make a dict of a Calibration in `loading`.
        options = {name: getattr(self, name) for name in ("instruction", "top_n", "min_score", "batch_size", "loading")}
        self._scorer = Scorer(self.model, **options)
        self._scorer.load()

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        ranked = self._scorer.rank(query, [document.page_content for document in documents])
        return [_copy(documents[each.index], score_of(each), flags_of(each)) for each in ranked]

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        ranked = await self._scorer.arank(query, [document.page_content for document in documents])
        return [_copy(documents[each.index], score_of(each), flags_of(each)) for each in ranked]


class FinerankCrossEncoder(BaseCrossEncoder):
    """Scores pairs of texts, for `CrossEncoderReranker` and its like. Options as in `FinerankCompressor`."""

    def __init__(self, model: Source = None, **options: Any) -> None:
        self._scorer = Scorer(model, **options)
        self._scorer.load()

    def score(self, text_pairs: list[tuple[str, str]]) -> list[float]:
        """Probability of relevance of each (query, text); minus infinity, with a warning, for one without a score."""
        return [-math.inf if each.error is not None else each.score for each in self._scorer.assess(text_pairs)]


def _copy(document: Document, score: float | None, flags: dict[str, Any]) -> Document:
    return document.model_copy(update={"metadata": {**document.metadata, "relevance_score": score, **flags}})
