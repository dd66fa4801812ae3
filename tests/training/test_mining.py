"""Hard negatives, against sentence-transformers' miner and against formulas written out here."""

import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset  # type: ignore[import-untyped]
from sentence_transformers.util import mine_hard_negatives

from finerank import Embedder, Reranker
from finerank.embedder import EmbedderInfo
from finerank.errors import InputError, SettingsError
from finerank.evaluation.cache import EvaluationCache
from finerank.models.base import EncodedPair
from finerank.scores import FloatArray, sigmoid
from finerank.training import example_writer
from finerank.training.example_writer import write_examples
from finerank.training.examples import Candidate, Example
from finerank.training.mining import Mined, mine
from finerank.training.mining_options import Margin, MiningOptions, RankWindow
from finerank.training.sources import read_training_data
from tests.evaluation.small import OverlapModel
from tests.training.slow_mining import DOCUMENTS, EXAMPLES, OPTIONS

WORDS = "alpha bravo charlie delta echo foxtrot golf hotel india juliett kilo lima".split()


def valves(num: int = 30) -> list[str]:
    """BM25 ranks them in this order for "valve": one more other word each."""
    return [" ".join(["valve", *(f"filler{word}" for word in range(place + 1))]) for place in range(num)]


def example(query: str, positives: Sequence[str], negatives: Sequence[str] = (), **more: Any) -> Example:
    labelled = [*((text, 1.0) for text in positives), *((text, 0.0) for text in negatives)]
    return Example(query, tuple(Candidate(text, label) for text, label in labelled), **more)


def options(**changes: Any) -> MiningOptions:
    return MiningOptions(**{"sampling": "top", "language": "en", "negatives": 3, "ranks": RankWindow(1, 50), **changes})


def negatives(mined: Mined, number: int = 0) -> list[str]:
    return [each.text for each in mined.examples[number].negatives]


def test_negatives_are_of_the_window_which_does_not_count_known_positives() -> None:
    documents = valves()
    asked = example("valve", [documents[0], documents[4]])
    mined = mine([asked], documents, options(ranks=RankWindow(4, 8)))
    # Without the positives the order is 1 2 3 5 6 7 8 ...; its ranks 4 to 6 are 5, 6 and 7.
    assert negatives(mined) == documents[5:8]
    assert [each.text for each in mined.examples[0].positives] == [documents[0], documents[4]]
    report = mined.report
    assert (report.num_queries, report.num_documents, report.num_mined, report.num_short) == (1, 30, 3, 0)
    assert report.dropped == {"in the first 3 ranks": 3}


def test_the_documents_of_the_examples_are_a_corpus_themselves() -> None:
    documents = valves(6)
    mined = mine(
        [example("valve", [text]) for text in documents[:1]] + [example("other", documents[1:])], (), options()
    )
    assert negatives(mined) == documents[1:4]


def test_random_ones_stay_in_the_window_and_hang_on_the_seed_alone() -> None:
    documents = valves()
    asked = [example("valve", [documents[0]]), example("valve filler1", [documents[3]])]

    def drawn(seed: int, of: Sequence[Example] = asked) -> list[list[str]]:
        mined = mine(of, documents, options(ranks=RankWindow(5, 20), sampling="random", seed=seed))
        return [negatives(mined, number) for number in range(len(of))]

    assert drawn(1) == drawn(1)
    assert drawn(1)[:1] == drawn(1, asked[:1])
    assert len({tuple(drawn(seed)[0]) for seed in range(9)}) > 3
    for seed in range(9):
        found = [documents.index(text) for text in drawn(seed)[0]]
        assert found == sorted(found)  # hardest first
        assert set(found) <= set(range(5, 21))


def test_what_equals_a_positive_is_never_a_negative() -> None:
    documents = valves(8)
    same_as_first = documents[0].upper().replace(" ", "\u3000 ") + "\n"
    of_another_line = documents[1]
    asked = [
        example("valve", [documents[0]], [same_as_first, documents[6]]),
        example(" VALVE?", ["a text of its own"], instruction="Find parts"),
        example("valve\n", [of_another_line]),
    ]
    mined = mine(asked, [*documents, same_as_first, "Valve"], options(negatives=8))
    # The first and the last are one query; the second has an instruction, yet its query is the same.
    assert [(each.query, each.instruction) for each in mined.examples] == [("valve", None), (" VALVE?", "Find parts")]
    assert [each.text for each in mined.examples[0].positives] == [documents[0], of_another_line]
    assert negatives(mined) == [documents[6], *documents[2:6], documents[7]]
    assert negatives(mined, 1) == documents[2:]
    report = mined.report
    assert report.dropped["equal to the query"] == 2
    assert report.dropped["positives of another example with this query"] == 2
    assert report.left_out == {"labelled negatives that are positives of the query": 1}
    assert (report.num_labelled, report.num_short, report.mined) == (1, 2, {5: 1, 6: 1})


def test_what_cannot_be_mined_with_is_left_out_and_counted() -> None:
    asked = [example("valve", ["a valve", " "]), example("  ", ["x"]), example("pump", [], ["a pump"])]
    mined = mine(asked, ["", "valve valve", "a pump"], options())
    assert mined.report.left_out == {
        "examples with a blank query": 1,
        "blank documents of examples": 1,
        "queries without a positive": 1,
    }
    assert [each.query for each in mined.examples] == ["valve"]
    with pytest.raises(InputError, match="no example has a query and a positive document"):
        mine(asked[1:], ["a"], options())
    with pytest.raises(InputError, match="no example has"):
        mine([], ["a"], options())


def test_missing_ones_are_counted_and_filled_only_if_asked() -> None:
    documents = [*valves(4), *(f"nothing of that kind {number}" for number in range(40))]
    asked = [example("valve", [documents[0]])]
    few = mine(asked, documents, options(negatives=5))
    assert negatives(few) == documents[1:4]
    assert (few.report.num_short, few.report.num_filled, few.report.mined) == (1, 0, {3: 1})
    full = mine(asked, documents, options(negatives=5, fill=True, random=2))
    assert negatives(full)[:3] == documents[1:4]
    drawn = negatives(full)[3:]
    assert len(set(drawn)) == 4
    assert set(drawn) <= set(documents[4:])
    assert (full.report.num_random, full.report.num_filled) == (4, 1)
    alone = mine(asked, documents, options(negatives=0, random=1, depth=50))
    assert (len(negatives(alone)), alone.report.num_short) == (1, 0)


# --- margins ---


class LetterEmbedder:
    """Vectors of letter counts."""

    info = EmbedderInfo("letters", "f" * 16, "float32", "cpu", 256, 26)

    def embed_queries(self, queries: Sequence[str], **_: object) -> FloatArray:
        counts = np.array([[0.1 + text.count(chr(97 + i)) for i in range(26)] for text in queries], np.float32)
        vectors: FloatArray = counts / np.linalg.norm(counts, axis=1, keepdims=True)
        return vectors

    embed_documents = embed_queries

    def close(self) -> None: ...


class LettersForSentenceTransformers:
    """What its miner asks of a SentenceTransformer."""

    device = torch.device("cpu")

    def encode_query(self, texts: Sequence[str], **_: object) -> FloatArray:
        return LetterEmbedder().embed_queries(texts)

    encode_document = encode_query

    def similarity(self, a: Any, b: Any) -> torch.Tensor:
        return torch.as_tensor(a) @ torch.as_tensor(b).T

    def similarity_pairwise(self, a: Any, b: Any) -> torch.Tensor:
        return (torch.as_tensor(a) * torch.as_tensor(b)).sum(dim=1)


class OverlapForSentenceTransformers:
    """What its miner asks of a CrossEncoder: probabilities of the same teacher."""

    def predict(self, pairs: Sequence[tuple[str, str]], **_: object) -> torch.Tensor:
        return torch.tensor([sigmoid(overlap(query, text)) for query, text in pairs], dtype=torch.float64)


def overlap(query: str, document: str) -> float:
    """Log-odds of tests/evaluation/small.py's OverlapModel."""
    return float(len(set(query.split()) & set(document.split())))


def made_up(num_queries: int = 12, num_documents: int = 60) -> tuple[list[Example], list[str]]:
    """Queries with one to three positives, all of words drawn at random."""
    chance = random.Random(4)
    documents = list({" ".join(chance.choices(WORDS, k=chance.randint(2, 9))): None for _ in range(num_documents)})
    queries = list({" ".join(chance.sample(WORDS, 4)): None for _ in range(num_queries)})
    return [example(query, chance.sample(documents, chance.randint(1, 3))) for query in queries], documents


def theirs(examples: Sequence[Example], documents: list[str], **more: Any) -> dict[str, set[str]]:
    pairs = [(each.query, positive.text) for each in examples for positive in each.positives]
    found = mine_hard_negatives(
        Dataset.from_dict({"query": [pair[0] for pair in pairs], "answer": [pair[1] for pair in pairs]}),
        LettersForSentenceTransformers(),
        corpus=documents,
        range_max=len(documents),
        output_format="triplet",
        verbose=False,
        **more,
    )
    by_query: dict[str, set[str]] = {each.query: set() for each in examples}
    for row in found:
        by_query[row["query"]].add(row["negative"])
    return by_query


@pytest.mark.parametrize("written", ["5%", "0.02", "0"])
def test_margins_are_those_of_sentence_transformers(written: str) -> None:
    examples, documents = made_up()
    margin = Margin.parse(written)
    assert margin is not None
    mined = mine(
        examples,
        documents,
        options(first_stage="dense", negatives=4, depth=100, margin=margin, ranks=RankWindow(1, 100)),
        embedder=LetterEmbedder(),  # type: ignore[arg-type]
    )
    assert 0 < mined.report.num_mined < 4 * len(examples)
    kind = "relative_margin" if margin.is_relative else "absolute_margin"
    expected = theirs(examples, documents, num_negatives=4, **{kind: margin.amount})
    assert {each.query: {one.text for one in each.negatives} for each in mined.examples} == expected
    assert mined.report.dropped["too near to a positive's score"] > 0
    assert mined.report.num_short > 0


@pytest.mark.parametrize("threshold", [None, 0.6])
def test_a_teachers_share_is_that_of_sentence_transformers_with_a_cross_encoder(threshold: float | None) -> None:
    examples, documents = made_up()
    with Reranker.from_model(OverlapModel()) as teacher:
        mined = mine(
            examples,
            documents,
            options(
                first_stage="dense",
                negatives=50,
                depth=100,
                ranks=RankWindow(1, 100),
                margin=Margin(0.05, is_relative=True),
                threshold=threshold,
            ),
            teacher=teacher,
            embedder=LetterEmbedder(),  # type: ignore[arg-type]
        )
    expected = theirs(
        examples,
        documents,
        num_negatives=50,
        relative_margin=0.05,
        max_score=threshold,
        cross_encoder=OverlapForSentenceTransformers(),
    )
    assert {each.query: {one.text for one in each.negatives} for each in mined.examples} == expected
    for each in mined.examples:
        assert [one.teacher for one in each.candidates] == [overlap(each.query, one.text) for one in each.candidates]
    assert ("above the teacher's threshold" in mined.report.dropped) == (threshold is not None)


def test_before_a_positive_that_was_not_found_nothing_passes_a_margin() -> None:
    documents = valves()
    asked = [example("valve", [documents[0]]), example("valve filler1", ["something else altogether"])]
    mined = mine(asked, documents, options(margin=Margin(0.0)))
    assert [len(each.negatives) for each in mined.examples] == [3, 0]
    assert mined.report.dropped["before a positive that the first stage did not find"] == 30
    assert mined.report.doubtful_negatives.num == 0


def test_the_most_doubtful_ones_are_named() -> None:
    documents = valves()
    mined = mine([example("valve", [documents[9]])], documents, options(margin=Margin(0.0)))
    assert negatives(mined) == documents[10:13]
    doubts = mined.report.doubtful_negatives
    assert doubts.num == 9
    named = [mined.pool.dataset.corpus[each.document_id].text for each in doubts.worst]
    assert named == documents[:5]
    assert all(each.score > each.other for each in doubts.worst)


# --- teacher ---


def test_a_teachers_difference_is_of_its_log_odds() -> None:
    documents = ["valve gate", "valve gate brass red", "brass valve gate", "valve", "valve red"]
    asked = [example("valve gate brass", ["valve gate"], ["gate"])]
    with Reranker.from_model(OverlapModel()) as teacher:
        mined = mine(asked, documents, options(margin=Margin(1.0)), teacher=teacher)
        assert set(negatives(mined)) == {"gate", "valve", "valve red"}
        everything = mine(asked, documents, options(negatives=9), teacher=teacher)
    assert set(negatives(everything)) == {"gate", *documents[1:]}
    assert [each.teacher for each in mined.examples[0].candidates] == [2.0, 1.0, 1.0, 1.0]
    doubtful = [mined.pool.dataset.corpus[each.document_id].text for each in mined.report.doubtful_negatives.worst]
    assert set(doubtful) == {"brass valve gate", "valve gate brass red"}
    assert mined.report.teacher is not None


def test_positives_that_the_teacher_does_not_like_are_named() -> None:
    documents = ["brass valve gate", "valve gate", "valve"]
    with Reranker.from_model(OverlapModel()) as teacher:
        mined = mine([example("valve gate brass", ["a bad label"])], documents, options(), teacher=teacher)
    (doubt,) = mined.report.doubtful_positives.worst
    assert mined.pool.dataset.corpus[doubt.document_id].text == "a bad label"
    assert (doubt.score, doubt.other) == (0.0, 2.0)


def test_the_teacher_is_asked_with_the_examples_instructions() -> None:
    documents = ["valve alpha", "valve bravo", "valve"]
    asked = [
        example("valve", ["valve"], instruction="alpha"),
        example("valve", ["valve"]),
    ]
    with Reranker.from_model(OverlapModel()) as teacher:
        mined = mine(asked, documents, options(instruction="bravo"), teacher=teacher)
    assert [each.instruction for each in mined.examples] == ["alpha", "bravo"]
    scores = [{each.text: each.teacher for each in one.candidates} for one in mined.examples]
    assert scores == [
        {"valve": 1.0, "valve alpha": 2.0, "valve bravo": 1.0},
        {"valve": 1.0, "valve alpha": 1.0, "valve bravo": 2.0},
    ]


def test_the_teacher_reads_no_more_than_is_needed_and_nothing_twice(tmp_path: Path) -> None:
    documents = valves()
    asked = [example("valve", [documents[0]], ["another one"])]
    model = OverlapModel()
    with Reranker.from_model(model) as teacher, EvaluationCache(tmp_path) as cache:
        first = mine(asked, documents, options(), teacher=teacher, cache=cache)
        assert [query for query, _ in model.computed].count("valve") == 1 + 1 + 3
        model.computed.clear()
        again = mine(asked, documents, options(), teacher=teacher, cache=cache)
        assert model.computed == []
        assert again.examples == first.examples
        mine(asked, documents, options(negatives=5), teacher=teacher, cache=cache)
        assert [query for query, _ in model.computed].count("valve") == 2


def test_documents_that_the_teacher_cannot_read_are_left_out() -> None:
    documents = ["valve broken", "valve one", "valve two"]
    asked = [
        example("valve", ["valve zero", "zero broken"], ["broken negative", "a negative"]),
        example("valve two", ["all broken"]),
    ]
    with Reranker.from_model(OverlapModel()) as teacher:
        mined = mine(asked, documents, options(), teacher=teacher)
    (one,) = mined.examples
    assert [each.text for each in one.positives] == ["valve zero"]
    assert set(negatives(mined)) == {"a negative", "valve one", "valve two"}
    assert all(each.teacher is not None for each in one.candidates)
    report = mined.report
    assert report.dropped["without a score by the teacher"] >= 1
    assert report.left_out == {
        "queries of which the teacher could read no positive": 1,
        "labelled documents that it could not read": 2,
    }
    assert any("documents have no score" in warning for warning in report.warnings)


def test_what_every_round_warns_of_is_said_once() -> None:
    class Short(OverlapModel):
        def encode(self, query: str, documents: Sequence[str], instruction: str | None) -> list[EncodedPair]:
            pairs = super().encode(query, documents, instruction)
            return [EncodedPair(each.payload, 1, 9, is_truncated=True) for each in pairs]

    asked = [example("valve", ["a pump"])]
    with Reranker.from_model(Short()) as teacher:
        mined = mine(asked, valves(), options(margin=Margin(1.0)), teacher=teacher)
    assert mined.report.warnings == ["4 of 4 documents were longer than the model reads (64 tokens) and cut"]
    assert mined.report.dropped["too near to a positive's score"] == 30


def test_a_loader_is_called_after_the_first_stage_and_its_model_closed() -> None:
    loaded: list[Reranker] = []

    def load() -> Reranker:
        loaded.append(Reranker.from_model(OverlapModel()))
        return loaded[-1]

    with pytest.raises(InputError, match="no example"):
        mine([], [], options(), teacher=load)
    assert loaded == []
    mine([example("valve", ["a valve"])], valves(), options(), teacher=load)
    (one,) = loaded
    with pytest.raises(Exception, match="closed"):
        one.rank("a", ["b"])


def test_the_real_embedder() -> None:
    """Meaning, not words: nothing here shares a word with the query but the last one."""
    documents = [
        "Dogs bark at strangers.",
        "A puppy chewed my shoes.",
        "The stock market fell today.",
        "Interest rates were raised by the bank.",
        "The hound of a friend",
    ]
    asked = [example("young canine", ["A little whelp sleeps."])]
    with Embedder(dtype="float32") as embedder:
        for stage in ("dense", "hybrid"):
            mined = mine(asked, documents, options(first_stage=stage), embedder=embedder)
            assert set(negatives(mined)) == {documents[0], documents[1], documents[4]}
    assert mined.report.first_stage["embedding_model"] == embedder.info.name


# --- options ---


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"depth": 30}, "ranks are 1:50 and the first stage returns 30 documents; give a depth of at least 50"),
        ({"ranks": RankWindow(5, 6)}, "3 negatives cannot come from the 2 ranks 5:6"),
        ({"negatives": 0}, "negatives and random are both 0"),
        ({"random": -1}, "random is -1"),
        ({"threshold": 0.5}, "name a teacher"),
        ({"first_stage": "hybrid", "margin": Margin(1.0)}, "no meaning for hybrid"),
    ],
)
def test_options_that_contradict_themselves(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        mine([example("a", ["b"])], [], options(**changes))


@pytest.mark.parametrize("threshold", [0.0, 1.0, math.nan])
def test_a_threshold_is_a_probability(threshold: float) -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        options(threshold=threshold).check(has_teacher=True)


@pytest.mark.parametrize("written", ["", "5", "0:5", "6:5", "5-50", "-1:5", "5:", "a:b", "1:2:3", "1:99999999999"])
def test_ranks_that_are_none(written: str) -> None:
    with pytest.raises(InputError, match="give the first and the last as in 5:50"):
        RankWindow.parse(written)


@pytest.mark.parametrize("written", ["", "-1", "5 percent", "nan", "inf", "1e3", "%", "101%"])
def test_margins_that_are_none(written: str) -> None:
    with pytest.raises(InputError, match="the margin is"):
        Margin.parse(written)


def test_what_is_written_is_read() -> None:
    assert RankWindow.parse(" 1:100 ") == RankWindow(1, 100)
    assert Margin.parse("5%") == Margin(0.05, is_relative=True)
    assert (Margin.parse("0.5"), Margin.parse("off")) == (Margin(0.5), None)
    assert [str(each) for each in (RankWindow(), Margin(0.05, is_relative=True), Margin(0.5))] == ["5:50", "5%", "0.5"]
    assert Margin(0.05, is_relative=True).limit(-2.0) == pytest.approx(-2.1)


# --- the file ---


def test_what_is_written_is_training_data(tmp_path: Path) -> None:
    documents = [*valves(), "日本語の文書 \u2028 with a line separator\nand a line"]
    asked = [example("valve", [documents[0]], [documents[-1]], instruction="Find parts"), example("filler1", ["b"])]
    with Reranker.from_model(OverlapModel()) as teacher:
        for mined in (mine(asked, documents, options(random=1)), mine(asked, documents, options(), teacher=teacher)):
            write_examples(mined.examples, tmp_path / "mined.jsonl")
            data = read_training_data(tmp_path / "mined.jsonl")
            assert [(each.query, each.instruction, each.candidates) for each in data.examples] == [
                (each.query, each.instruction, each.candidates) for each in mined.examples
            ]
            assert data.warnings == []
    assert [file.name for file in tmp_path.iterdir()] == ["mined.jsonl"]


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mined.jsonl"
    file.write_text("what was there\n")
    record_of = example_writer.record_of

    def stopped(each: Example) -> dict[str, Any]:
        if each.query == "stop":
            raise KeyboardInterrupt
        return record_of(each)

    monkeypatch.setattr(example_writer, "record_of", stopped)
    with pytest.raises(KeyboardInterrupt):
        write_examples([example("a", ["b"]), example("stop", ["b"])], file)
    assert file.read_text() == "what was there\n"
    assert [each.name for each in tmp_path.iterdir()] == ["mined.jsonl"]
    with pytest.raises(SettingsError, match="cannot be written"):
        write_examples([], tmp_path / "nowhere" / "mined.jsonl")


def test_grades_and_another_teachers_scores_are_said_to_be_lost() -> None:
    graded = Example("valve", (Candidate("a valve", 0.5, 1.0), Candidate("gate", 0.0, -1.0)))
    mined = mine([graded], valves(), options())
    assert [each.label for each in mined.examples[0].candidates][:2] == [1.0, 0.0]
    assert all(each.teacher is None for each in mined.examples[0].candidates)
    assert [warning[:30] for warning in mined.report.warnings] == [
        "1 labels are grades between 0 ",
        "the data has a teacher's score",
    ]


def test_a_killed_mining_goes_on_where_it_was(tmp_path: Path) -> None:
    output, cache, log = tmp_path / "out" / "mined.jsonl", tmp_path / "cache", tmp_path / "log"
    output.parent.mkdir()

    def command(seconds: float) -> list[str]:
        return [sys.executable, "-m", "tests.training.slow_mining", *map(str, (output, cache, log, seconds))]

    process = subprocess.Popen(command(0.01), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while _num_computed(log) < 70 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    before = _num_computed(log)
    assert 70 <= before < 200
    assert list(output.parent.iterdir()) == []
    subprocess.run(command(0), timeout=120, check=True)
    # Only the query in hand was computed again: 10 pairs at most.
    assert 200 <= _num_computed(log) <= 200 + 10
    with Reranker.from_model(OverlapModel()) as teacher:
        write_examples(mine(EXAMPLES, DOCUMENTS, OPTIONS, teacher=teacher).examples, tmp_path / "uninterrupted.jsonl")
    assert output.read_bytes() == (tmp_path / "uninterrupted.jsonl").read_bytes()


def _num_computed(log: Path) -> int:
    """Pairs of the data: not the one that warms up."""
    return sum("warm" not in line for line in log.read_text().splitlines()) if log.exists() else 0
