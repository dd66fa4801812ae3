"""LanceDB: a reranker for vector, full-text and hybrid search."""

from typing import Any

from ..errors import InputError
from .frameworks import needed
from .scoring import Scorer, Source, score_of

try:
    import pyarrow as pa
    from lancedb.rerankers.base import Reranker as LanceReranker
except ModuleNotFoundError as error:
    raise needed(error, "lancedb") from None


class FinerankReranker(LanceReranker):  # type: ignore[misc]
    """Reranks rows: `table.search("E07", query_type="hybrid").rerank(reranker=FinerankReranker())`.

    model: a model's name, a `Reranker` or a `Client`; None = the embedded model.
    column: holds the text.   return_score: "relevance" drops `_distance` and `_score`, "all" keeps them and adds
    `_is_truncated`, whether the model read only the beginning of the text.
    options: `loading` of a named model, `instruction`, `top_n`, `min_score`, `batch_size` as in `Reranker.rank`.

    Rows come best first with the probability as float32 `_relevance_score`; rows without a text or a score come last,
    with null. Raises InputError for options that cannot be used, ValueError for a `return_score` that is neither.
    """

    def __init__(
        self, model: Source = None, *, column: str = "text", return_score: str = "relevance", **options: Any
    ) -> None:
        super().__init__(return_score)
        self._column = column
        self._scorer = Scorer(model, **options)
        self._scorer.load()

    def rerank_hybrid(self, query: str, vector_results: pa.Table, fts_results: pa.Table) -> pa.Table:
        schema = pa.unify_schemas([vector_results.schema, fts_results.schema], promote_options="default")
        if self.score == "relevance" or not (len(vector_results) and len(fts_results)):
            found = self.merge_results(vector_results, fts_results)
        else:
            # LanceDB's own merge guesses the types anew: a row id of 64 bits without a sign loses them.
            merged = self._merge_and_keep_scores(vector_results, fts_results)
            found = pa.Table.from_pylist(merged.to_pylist(), schema=schema)
        return self._rerank(query, found)

    def rerank_vector(self, query: str, vector_results: pa.Table) -> pa.Table:
        return self._rerank(query, vector_results)

    def rerank_fts(self, query: str, fts_results: pa.Table) -> pa.Table:
        return self._rerank(query, fts_results)

    def _rerank(self, query: str, found: pa.Table) -> pa.Table:
        if self._column not in found.column_names:
            names = ", ".join(found.column_names)
            raise InputError(f"the rows have no column {self._column!r} but {names}; name the text's with column=")
        ranked = self._scorer.rank(query, found[self._column].to_pylist())
        result = self._keep_relevance_score(found.take(pa.array([each.index for each in ranked], type=pa.int64())))
        scores = pa.array([score_of(each) for each in ranked], type=pa.float32())
        result = result.append_column("_relevance_score", scores)
        if self.score == "all":
            cut = pa.array([each.is_truncated for each in ranked], type=pa.bool_())
            result = result.append_column("_is_truncated", cut)
        return result
