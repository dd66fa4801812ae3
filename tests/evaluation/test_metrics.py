"""Figures, against pytrec_eval itself and against trec_eval's own output."""

import random
from pathlib import Path

import pytest
import pytrec_eval

from finerank.errors import InputError
from finerank.evaluation import evaluate, load_dataset
from finerank.evaluation.metrics import largest_cutoff, means, parse_metrics, per_query
from finerank.evaluation.ordering import ranked
from finerank.evaluation.trec import read_run, write_run
from finerank.evaluation.types import Qrels, Run

TREC_NAMES = {
    "nDCG@10": "ndcg_cut_10",
    "AP@100": "map_cut_100",
    "R@100": "recall_100",
    "P@10": "P_10",
    "AP": "map",
    "RR": "recip_rank",
    "Rprec": "Rprec",
    "Bpref": "bpref",
}


def random_run(seed: int = 0) -> tuple[Qrels, Run]:
    """Many ties, grades from -1 to 3, judged documents that are not found."""
    generator = random.Random(seed)
    ids = [f"d{number}" for number in range(150)]
    qrels = {
        f"q{each}": {d: generator.choice([-1, 0, 0, 1, 2, 3]) for d in generator.sample(ids, 12)} for each in range(30)
    }
    run = {query: {d: generator.randrange(40) / 8 for d in generator.sample(ids, 120)} for query in qrels}
    return qrels, run


def test_figures_are_those_of_pytrec_eval() -> None:
    qrels, run = random_run()
    found = per_query(qrels, run, list(TREC_NAMES))
    expected = pytrec_eval.RelevanceEvaluator(qrels, set(TREC_NAMES.values())).evaluate(run)
    for name, trec_name in TREC_NAMES.items():
        assert found[name] == pytest.approx({query: values[trec_name] for query, values in expected.items()}, abs=1e-9)


@pytest.mark.parametrize("cutoff", [1, 3, 10])
def test_reciprocal_rank_with_a_cutoff(cutoff: int) -> None:
    qrels, run = random_run(1)
    found = per_query(qrels, run, [f"RR@{cutoff}"])[f"RR@{cutoff}"]
    for query, scores in run.items():
        hits = [rank for rank, each in enumerate(ranked(scores)[:cutoff], 1) if qrels[query].get(each, 0) > 0]
        assert found[query] == pytest.approx(1 / hits[0] if hits else 0.0)


def test_our_order_is_that_of_trec_eval() -> None:
    """P@k for every k says where the relevant documents stand, so one document a query pins the order."""
    _, run = random_run(2)
    for query, scores in list(run.items())[:5]:
        order = ranked(scores)
        evaluator = pytrec_eval.RelevanceEvaluator({query: {order[36]: 1}}, {"recip_rank"})
        assert evaluator.evaluate({query: scores})[query]["recip_rank"] == pytest.approx(1 / 37)


def test_a_query_without_results_counts_zero() -> None:
    found = per_query({"a": {"x": 1}, "b": {"x": 1}, "c": {"x": 1}}, {"a": {"x": 1.0}, "b": {}}, ["nDCG@10", "RR@10"])
    assert found["nDCG@10"] == {"a": 1.0, "b": 0.0, "c": 0.0}
    assert means(found) == {"nDCG@10": pytest.approx(1 / 3), "RR@10": pytest.approx(1 / 3)}


def test_names_are_those_of_ir_measures() -> None:
    assert parse_metrics(["MRR@10", "nDCG@5", "nDCG@5", "P(rel=2)@5"]) == ["RR@10", "nDCG@5", "P(rel=2)@5"]
    assert largest_cutoff(["nDCG@10", "R@250"]) == 250
    assert largest_cutoff(["AP"]) == 1000
    assert per_query({"a": {"x": 2, "y": 1}}, {"a": {"y": 2.0, "x": 1.0}}, ["RR(rel=2)@10"]) == {
        "RR(rel=2)@10": {"a": 0.5}
    }


@pytest.mark.parametrize("name", ["nonsense", "nDCG@", "nDCG@ten", "__import__('os')", "nDCG(dcg='x')@10", ""])
def test_a_metric_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="is no metric of ir_measures"):
        parse_metrics([name])


def test_metrics_of_other_packages() -> None:
    """Judged@10 is not trec_eval's; ir_measures computes it itself."""
    assert per_query({"a": {"x": 1}}, {"a": {"x": 2.0, "y": 1.0}}, ["Judged@2", "P@2"]) == {
        "Judged@2": {"a": 0.5},
        "P@2": {"a": 0.5},
    }


def test_a_run_survives_its_file(tmp_path: Path) -> None:
    _, run = random_run(3)
    write_run(run, tmp_path / "run.txt", "my run")
    warnings: list[str] = []
    again = read_run(tmp_path / "run.txt", warnings)
    assert {query: ranked(scores) for query, scores in again.items()} == {
        query: ranked(scores) for query, scores in run.items()
    }
    assert warnings == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("q1 Q0 d1 1 0.5\n", "has 5 columns"),
        ("q1 Q0 d1 1 best run\n", "the score is 'best'"),
        ("q1 Q0 d1 1 nan run\n", "the score is 'nan'"),
        ("", "has no results"),
    ],
)
def test_runs_that_cannot_be_used(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "run.txt").write_text(content)
    with pytest.raises(InputError, match=message):
        read_run(tmp_path / "run.txt", [])


def test_a_result_that_stands_twice_keeps_its_better_score(tmp_path: Path) -> None:
    (tmp_path / "run.txt").write_text("q1 Q0 d1 1 0.5 r\nq1 Q0 d1 2 0.7 r\n")
    warnings: list[str] = []
    assert read_run(tmp_path / "run.txt", warnings) == {"q1": {"d1": 0.7}}
    assert "1 results stand twice" in warnings[0]


@pytest.mark.parametrize("name", ["cacm", "rocchio"])
def test_real_trec_eval_output_is_reproduced(data_folder: Path, name: str) -> None:
    folder = data_folder / "cacm_runs"
    printed = {}
    for line in (folder / f"trec_{name}_results").read_text().splitlines():
        measure, query, value = line.split()
        if query == "all":
            printed[measure] = value
    trec_names = {"AP": "map", "Rprec": "Rprec", "Bpref": "bpref", "RR": "recip_rank"}
    trec_names |= {f"P@{k}": f"P_{k}" for k in (5, 10, 15, 20, 30, 100, 200, 500, 1000)}
    trec_names |= {f"IPrec@{tenth / 10}": f"iprec_at_recall_{tenth / 10:.2f}" for tenth in range(11)}
    dataset = load_dataset(folder / "trec_qrels")
    found = evaluate(dataset, first_stage=f"run:{folder}/trec_{name}_searchresults", metrics=list(trec_names))
    by_name = dict(zip(trec_names.values(), (found.stages[0].means[metric] for metric in found.metrics), strict=True))
    assert {measure: f"{value:.4f}" for measure, value in by_name.items()} == {
        measure: printed[measure] for measure in by_name
    }
