"""BM25 as Milvus Lite has it beside bm25s, over the same terms."""

import shutil
from pathlib import Path
from typing import Any, Final

import numpy as np

from finerank.evaluation import load_dataset
from finerank.evaluation.bm25 import Bm25Index
from finerank.evaluation.metrics import means, per_query
from finerank.evaluation.ordering import ranked
from finerank.evaluation.types import Run
from finerank.retrieval.index_info import IndexInfo
from finerank.retrieval.milvus_store import MilvusStore
from finerank.retrieval.store import Entry
from finerank.retrieval.terms import TermAnalyzer
from finerank.retrieval.types import Chunk

METRICS: Final = ("nDCG@10", "R@100")
_NUM_RESULTS: Final = 100


def compare(data: Path, work: Path) -> dict[str, Any]:
    """Metric of each side on dev, and how much their rankings have in common."""
    dataset = load_dataset(data, split="dev")
    analyzer = TermAnalyzer("en")
    ids = list(dataset.corpus)
    terms = [analyzer.terms(each.full_text) for each in dataset.corpus.values()]
    asked = {query_id: analyzer.query_terms(text) for query_id, text in dataset.queries.items()}
    index = Bm25Index(ids, terms)
    runs = {
        "bm25s": {query_id: index.search(words, _NUM_RESULTS) for query_id, words in asked.items()},
        "milvus_one_segment": _milvus(ids, terms, asked, work / f"bm25-{data.name}-1.db", len(ids)),
        "milvus_many_segments": _milvus(ids, terms, asked, work / f"bm25-{data.name}-n.db", 500),
    }
    figures: dict[str, Any] = {}
    for name, run in runs.items():
        found = means(per_query(dataset.qrels, run, METRICS))
        figures[name] = {metric: round(value, 4) for metric, value in found.items()}
        figures[name]["same_first_ten_as_bm25s"] = round(_overlap(run, runs["bm25s"]), 4)
    return figures


def _milvus(ids: list[str], terms: list[list[str]], asked: dict[str, list[str]], db: Path, flush_every: int) -> Run:
    shutil.rmtree(db, ignore_errors=True)
    store = MilvusStore.create(str(db), "bm25", IndexInfo("none", "none", 2, 512, 0, {}))
    vector = np.array([1.0, 0.0], dtype=np.float32)
    for start in range(0, len(ids), flush_every):
        rows = zip(ids[start : start + flush_every], terms[start : start + flush_every], strict=True)
        store.add([Entry(Chunk(each, each, each, "", ""), vector, words) for each, words in rows])
        store.finish()
    run = {
        query_id: {found.chunk.id: found.score for found in store.bm25(words, _NUM_RESULTS)}
        for query_id, words in asked.items()
    }
    store.close()
    return run


def _overlap(run: Run, other: Run) -> float:
    """Mean share of the first ten that both have."""
    shares = []
    for query_id in run:
        here, there = (set(ranked(each[query_id])[:10]) for each in (run, other))
        shares.append(len(here & there) / len(there) if there else float(not here))
    return float(np.mean(shares))
