"""What the checker finds, one fault at a time, in data that is otherwise good."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pytest

from finerank.errors import TrainingError
from finerank.training.checking import DataReport, check
from finerank.training.examples import Candidate, Example
from finerank.training.findings import KINDS
from finerank.training.folding import folded, folded_query
from tests.training.made import example

GOOD = [example(f"query {n}", (f"answer {n}",), (f"not {n}", f"nor {n}")) for n in range(4)]


def words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def found(report: DataReport) -> dict[str, tuple[str, int]]:
    return {each.code: (each.severity, each.count) for each in report.problems}


def test_good_data_have_no_problems() -> None:
    report = check(GOOD, {"dev": [example("held out", ("of its own",))]}, count_tokens=words, room=20)
    assert report.problems == []
    report.refuse_errors()
    assert (report.num_examples, report.num_queries, report.num_documents) == (4, 4, 12)
    assert (report.num_positives, report.num_negatives, report.held_out) == (4, 8, {"dev": 1})
    assert report.lines() == [
        "4 examples with 4 queries and 12 documents",
        "4 positives (1.0 an example), 8 negatives (2.0 an example, none in 0)",
        "1 examples are held out (dev)",
        "of 12 pairs the median is 4 tokens and the longest 4; there is room for 20, so 0.0% of the documents lose "
        "their end",
    ]


@pytest.mark.parametrize(
    ("bad", "code", "severity"),
    [
        (example(" \n"), "blank_query", "error"),
        (example("a", ("yes", " ")), "blank_positive", "error"),
        (example("a", ("yes",), ("no", "\u3000")), "blank_negative", "warning"),
        (example("a", ("Yes it\nis.",), ("no", "yes  it is.")), "positive_among_negatives", "error"),
        (example("a", ("\ufb01ne",), ("FINE", "no")), "positive_among_negatives", "error"),
        (example("a", ("yes", "YES")), "document_repeated", "warning"),
        (example("a", ("yes",), ("no", "no")), "document_repeated", "warning"),
        (example("a", ()), "without_positives", "warning"),
        (example("a", ("yes",), ()), "without_negatives", "warning"),
        (example("a", scores=(math.inf, 1.0)), "score_not_finite", "error"),
        (example("a", scores=(1.0, None)), "scores_in_part", "warning"),
        (example("a", ("yes",), ("no", "nay"), scores=(0.5, 1.0, 2.0)), "teacher_disagrees", "warning"),
    ],
)
def test_a_fault_of_one_example(bad: Example, code: str, severity: str) -> None:
    report = check([*GOOD, bad])
    assert found(report) == {code: (severity, 1)}
    assert bad.place in report.problems[0].sentence
    if severity == "error":
        with pytest.raises(TrainingError, match="the training data cannot be used: 1 "):
            report.refuse_errors()


@pytest.mark.parametrize(
    ("others", "code", "severity"),
    [
        ([example("a", ("x",), ("y",)), example("A?", ("z",), ("x",))], "contradicted", "error"),
        ([example("a", ("x",), ("y",)), example(" a", ("z",), ("y",))], "query_repeated", "warning"),
        ([example("a", ("x",), ("y",)), example("a", ("X",), ("y ",))], "example_repeated", "warning"),
    ],
)
def test_faults_between_examples_with_the_same_query(others: list[Example], code: str, severity: str) -> None:
    problems = found(check([*GOOD, *others]))
    assert problems.pop(code) == (severity, 1)
    assert set(problems) <= {"query_repeated"}


def test_another_instruction_may_make_a_positive_a_negative() -> None:
    others = [example("a", ("x",), ("y",)), example("a", ("y",), ("x",), instruction="the other way round")]
    assert check([*GOOD, *others]).problems == []


def test_places_are_three_and_the_rest_is_counted() -> None:
    report = check([*GOOD, *(example(f"bad {n}", ("same",), ("same",)) for n in range(5))])
    (problem,) = report.errors
    assert (problem.count, len(problem.places)) == (5, 3)
    assert problem.sentence.endswith(
        ": place of bad 0, 'same'; place of bad 1, 'same'; place of bad 2, 'same' and 2 more"
    )


@pytest.mark.parametrize(
    ("examples", "code", "severity", "said"),
    [
        ([], "no_examples", "error", "there is no example"),
        (
            [example("a", ("x", "y"), ()), example("b", ("z",), ())],
            "one_class",
            "error",
            "all 3 documents are positives",
        ),
        ([example("a", (), ("x",)), example("b", (), ("y",))], "one_class", "error", "all 2 documents are negatives"),
        ([example("a", ("x", "y", "z"))], "few_negatives", "warning", "only 1 negatives for 3 positives"),
    ],
)
def test_one_class(examples: list[Example], code: str, severity: str, said: str) -> None:
    report = check(examples)
    assert list(found(report)) == [code]
    assert report.problems[0].severity == severity
    assert said in report.problems[0].message


def test_negatives_may_come_from_a_corpus() -> None:
    assert found(check([example("a", ("x",), ())], has_documents=True)) == {"no_judged_negatives": ("warning", 1)}


def test_leaks_of_queries_and_of_answers() -> None:
    held_out = [
        example("Query 1", ("x",), place="dev 1"),
        example("another", ("ANSWER 2",), place="dev 2"),
        example("a third", ("y",), ("answer 3",), place="dev 3"),
    ]
    report = check(GOOD, {"dev": held_out, "test": [example("query 0?", ("z",))]})
    (of_dev, of_test) = report.errors
    assert (of_dev.code, of_dev.count, of_dev.places) == ("leaked_query", 1, ("place of query 1 (as dev 1)",))
    assert "held out too (dev)" in of_dev.message
    assert "held out too (test)" in of_test.message
    (answer,) = report.warnings
    assert (answer.code, answer.count, answer.places) == ("leaked_document", 1, ("place of query 2 (as dev 2)",))


def test_held_out_examples_need_a_positive() -> None:
    report = check(GOOD, {"dev": [example("held out", ())]})
    assert [each.code for each in report.errors] == ["held_out_empty"]


def test_lengths_against_the_room() -> None:
    examples = [
        example("one two", ("a b c",), ("a b c d",), place="fits"),
        example("one", ("a b c d e f",), ("a",), place="cut"),
        example("a b c d e f", ("a",), ("b",), place="too long"),
    ]
    report = check(examples, count_tokens=words, room=6)
    assert report.lengths is not None
    assert (report.lengths.num_pairs, report.lengths.num_cut, report.lengths.longest) == (6, 3, 7)
    assert found(report) == {"query_too_long": ("error", 1), "many_cut": ("warning", 3)}
    assert "too long, 'a b c d e f'" in report.errors[0].sentence
    assert "50% of the documents lose their end (3 of those measured)" in report.warnings[0].message
    assert report.warnings[0].places == ("cut", "too long")


def test_few_texts_are_counted_where_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finerank.training.pair_lengths._MOST_PAIRS", 10)
    counted: list[str] = []

    def count(texts: list[str]) -> list[int]:
        counted.extend(texts)
        return words(texts)

    examples = [example(f"query {n}", (f"answer {n}",), (f"not {n}",)) for n in range(50)]
    reports = [check(examples, count_tokens=count, room=1000) for _ in range(2)]
    assert reports[0] == reports[1]
    assert reports[0].lengths is not None
    assert reports[0].lengths.num_pairs == 10
    assert len(counted) <= 2 * 20


@pytest.mark.parametrize(
    ("scores", "is_needed", "problems"),
    [
        ([(3.0, -3.0), (2.0, -1.0)], True, {}),
        ([(3.0, -3.0), (None, None)], False, {}),
        ([(3.0, -3.0), (None, None)], True, {"scores_missing": ("error", 2)}),
        ([(1.5, 1.5), (1.5, 1.5)], True, {"scores_constant": ("error", 4), "scores_equal": ("warning", 2)}),
        ([(1.5, 1.5), (1.5, 1.5)], False, {"scores_constant": ("warning", 4), "scores_equal": ("warning", 2)}),
        ([(0.9, 0.1), (0.8, 0.0)], False, {"scores_look_like_probabilities": ("warning", 4)}),
    ],
)
def test_scores_of_a_teacher(scores: list[Any], is_needed: bool, problems: dict[str, Any]) -> None:
    examples = [example(f"q{n}", (f"yes {n}",), (f"no {n}",), scores=each) for n, each in enumerate(scores)]
    assert found(check(examples, needs_teacher=is_needed)) == problems


def test_graded_labels_and_instructions_are_counted() -> None:
    graded = Example("a", (Candidate("x", 1.0), Candidate("y", 0.5), Candidate("z", 0.0)), "Find a", "here")
    report = check([graded, *GOOD])
    assert (report.num_graded, report.num_with_instruction, report.problems) == (1, 1, [])
    assert "1 positives are graded below the highest label" in report.lines()
    assert "1 examples have an instruction" in report.lines()


def test_the_report_is_json_and_puts_errors_first() -> None:
    report = check([*GOOD, example("a", ("yes",), ()), example(" ")], count_tokens=words, room=100)
    stored = json.loads(json.dumps(asdict(report), allow_nan=False))
    assert stored["num_examples"] == 6
    assert {each["code"] for each in stored["problems"]} == {"without_negatives", "blank_query"}
    assert [line.split(":")[0] for line in report.lines()[-2:]] == ["error", "warning"]


def test_many_errors_are_cut_short() -> None:
    bad = [example(" "), example("b", (" ", "x")), example("c", ("y",), ("y",)), example("d", scores=(math.nan, 0.0))]
    with pytest.raises(TrainingError, match=r"; and 1 more errors$"):
        check([*GOOD, *bad]).refuse_errors()


def test_every_finding_is_of_a_kind_and_reads_as_a_sentence() -> None:
    for kind in KINDS.values():
        said = kind.message.format(n="3", detail="dev")
        assert "{" not in said
        assert not said.endswith(".")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A  b\n", "a B"),
        ("Stra\u00dfe", "STRASSE"),
        ("\uff21\uff22", "ab"),
        ("caf\u00e9", "cafe\u0301"),
        ("\u3000x", "x"),
    ],
)
def test_texts_that_are_the_same(one: str, other: str) -> None:
    assert folded(one) == folded(other)


def test_final_punctuation_of_a_query_does_not_count_other_punctuation_does() -> None:
    assert folded_query("What is rust?") == folded_query("what is rust \uff1f")
    assert folded_query("C++") != folded_query("C")
    assert folded_query("what is .net") != folded_query("what is net")
