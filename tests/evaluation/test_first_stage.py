"""First stages, against formulas written out here."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from finerank.embedder import EmbedderInfo
from finerank.errors import InputError
from finerank.evaluation.cache import EvaluationCache
from finerank.evaluation.first_stage import Retriever
from finerank.evaluation.fusion import fuse
from finerank.evaluation.ordering import best, descending_places, ranked
from finerank.evaluation.types import CorpusDocument, Dataset
from finerank.retrieval.store import BM25_B, BM25_K1
from finerank.retrieval.terms import TermAnalyzer
from finerank.scores import FloatArray
from tests.evaluation.small import dataset


class CountingEmbedder:
    """Vectors of letter counts; remembers what it embedded."""

    info = EmbedderInfo("letters", "f" * 16, "float32", "cpu", 256, 26)

    def __init__(self) -> None:
        self.documents: list[str] = []
        self.queries: list[str] = []

    def embed_queries(self, queries: Sequence[str], *, instruction: str | None = None) -> FloatArray:
        self.queries += queries
        return self._vectors(queries)

    def embed_documents(self, documents: Sequence[str], *, on_progress: object = None) -> FloatArray:
        self.documents += documents
        return self._vectors(documents)

    def _vectors(self, texts: Sequence[str]) -> FloatArray:
        counts = np.array([[1 + text.lower().count(chr(97 + i)) for i in range(26)] for text in texts], np.float32)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)


def retriever(data: Dataset, cache: EvaluationCache | None = None, num_results: int = 100) -> Retriever:
    return Retriever(data, cache or EvaluationCache(None), num_results, CountingEmbedder, "en")  # type: ignore[arg-type]


def bm25_by_hand(data: Dataset, query: str) -> dict[str, float]:
    """Lucene's BM25: idf ln(1 + (N - n + 0.5) / (n + 0.5)), tf / (tf + k1 (1 - b + b length / mean length))."""
    analyzer = TermAnalyzer("en")
    terms = {id_: analyzer.terms(document.full_text) for id_, document in data.corpus.items()}
    mean = sum(map(len, terms.values())) / len(terms)
    scores: dict[str, float] = {}
    for term in analyzer.query_terms(query):
        holders = [id_ for id_, of in terms.items() if term in of]
        idf = math.log(1 + (len(terms) - len(holders) + 0.5) / (len(holders) + 0.5))
        for id_ in holders:
            tf = terms[id_].count(term)
            scores[id_] = scores.get(id_, 0.0) + idf * tf / (
                tf + BM25_K1 * (1 - BM25_B + BM25_B * len(terms[id_]) / mean)
            )
    return scores


def test_bm25_is_the_formula_and_returns_only_documents_with_a_term() -> None:
    data = dataset()
    found = retriever(data).retrieve("bm25")
    for query_id, query in data.queries.items():
        assert found.run[query_id] == pytest.approx(bm25_by_hand(data, query), rel=1e-5)
    assert next(iter(found.run["q1"])) == "d1"
    assert "d6" not in found.run["q1"]
    assert set(found.cost.seconds) == set(data.queries)


def test_bm25_of_queries_and_documents_without_terms() -> None:
    data = dataset()
    data.queries |= {"q1": "  ", "q2": "xylophone"}
    assert [retriever(data).retrieve("bm25").run[each] for each in ("q1", "q2")] == [{}, {}]
    blank = Dataset("blank", "", {"q": "x"}, {"d": CorpusDocument(" ")}, {"q": {"d": 1}})
    assert retriever(blank).retrieve("bm25").run == {"q": {}}


def test_bm25_of_chinese_is_segmented() -> None:
    corpus = {"a": CorpusDocument("报警代码说明液压压力传感器信号丢失。"), "b": CorpusDocument("今天的汤是番茄汤。")}
    data = Dataset("zh", "", {"q": "液压传感器故障"}, corpus, {"q": {"a": 1}})
    found = Retriever(data, EvaluationCache(None), 10, CountingEmbedder).retrieve("bm25")  # type: ignore[arg-type]
    assert list(found.run["q"]) == ["a"]


def test_dense_is_a_full_scan_by_cosine() -> None:
    data = dataset()
    found = retriever(data, num_results=4).retrieve("dense")
    embedder = CountingEmbedder()
    documents = embedder.embed_documents([each.full_text for each in data.corpus.values()])
    for query_id, query in data.queries.items():
        cosines = documents @ embedder.embed_queries([query])[0]
        order = [list(data.corpus)[position] for position in np.argsort(-cosines)[:4]]
        assert list(found.run[query_id]) == order
        assert found.run[query_id][order[0]] == pytest.approx(float(cosines.max()), abs=1e-6)


def test_excluded_documents_make_room_for_others() -> None:
    data = dataset()
    before = list(retriever(data, num_results=2).retrieve("dense").run["q1"])
    data.excluded = frozenset({("q1", before[0])})
    data.fingerprint = "another"
    for name in ("bm25", "dense", "hybrid"):
        assert before[0] not in retriever(data).retrieve(name).run["q1"]
    after = list(retriever(data, num_results=2).retrieve("dense").run["q1"])
    assert len(after) == 2
    assert after[0] == before[1]


def test_hybrid_is_reciprocal_rank_fusion_of_meaning_words_and_codes() -> None:
    data = dataset()
    bm25, dense, hybrid = (retriever(data).retrieve(name).run["q1"] for name in ("bm25", "dense", "hybrid"))
    codes = {each: 1.0 for each, document in data.corpus.items() if "E07" in document.full_text}
    has_code = "E07" in data.queries["q1"]
    runs = [bm25, dense, codes] if has_code else [bm25, dense]
    assert len(codes) == 1
    assert has_code
    expected = {each: sum(1 / (60 + list(run).index(each) + 1) for run in runs if each in run) for each in dense}
    assert hybrid == pytest.approx(expected)
    assert list(hybrid) == ranked(expected)


def test_hybrid_analyses_and_indexes_the_corpus_once(monkeypatch: pytest.MonkeyPatch) -> None:
    analysed: list[str] = []
    terms = TermAnalyzer.terms
    monkeypatch.setattr(TermAnalyzer, "terms", lambda self, text: analysed.append(text) or terms(self, text))
    data = dataset()
    retriever(data).retrieve("hybrid")
    sampled = 2 * len(data.corpus)  # for the keys of both recalls
    assert len(analysed) == len(data.corpus) + sampled


def test_fusion_keeps_queries_that_one_side_lacks() -> None:
    assert list(fuse([{"q": {"a": 2.0, "b": 1.0}}, {"r": {"c": 1.0}}], 1)) == ["q", "r"]
    assert fuse([{"q": {"a": 2.0, "b": 1.0}}, {"q": {}}], 1) == {"q": {"a": 1 / 61}}


def test_ties_at_the_cut_are_broken_as_trec_eval_does() -> None:
    ids = ["d1", "d10", "d2", "d3"]
    scores = np.array([1, 1, 1, 5], np.float32)
    assert [ids[each] for each in best(scores, descending_places(ids), 3)] == ["d3", "d2", "d10"]
    assert ranked(dict.fromkeys(ids, 1.0)) == ["d3", "d2", "d10", "d1"]
    assert ranked({"a": 1.0 + 1e-9, "b": 1.0}) == ["b", "a"]  # equal in fp32


def test_a_run_of_somebody_else(tmp_path: Path) -> None:
    data = dataset()
    data.excluded = frozenset({("q1", "d2")})
    file = tmp_path / "theirs.run"
    file.write_text("q1 Q0 d4 1 3 r\nq1 Q0 d2 2 2 r\nq1 Q0 unknown 3 1 r\nq7 Q0 d1 1 1 r\n")
    found = retriever(data).retrieve(f"run:{file}")
    assert found.run == {"q1": {"d4": 3.0, "unknown": 1.0}, "q2": {}, "q3": {}}
    assert [each.split(": ")[1][:1] for each in found.warnings] == ["1", "2", "1"]  # unjudged, empty, unknown
    file.write_text("q7 Q0 d1 1 1 r\n")
    with pytest.raises(InputError, match="no results for any of the 3 judged queries"):
        retriever(data).retrieve(f"run:{file}")


def test_what_cannot_be_retrieved_is_said() -> None:
    data = dataset()
    with pytest.raises(InputError, match="unknown first stage 'bm52'; known: bm25, dense, hybrid, run:FILE"):
        retriever(data).retrieve("bm52")
    data.corpus = {}
    with pytest.raises(InputError, match="no texts for bm25 to search in"):
        retriever(data).retrieve("bm25")
    with pytest.raises(InputError, match="there is no file"):
        retriever(data).retrieve("run:nowhere.txt")


def test_runs_and_vectors_are_computed_once(tmp_path: Path) -> None:
    data = dataset()
    data.fingerprint = "small"
    embedder = CountingEmbedder()
    with EvaluationCache(tmp_path) as cache:
        first = Retriever(data, cache, 5, lambda: embedder).retrieve("dense")  # type: ignore[arg-type, return-value]
        assert len(embedder.documents) == 6
        again = Retriever(data, cache, 5, lambda: embedder).retrieve("dense")  # type: ignore[arg-type, return-value]
        assert (again.run, again.cost.seconds) == (first.run, {})
        assert again.cost.earlier_seconds == first.cost.seconds
        data.corpus = {**data.corpus, "d7": CorpusDocument("new")}
        data.fingerprint = "larger"
        Retriever(data, cache, 5, lambda: embedder).retrieve("dense")  # type: ignore[arg-type, return-value]
    assert embedder.documents[6:] == ["new"]
