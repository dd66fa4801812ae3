"""Our cross-encoder in MTEB's own evaluation, on tasks made here."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import mteb
import numpy as np
import pytest
from mteb.cache import ResultCache
from mteb.models import CrossEncoderProtocol, EncoderProtocol

from finerank import Embedder, FinerankWarning, InputError, Reranker
from finerank.integrations.mteb import WITHOUT_SCORE, FinerankCrossEncoder
from finerank.integrations.mteb_encoder import FinerankEncoder
from finerank.integrations.mteb_groups import GROUPS
from finerank.integrations.mteb_run import TwoStages
from finerank.integrations.mteb_tasks import tasks_of
from finerank.types import ModelInfo
from tests.cli.fake_model import FakeModel

from .toy_tasks import CORPUS, INSTRUCTIONS, QUERIES, ToyInstructed, ToyRetrieval, ToyUnreachable

BM25 = "mteb/baseline-bm25s"


class OtherModel(FakeModel):
    """One that takes no instruction."""

    def __init__(self) -> None:
        super().__init__()
        self.info = ModelInfo(
            **{name: getattr(self.info, name) for name in self.info.__slots__} | {"default_instruction": None}
        )
        self.queries: list[str] = []

    def encode(self, query: str, documents: Any, instruction: str | None) -> Any:
        self.queries.append(query)
        return super().encode(query, documents, instruction)


@pytest.fixture
def encoder(reranker: Reranker) -> FinerankCrossEncoder:
    return FinerankCrossEncoder(reranker)


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder()


def predictions(folder: Path, task: str) -> dict[str, dict[str, float]]:
    return json.loads((folder / f"{task}_predictions.json").read_text())["default"]["test"]


def stages(reranker: Reranker, folder: Path, **options: Any) -> TwoStages:
    return TwoStages(FinerankCrossEncoder(reranker), mteb.get_model_meta(BM25), cache_folder=folder, **options)


def test_the_protocol(encoder: FinerankCrossEncoder) -> None:
    assert isinstance(encoder, CrossEncoderProtocol)
    assert not isinstance(encoder, EncoderProtocol)
    meta = encoder.mteb_model_meta
    assert (meta.name, meta.is_cross_encoder, meta.revision) == ("finerank/fake", True, "0123456789abcdef")


def test_mteb_evaluates_it_in_its_own_two_stages(
    encoder: FinerankCrossEncoder, reranker: Reranker, tmp_path: Path
) -> None:
    task = ToyRetrieval()
    cache = ResultCache(tmp_path / "cache")
    mteb.evaluate(
        mteb.get_model(BM25), task, prediction_folder=tmp_path / "first", cache=cache, show_progress_bar=False
    )
    task = task.convert_to_reranking(tmp_path / "first", top_k=3)
    results = mteb.evaluate(encoder, task, prediction_folder=tmp_path / "second", cache=cache, show_progress_bar=False)
    found = predictions(tmp_path / "first", "ToyRetrieval")
    ranked = predictions(tmp_path / "second", "ToyRetrieval")
    for key, query in QUERIES.items():
        best = sorted(found[key], key=found[key].__getitem__, reverse=True)[:3]
        expected = {best[each.index]: each.log_odds for each in reranker.rank(query, [CORPUS[name] for name in best])}
        assert ranked[key] == pytest.approx(expected)
    assert results.task_results[0].get_score() == 1.0


def test_instructions_of_queries_win_over_those_of_the_task(
    encoder: FinerankCrossEncoder, reranker: Reranker, model: FakeModel, tmp_path: Path
) -> None:
    encoder.instructions = {"ToyInstructed": "of the task", "ToyRetrieval": "of the task"}
    cache = ResultCache(tmp_path)
    model.instructions.clear()
    mteb.evaluate(encoder, ToyInstructed(), cache=cache, show_progress_bar=False)
    assert set(model.instructions) == set(INSTRUCTIONS.values())
    model.instructions.clear()
    run = stages(reranker, tmp_path, instructions={"ToyRetrieval": "mine", "ToyInstructed": "not this"})
    assert run.run(ToyRetrieval()).error is None
    assert set(model.instructions) == {"mine"}


def test_a_model_without_instructions_reads_them_in_the_query(tmp_path: Path) -> None:
    model = OtherModel()
    with Reranker.from_model(model) as reranker:
        model.queries.clear()
        mteb.evaluate(FinerankCrossEncoder(reranker), ToyInstructed(), cache=None, show_progress_bar=False)
    assert set(model.queries) == {f"{QUERIES[key]} {INSTRUCTIONS[key]}" for key in QUERIES}
    assert set(model.instructions[-3:]) == {None}


def test_pairs_without_a_score_are_last_and_counted(encoder: FinerankCrossEncoder) -> None:
    class Loader(list[dict[str, list[str]]]):
        dataset = range(3)

    progress: list[tuple[int, int]] = []
    encoder.on_progress = lambda done, total: progress.append((done, total))
    queries, documents = ["mars", " ", "mars"], ["mars", "mars", "broken"]
    with pytest.warns(FinerankWarning, match="1 pairs have no score"):
        scores = encoder.predict(
            Loader([{"text": queries}]), Loader([{"text": documents}]), task_metadata=ToyRetrieval.metadata
        )
    assert scores.tolist() == [0.0, WITHOUT_SCORE, WITHOUT_SCORE]
    assert scores.dtype == np.float32
    assert encoder.num_failed == 2
    assert progress == [(3, 3)]


def test_our_embedder_as_an_encoder(embedder: Embedder, tmp_path: Path) -> None:
    encoder = FinerankEncoder(embedder)
    assert isinstance(encoder, EncoderProtocol)
    mteb.evaluate(encoder, ToyRetrieval(), prediction_folder=tmp_path, cache=None, show_progress_bar=False)
    found = predictions(tmp_path, "ToyRetrieval")
    similar = embedder.embed_queries(list(QUERIES.values())) @ embedder.embed_documents(list(CORPUS.values())).T
    for row, key in enumerate(QUERIES):
        expected = dict(zip(CORPUS, similar[row].tolist(), strict=True))
        assert {name: score for name, score in found[key].items() if name in expected} == pytest.approx(
            expected, abs=1e-5
        )


def test_an_embedder_is_told_the_instruction_of_the_task(
    reranker: Reranker, embedder: Embedder, tmp_path: Path
) -> None:
    heard: list[str | None] = []

    class Telling:
        """The embedder, as if it took an instruction."""

        info = replace(embedder.info, default_instruction="the default")
        embed_documents = staticmethod(embedder.embed_documents)

        def embed_queries(self, queries: Any, *, instruction: str | None = None) -> Any:
            heard.append(instruction)
            return embedder.embed_queries(queries)

    first: Any = FinerankEncoder(Telling())  # type: ignore[arg-type]
    names = set()
    for told in ({}, {"ToyRetrieval": "mine", "Other": "a"}, {"ToyRetrieval": "mine", "Other": "b"}):
        run = TwoStages(FinerankCrossEncoder(reranker), first, instructions=told, cache_folder=tmp_path)
        assert run.run(ToyRetrieval()).error is None
        names.add(first.mteb_model_meta.experiment_name)
    assert heard == [None, "mine"]  # the third run differs in another task only
    assert len(names) == 2


def test_two_stages_and_a_second_run(reranker: Reranker, tmp_path: Path) -> None:
    steps: list[str] = []
    run = stages(reranker, tmp_path, on_step=steps.append)
    outcome = run.run(ToyRetrieval())
    assert outcome.error is None
    assert (outcome.metric, outcome.reranked) == ("ndcg_at_10", 1.0)
    assert outcome.scores == {"test": {"default": (outcome.first_stage, 1.0)}}
    assert steps == [f"ToyRetrieval: first stage, {BM25}", "ToyRetrieval: reranking"]
    before = ToyRetrieval.times_loaded
    again = stages(reranker, tmp_path, on_step=steps.append).run(ToyRetrieval())
    assert (again.first_stage, again.reranked, len(steps)) == (outcome.first_stage, outcome.reranked, 2)
    assert ToyRetrieval.times_loaded == before  # nothing had to be fetched


def test_another_depth_or_instruction_is_another_result(reranker: Reranker, model: FakeModel, tmp_path: Path) -> None:
    stages(reranker, tmp_path).run(ToyRetrieval())
    for options in ({"top_k": 2}, {"instructions": {"ToyRetrieval": "find it"}}):
        steps: list[str] = []
        model.instructions.clear()
        assert stages(reranker, tmp_path, on_step=steps.append, **options).run(ToyRetrieval()).error is None
        assert "ToyRetrieval: reranking" in steps
        assert model.instructions


@pytest.mark.parametrize("damage", ["absent", "cut"])
def test_a_first_stage_whose_ranking_is_lost_is_run_again(reranker: Reranker, tmp_path: Path, damage: str) -> None:
    stages(reranker, tmp_path).run(ToyRetrieval())
    (kept,) = tmp_path.rglob("ToyRetrieval_predictions.json")
    if damage == "absent":
        kept.unlink()
    else:
        kept.write_text(kept.read_text()[:50])
    outcome = stages(reranker, tmp_path, top_k=4).run(ToyRetrieval())
    assert (outcome.error, outcome.reranked) == (None, 1.0)


def test_candidates_of_a_task_need_no_first_stage(reranker: Reranker, tmp_path: Path) -> None:
    outcome = stages(reranker, tmp_path).run(ToyInstructed())
    assert (outcome.error, outcome.first_stage, outcome.reranked) == (None, None, 1.0)
    assert not list(tmp_path.rglob("*_predictions.json"))


def test_data_that_cannot_be_reached(reranker: Reranker, tmp_path: Path) -> None:
    outcome = stages(reranker, tmp_path).run(ToyUnreachable())
    assert outcome.reranked is None
    assert outcome.error is not None
    for part in ("ToyUnreachable", "Couldn't reach the hub", "nobody/far-away at revision abc", "its cache"):
        assert part in outcome.error


def test_groups_are_those_behind_the_published_table() -> None:
    sizes = {name: len(tasks_of([name])) for name in GROUPS}
    assert sizes == {"MTEB-R": 10, "CMTEB-R": 8, "MMTEB-R": 18, "MLDR": 1, "MTEB-Code": 12, "FollowIR": 3}
    names = {task.metadata.name for task in tasks_of(["followir", "FollowIR", "Core17InstructionRetrieval"])}
    assert names == {f"{name}InstructionRetrieval" for name in ("Core17", "News21", "Robust04")}


def test_names_of_tasks() -> None:
    (own,) = tasks_of(["tests.integrations.toy_tasks:ToyRetrieval"])
    assert own.metadata.name == "ToyRetrieval"
    for name, match in {
        "SCIDOX": "Did you mean: 'SCIDOCS'",
        "STS12": "type STS; only retrieval",
        "tests.integrations.toy_tasks:Nothing": "no such class",
        "nowhere.at_all:Toy": "no such class",
        "builtins:dict": "not a task of MTEB",
    }.items():
        with pytest.raises(InputError, match=match):
            tasks_of([name])


def test_a_text_without_a_vector_is_like_nothing(embedder: Embedder) -> None:
    class Gaps:
        info = embedder.info

        def embed_documents(self, texts: list[str], **_: Any) -> Any:
            return np.array([[1.0, 0.0], [np.nan, np.nan], [0.0, 1.0]], dtype=np.float32)

    encoder = FinerankEncoder(Gaps())  # type: ignore[arg-type]
    vectors = encoder.encode([{"text": ["a", "", "b"]}], task_metadata=ToyRetrieval.metadata)
    assert vectors.tolist() == [[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]]
    assert encoder.num_failed == 1
