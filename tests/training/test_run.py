"""A whole run: data in, a folder out that ranks, with its card, its report and its figures."""

import json
import random
from pathlib import Path

import pytest

from finerank import Reranker
from finerank.errors import InputError, TrainingError
from finerank.models.source import LoadOptions
from finerank.training.options import TrainingOptions
from finerank.training.run import SUMMARY, train
from finerank.training.run_state import Progress
from finerank.training.trainer import Observer
from tests.conftest import MakeQwen3

COLOURS = "red green blue white black brown grey pink gold cyan".split()
LOADING = LoadOptions(dtype="float32", device="cpu", max_length=256)
OPTIONS = TrainingOptions(
    groups=4, negatives=2, random_negatives=0, max_steps=6, evaluate_every=2, save_every=1, eval_queries=8,
    eval_depth=4, patience=None, rank=4, learning_rate=1e-3, max_length=256,
)  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    chance = random.Random(0)
    lines = []
    for number in range(60):
        colours = chance.sample(COLOURS, 3)
        texts = [f"lamp {number} is {colour}" for colour in colours]
        line = {"query": f"lamp {number} {colours[0]}", "positives": texts[:1], "negatives": texts[1:]}
        lines.append(json.dumps(line))
    file = tmp_path / "lamps.jsonl"
    file.write_text("\n".join(lines) + "\n")
    return file


class KilledError(Exception):
    pass


class Killer(Observer):
    def stepped(self, progress: Progress, num_steps: int) -> None:
        if progress.step == 4:
            raise KilledError


def test_a_run_makes_a_model_with_its_card_and_its_report(data: Path, make_qwen3: MakeQwen3, tmp_path: Path) -> None:
    base, output = make_qwen3(), tmp_path / "out"
    outcome = train(str(base), [data], output, OPTIONS, loading=LOADING)
    assert outcome is not None
    assert {"adapter_config.json", "adapter_model.safetensors", "README.md", "report.html", SUMMARY, "log.jsonl"} <= {
        file.name for file in output.iterdir()
    }
    assert not (output / "checkpoint").exists()
    summary = json.loads((output / SUMMARY).read_text())
    stages = [stage["name"] for stage in summary["evaluation"]["stages"]]
    assert stages == ["candidates.trec", "before", "after", "oracle"]
    assert summary["verdict"] == outcome.verdict
    assert outcome.verdict.startswith("Training ")
    steps = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in steps if "loss" in line] == [1, 2, 3, 4, 5, 6]
    card = (output / "README.md").read_text()
    assert f"base_model: {base}" in card
    assert "lamps.jsonl (60 examples)" in card
    assert "Training loss" in (output / "report.html").read_text()
    with (
        Reranker(str(output), self_test="off", dtype="float32") as after,
        Reranker(str(base), self_test="off") as before,
    ):
        pair = [("lamp 1 red", "lamp 1 is red")]
        assert float(after.log_odds(pair)[0]) != pytest.approx(float(before.log_odds(pair)[0]), abs=1e-6)
    with pytest.raises(InputError, match="holds a finished run"):
        train(str(base), [data], output, OPTIONS, loading=LOADING)


def test_a_run_that_was_killed_goes_on(data: Path, make_qwen3: MakeQwen3, tmp_path: Path) -> None:
    base = str(make_qwen3())
    whole = train(base, [data], tmp_path / "whole", OPTIONS, loading=LOADING)
    with pytest.raises(KilledError):
        train(base, [data], tmp_path / "cut", OPTIONS, loading=LOADING, observer=Killer())
    resumed = train(base, [data], tmp_path / "cut", OPTIONS, loading=LOADING)
    assert whole is not None
    assert resumed is not None
    assert [each["loss"] for each in resumed.progress.history] == pytest.approx(
        [each["loss"] for each in whole.progress.history], abs=1e-6
    )
    steps = [json.loads(line)["step"] for line in (tmp_path / "cut" / "log.jsonl").read_text().splitlines()]
    assert steps == sorted(steps)


def test_data_that_teach_nothing_are_refused(make_qwen3: MakeQwen3, tmp_path: Path) -> None:
    file = tmp_path / "one-class.jsonl"
    file.write_text("".join(json.dumps({"query": f"q {n}", "positives": [f"d {n}"]}) + "\n" for n in range(20)))
    with pytest.raises(TrainingError, match="cannot be used"):
        train(str(make_qwen3()), [file], tmp_path / "out", OPTIONS, loading=LOADING)
    assert not (tmp_path / "out" / SUMMARY).exists()


def test_a_folder_with_other_things_is_left_alone(data: Path, make_qwen3: MakeQwen3, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match=r"thesis\.txt"):
        train(str(make_qwen3()), [data], other, OPTIONS, loading=LOADING)
