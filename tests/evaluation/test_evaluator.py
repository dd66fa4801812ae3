"""Evaluations of a model that counts shared words: what is reranked, what is tested, what is said."""

import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from finerank import Reranker
from finerank.errors import FinerankError, InputError
from finerank.evaluation import Contender, EvaluationCache, compare, evaluate, regressions
from finerank.evaluation.calibration import Calibration, Line
from finerank.evaluation.metrics import means, per_query
from finerank.evaluation.ordering import ranked
from finerank.evaluation.records import evaluation_record, query_records
from finerank.evaluation.reranking import oracle_run, reranked_run
from finerank.evaluation.types import CorpusDocument, Dataset
from finerank.models.base import EncodedPair
from tests.evaluation.small import OverlapModel, dataset


def test_only_what_the_first_stage_returned_is_reranked() -> None:
    data, model = dataset(), OverlapModel()
    with Reranker.from_model(model) as reranker:
        found = evaluate(data, reranker, depth=2, metrics=["nDCG@10", "R@100"])
    first, reranked, oracle = found.stages
    assert [stage.kind for stage in found.stages] == ["first", "reranked", "oracle"]
    for query_id, run in first.run.items():
        candidates = ranked(run)[:2]
        assert set(reranked.scores[query_id]) == set(candidates)
        order = ranked(reranked.run[query_id])
        assert set(order[:2]) == set(candidates)
        assert order[2:] == ranked(run)[2:]
        assert set(order) == set(run)
    asked = {(query, document) for query, document in model.computed if query in data.queries.values()}
    assert len(asked) == sum(min(2, len(run)) for run in first.run.values())
    assert first.means["R@100"] == reranked.means["R@100"] == oracle.means["R@100"]
    assert reranked.instruction == "the default"


def test_depth_curve_is_what_a_run_of_that_depth_gives() -> None:
    ids = [f"d{number:03}" for number in range(60)]
    corpus = {each: CorpusDocument(f"pump {'word ' * (number % 7)} {number}") for number, each in enumerate(ids)}
    data = Dataset("long", "", {"q": "pump word 5 15 25"}, corpus, {"q": {"d015": 2, "d025": 1, "d050": 1}})
    with Reranker.from_model(OverlapModel()) as reranker:
        found = evaluate(data, reranker, depth=40)
        assert sorted(found.by_depth["fake/overlap"]) == [10, 20, 30, 40]
        for depth, value in found.by_depth["fake/overlap"].items():
            alone = evaluate(data, reranker, depth=depth)
            assert alone.stages[1].means["nDCG@10"] == pytest.approx(value)


def test_the_oracle_is_the_best_order_of_the_candidates() -> None:
    first = {"q": {"a": 4.0, "b": 3.0, "c": 2.0, "d": 1.0}}
    assert ranked(oracle_run(first, {"q": {"b": 1, "c": 2, "d": 3}}, 3)["q"]) == ["c", "b", "a", "d"]


def test_documents_without_a_score_stand_behind_the_others() -> None:
    run = reranked_run({"q": {"a": 4.0, "b": 3.0, "c": 2.0, "d": 1.0}}, {"q": {"c": -7.5, "b": -9.25}}, 3)
    assert ranked(run["q"]) == ["c", "b", "a", "d"]
    assert reranked_run({"q": {}}, {}, 3) == {"q": {}}


def test_trouble_with_documents_and_queries_is_said_and_loses_nothing() -> None:
    data = dataset()
    data.corpus = {**data.corpus, "d1": CorpusDocument("alarm E07 broken")}
    data.qrels["q4"] = {"d1": 1}  # a judged query without a text
    with Reranker.from_model(OverlapModel()) as reranker:
        found = evaluate(data, reranker)
    assert "d1" not in found.stages[1].scores["q1"]
    assert "d1" in found.stages[1].run["q1"]
    assert any("1 documents have no score" in each and "cannot be computed" in each for each in found.warnings)
    assert found.stages[1].per_query["nDCG@10"]["q4"] == 0.0


def test_a_query_that_cannot_be_asked_keeps_the_order_of_the_first_stage(tmp_path: Path) -> None:
    data = dataset()
    data.queries["q1"] = "  "
    (tmp_path / "their.run").write_text("q1 Q0 d2 1 2 r\nq1 Q0 d1 2 1 r\nq2 Q0 d5 1 1 r\n")
    with Reranker.from_model(OverlapModel()) as reranker:
        found = evaluate(data, reranker, first_stage=f"run:{tmp_path / 'their.run'}")
    assert ranked(found.stages[1].run["q1"]) == ["d2", "d1"]
    assert found.stages[1].run["q3"] == {}
    assert any("1 queries were refused and keep their order: 'q1'" in each for each in found.warnings)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [(InputError, "the instruction is told to nobody"), (FinerankError, "this one cannot be computed")],
)
def test_a_reranker_that_scored_nothing_is_no_result(kind: type[FinerankError], reason: str) -> None:
    data = dataset()

    class Refusing(OverlapModel):
        def encode(self, query: str, documents: Sequence[str], instruction: str | None) -> list[EncodedPair]:
            if kind is InputError and query in data.queries.values():
                raise InputError(reason)
            return super().encode(query, documents, instruction)

    if kind is FinerankError:
        data.corpus = {id_: CorpusDocument(f"{each.full_text} broken") for id_, each in data.corpus.items()}
    expected = f"fake/overlap scored none of the .* candidates: .*{reason}"
    with Reranker.from_model(Refusing()) as reranker, pytest.raises(kind, match=expected):
        evaluate(data, reranker)


def test_a_calibrated_reranker_is_asked_with_its_instruction_from_the_start() -> None:
    with Reranker.from_model(OverlapModel()) as plain:
        bound = Calibration(plain.info.name, plain.info.fingerprint, "find the manual", None, Line(1.0, 0.0))
    with Reranker.from_model(OverlapModel(), calibration=bound) as reranker:
        found = evaluate(dataset(), reranker, instruction="find the manual")
    assert found.stages[1].instruction == "find the manual"


def test_figures_tests_and_costs() -> None:
    data = dataset()
    with Reranker.from_model(OverlapModel()) as reranker:
        found = evaluate(data, reranker, price_per_million=2.0)
    for stage in found.stages:
        expected = per_query(data.qrels, stage.run, found.metrics)
        assert stage.per_query == expected
        assert stage.means == means(expected)
    assert [test.metric for test in found.tests] == found.metrics
    assert found.tests[0].difference == pytest.approx(
        found.stages[1].means["nDCG@10"] - found.stages[0].means["nDCG@10"]
    )
    assert found.tests[0].p_holm is None
    cost = found.stages[1].cost
    words = sum(len(data.corpus[each].full_text.split()) for of in found.stages[1].scores.values() for each in of)
    assert (cost.tokens, cost.num_cached) == (words, 0)
    assert set(cost.seconds) == set(data.queries)
    assert cost.price == pytest.approx(words * 2e-6)


def test_the_first_stage_alone(tmp_path: Path) -> None:
    found = evaluate(dataset(), first_stage="bm25")
    assert [stage.kind for stage in found.stages] == ["first", "oracle"]
    assert (found.tests, found.by_depth) == ([], {})


def test_contenders_are_tested_against_the_first_stage_and_each_other(tmp_path: Path) -> None:
    loaded: list[Reranker] = []

    def load() -> Reranker:
        loaded.append(Reranker.from_model(OverlapModel("b" * 16)))
        return loaded[-1]

    with Reranker.from_model(OverlapModel()) as reranker:
        contenders = [
            Contender("plain", reranker),
            Contender("water", load, "tomatoes need water, warmth and patience."),
        ]
        found = compare(dataset(), contenders, metrics=["nDCG@10"])
        assert reranker.rank("still", ["open"])  # ours to close, not its
    with pytest.raises(Exception, match="closed"):
        loaded[0].rank("closed", ["after its turn"])
    assert [(test.a, test.b) for test in found.tests] == [("bm25", "plain"), ("bm25", "water"), ("plain", "water")]
    assert all(test.p_holm is not None for test in found.tests)
    assert set(found.by_depth) == {"plain", "water"}
    assert found.stages[2].instruction == "tomatoes need water, warmth and patience."


def test_queries_that_got_worse_are_named_with_what_went_above() -> None:
    class Against(OverlapModel):
        """The fewer shared words, the better."""

        def _encode(self, query: str, words: set[str], document: str) -> EncodedPair:
            pair = super()._encode(query, words, document)
            pair.payload = (*pair.payload[:2], -pair.payload[2])
            return pair

    with Reranker.from_model(OverlapModel()) as plain, Reranker.from_model(Against("a" * 16)) as against:
        found = compare(dataset(), [Contender("plain", plain), Contender("against", against)])
    worst = regressions(found, "plain", "against")
    assert [each.b_value - each.a_value for each in worst] == sorted(each.b_value - each.a_value for each in worst)
    before, after = found.stages[1].run, found.stages[2].run
    assert worst
    for each in worst:
        assert each.b_value < each.a_value
        for fallen in each.fallen:
            a_order, b_order = ranked(before[each.query_id]), ranked(after[each.query_id])
            assert found.dataset.qrels[each.query_id][fallen.document_id] > 0
            assert a_order[fallen.a_rank - 1] == fallen.document_id
            assert fallen.b_rank is not None
            assert b_order[fallen.b_rank - 1] == fallen.document_id
            assert fallen.above
            for above in fallen.above:
                assert a_order.index(above) > a_order.index(fallen.document_id)
                assert b_order.index(above) < b_order.index(fallen.document_id)
    assert regressions(found, "plain", "plain") == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 0}, "depth is 0"),
        ({"seed": -1}, "the seed is -1; give 0 or more"),
        ({"depth": 50, "num_results": 20}, "gives 20 documents and 50 shall be reranked"),
        ({"metrics": []}, "no metrics"),
        ({"first_stage": "elastic"}, "unknown first stage 'elastic'"),
        ({"language": "tlh"}, "language 'tlh' is not known"),
    ],
)
def test_options_that_cannot_be(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        evaluate(dataset(), **options)  # type: ignore[arg-type]


def test_two_contenders_of_one_name_and_texts_that_are_not_there() -> None:
    with Reranker.from_model(OverlapModel()) as reranker:
        with pytest.raises(InputError, match="two stages are called 'x'"):
            compare(dataset(), [Contender("x", reranker), Contender("x", reranker)])
        for name, first_stage in (("bm25", "bm25"), ("hybrid", "hybrid"), ("a.run", "run:b/a.run"), ("oracle", "bm25")):
            with pytest.raises(InputError, match=f"two stages are called '{name}'"):
                compare(dataset(), [Contender(name, reranker)], first_stage=first_stage)
        found = compare(dataset(), [Contender("first stage", reranker)])
        assert [stage.name for stage in found.stages] == ["bm25", "first stage", "oracle"]
        data = dataset()
        data.corpus = {}
        with pytest.raises(InputError, match="no texts for a reranker to read"):
            evaluate(data, reranker)


def test_records_hold_what_json_can() -> None:
    with Reranker.from_model(OverlapModel()) as reranker, EvaluationCache(None) as cache:
        evaluate(dataset(), reranker, cache=cache)
        found = evaluate(dataset(), reranker, cache=cache)
    record = evaluation_record(found)
    assert record["stages"][1]["cost"]["pairs_computed"] == 0
    assert record["stages"][1]["cost"]["pairs_from_cache"] > 0
    assert "latency" not in record["stages"][1]["cost"]
    assert record["stages"][1]["cost"]["latency_of_earlier_runs"]["queries"] == 3
    assert record["stages"][1]["model"]["fingerprint"] == "0123456789abcdef"
    rows = list(query_records(found))
    assert len(rows) == 3 * 3
    assert all(math.isfinite(row["nDCG@10"]) for row in rows)
