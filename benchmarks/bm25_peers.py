"""BM25 as Milvus Lite has it beside bm25s, over the same terms."""

import json
import shutil
from pathlib import Path
from typing import Any

import bm25s
import ir_measures
import numpy as np

from finerank.retrieval.index_info import IndexInfo
from finerank.retrieval.milvus_store import MilvusStore
from finerank.retrieval.store import BM25_B, BM25_K1, Entry
from finerank.retrieval.terms import TermAnalyzer
from finerank.retrieval.types import Chunk

METRICS = ("nDCG@10", "R@100")


def compare(data: Path, work: Path) -> dict[str, Any]:
    """Metric of each side on dev, and how much their rankings have in common."""
    corpus, queries, qrels = _read(data)
    analyzer = TermAnalyzer("en")
    ids = list(corpus)
    terms = [analyzer.terms(corpus[each]) for each in ids]
    asked = {query: analyzer.query_terms(queries[query]) for query in qrels}
    runs = {
        "bm25s": _bm25s(ids, terms, asked),
        "milvus_one_segment": _milvus(ids, terms, asked, work / f"bm25-{data.name}-1.db", len(ids)),
        "milvus_many_segments": _milvus(ids, terms, asked, work / f"bm25-{data.name}-n.db", 500),
    }
    wanted = [ir_measures.parse_measure(metric) for metric in METRICS]
    figures: dict[str, Any] = {}
    for name, run in runs.items():
        values = ir_measures.calc_aggregate(wanted, qrels, run)
        figures[name] = {str(metric): round(value, 4) for metric, value in values.items()}
        figures[name]["same_first_ten_as_bm25s"] = round(_overlap(run, runs["bm25s"]), 4)
    return figures


def _bm25s(ids: list[str], terms: list[list[str]], asked: dict[str, list[str]]) -> dict[str, dict[str, float]]:
    model = bm25s.BM25(method="lucene", k1=BM25_K1, b=BM25_B)
    model.index(terms, show_progress=False)
    run = {}
    for query, words in asked.items():
        scores = model.get_scores(words)
        best = np.argsort(-scores, kind="stable")[:100]
        run[query] = {ids[index]: float(scores[index]) for index in best if scores[index] > 0}
    return run


def _milvus(
    ids: list[str], terms: list[list[str]], asked: dict[str, list[str]], db: Path, flush_every: int
) -> dict[str, dict[str, float]]:
    shutil.rmtree(db, ignore_errors=True)
    store = MilvusStore.create(str(db), "bm25", IndexInfo("none", "none", 2, 512, 0, {}))
    vector = np.array([1.0, 0.0], dtype=np.float32)
    for start in range(0, len(ids), flush_every):
        rows = zip(ids[start : start + flush_every], terms[start : start + flush_every], strict=True)
        store.add([Entry(Chunk(each, each, each, "", ""), vector, words) for each, words in rows])
        store.finish()
    run = {query: {found.chunk.id: found.score for found in store.bm25(words, 100)} for query, words in asked.items()}
    store.close()
    return run


def _overlap(run: dict[str, dict[str, float]], other: dict[str, dict[str, float]]) -> float:
    """Mean share of the first ten that both have."""

    def first(scores: dict[str, float]) -> set[str]:
        return set(sorted(scores, key=lambda key: -scores[key])[:10])

    shares = []
    for query in run:
        here, there = first(run[query]), first(other[query])
        shares.append(len(here & there) / len(there) if there else float(not here))
    return float(np.mean(shares))


def _read(data: Path) -> tuple[dict[str, str], dict[str, str], dict[str, dict[str, int]]]:
    def rows(name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (data / name).read_text(encoding="utf-8").splitlines() if line.strip()]

    corpus = {each["_id"]: f"{each.get('title', '')} {each['text']}" for each in rows("corpus.jsonl")}
    queries = {each["_id"]: each["text"] for each in rows("queries.jsonl")}
    qrels: dict[str, dict[str, int]] = {}
    for line in (data / "qrels" / "dev.tsv").read_text().splitlines()[1:]:
        query, document, grade = line.split("\t")
        qrels.setdefault(query, {})[document] = int(grade)
    return corpus, queries, qrels
