"""Vectors as a first stage: every document compared with every query, exactly, in blocks. Vectors are cached."""

import time
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from ..embedder import Embedder
from ..scores import FloatArray
from .cache import EvaluationCache, key_of
from .ordering import best, descending_places
from .types import Dataset, Run

_DOCUMENTS_A_STEP: Final = 256
"""Embedded and written before the next: what a kill can cost."""
_DOCUMENTS_A_BLOCK: Final = 65_536
"""Compared at once, so that scores of many documents are not copied around."""
_ALONE_UP_TO: Final = 100_000
"""Documents up to which each query is searched alone, so that its time can be told."""
_QUERIES_A_BLOCK: Final = 64

OnProgress = Callable[[int, int], None]


def document_vectors(
    texts: Sequence[str], embedder: Embedder, cache: EvaluationCache, on_progress: OnProgress | None = None
) -> FloatArray:
    """(N, D) fp32. What the cache knows is not computed; what is computed is in the cache when this returns."""
    # The name too: vectors of two models must never meet, whatever a fingerprint covers.
    keys = [key_of("document", embedder.info.name, embedder.info.fingerprint, text) for text in texts]
    vectors = np.empty((len(texts), embedder.info.dimensions), dtype=np.float32)
    for start in range(0, len(texts), _DOCUMENTS_A_STEP):
        step = range(start, min(start + _DOCUMENTS_A_STEP, len(texts)))
        known = cache.vectors([keys[position] for position in step])
        missing = [position for position in step if keys[position] not in known]
        if missing:
            fresh = embedder.embed_documents([texts[position] for position in missing])
            whole = np.flatnonzero(np.isfinite(fresh).all(axis=1)).tolist()
            cache.add_vectors([keys[missing[row]] for row in whole], fresh[whole])
            vectors[missing] = np.nan_to_num(fresh)  # what has no vector, as the embedder warned, is like nothing
        for position in step:
            if keys[position] in known:
                vectors[position] = known[keys[position]]
        if on_progress is not None:
            on_progress(step.stop, len(texts))
    return vectors


def dense_run(
    dataset: Dataset,
    embedder: Embedder,
    num_results: int,
    cache: EvaluationCache,
    on_progress: OnProgress | None = None,
) -> tuple[Run, dict[str, float]]:
    """(run by cosine, seconds of each query with its embedding; empty where queries were searched in blocks)."""
    ids = list(dataset.corpus)
    vectors = document_vectors([each.full_text for each in dataset.corpus.values()], embedder, cache, on_progress)
    places, excluded = descending_places(ids), dataset.excluded_by_query
    asked = [query_id for query_id, text in dataset.queries.items() if text.strip()]
    run: Run = {query_id: {} for query_id in dataset.queries}
    seconds: dict[str, float] = {}
    size = 1 if len(ids) <= _ALONE_UP_TO else _QUERIES_A_BLOCK
    for start in range(0, len(asked), size):
        block = asked[start : start + size]
        started = time.perf_counter()
        queries = np.nan_to_num(embedder.embed_queries([dataset.queries[query_id] for query_id in block]))
        for query_id, scores in zip(block, _similarities(queries, vectors), strict=True):
            unwanted = excluded.get(query_id, set())
            found = best(scores, places, num_results + len(unwanted))
            kept = [position for position in found if ids[position] not in unwanted]
            run[query_id] = {ids[position]: float(scores[position]) for position in kept[:num_results]}
        if size == 1:
            seconds[block[0]] = time.perf_counter() - started
    return run, seconds


def _similarities(queries: FloatArray, vectors: FloatArray) -> FloatArray:
    """(Q, D) and (N, D) to (Q, N), all fp32."""
    scores = np.empty((len(queries), len(vectors)), dtype=np.float32)
    for start in range(0, len(vectors), _DOCUMENTS_A_BLOCK):
        block = vectors[start : start + _DOCUMENTS_A_BLOCK]
        np.matmul(queries, block.T, out=scores[:, start : start + len(block)])
    return scores
