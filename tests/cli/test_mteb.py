"""`finerank mteb` on tasks made here: two stages, a table, JSON, and what cannot be reached."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from finerank.cli.failures import FriendlyGroup
from finerank.cli.models import models
from finerank.cli.mteb import mteb

from .fake_model import FakeLoader

TOY = "tests.integrations.toy_tasks:ToyRetrieval"
INSTRUCTED = "tests.integrations.toy_tasks:ToyInstructed"
UNREACHABLE = "tests.integrations.toy_tasks:ToyUnreachable"

Run = Callable[..., Any]


@pytest.fixture
def run_mteb(monkeypatch: pytest.MonkeyPatch, loader: FakeLoader, tmp_path: Path) -> Run:
    """Runs the command with BM25 and results in `tmp_path`."""
    app = typer.Typer(cls=FriendlyGroup, pretty_exceptions_enable=False)
    app.command()(mteb)
    app.command()(models)  # with one command alone typer leaves its name out
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    for name in ("TQDM_DISABLE", "HF_DATASETS_DISABLE_PROGRESS_BARS"):
        monkeypatch.setenv(name, "1")  # the command sets them, and they are to be as before

    def run(*arguments: str, first_stage: str | None = "bm25") -> Any:
        stage = ["--first-stage", first_stage] if first_stage is not None else []
        result = CliRunner().invoke(app, ["mteb", *arguments, *stage, "--results", str(tmp_path / "results")])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return run


def test_first_stage_and_reranked_side_by_side(run_mteb: Run, loader: FakeLoader) -> None:
    result = run_mteb(TOY, "--model", "some/model", "--dtype", "float32", "--top-k", "3")
    assert result.exit_code == 0
    assert (loader.name, loader.options) == ("some/model", {"dtype": "float32"})
    (row,) = [line.split() for line in result.stdout.splitlines() if line.strip().startswith("ToyRetrieval")]
    name, metric, first, reranked, gain = row
    assert (name, metric, reranked) == ("ToyRetrieval", "ndcg_at_10", "1.0000")
    assert float(first) + float(gain) == pytest.approx(1.0)
    assert "on the best 3 of mteb/baseline-bm25s" in result.stdout


def test_the_embedder_is_the_default_first_stage(run_mteb: Run) -> None:
    record = json.loads(run_mteb(TOY, "--model", "m", "--json", first_stage=None).stdout)
    assert record["first_stage"] == "finerank/all-MiniLM-L6-v2"
    assert record["tasks"][0]["reranked"] == 1.0


def test_one_unreachable_task_does_not_end_the_others(run_mteb: Run) -> None:
    result = run_mteb(UNREACHABLE, TOY, INSTRUCTED, "--model", "m", "--json")
    assert result.exit_code == 1
    assert "error: ToyUnreachable: its data could not be had" in result.stderr
    assert "nobody/far-away at revision abc" in result.stderr
    assert "Traceback" not in result.stderr
    record = json.loads(result.stdout)
    assert [each["reranked"] for each in record["tasks"]] == [None, 1.0, 1.0]
    assert record["tasks"][1]["splits"]["test"]["default"]["reranked"] == 1.0
    assert record["mean"] == {"tasks": 2, "first_stage": None, "reranked": 1.0}
    table = run_mteb(UNREACHABLE, TOY, INSTRUCTED, "--model", "m").stdout
    assert "failed" in table
    assert "its own" in table
    assert "mean of 2" in table


def test_a_second_run_takes_what_is_known(run_mteb: Run) -> None:
    first = run_mteb(TOY, "--model", "m")
    again = run_mteb(TOY, "--model", "m")
    assert "ToyRetrieval: reranking" in first.stderr
    assert "reranking" not in again.stderr
    assert again.stdout == first.stdout


def test_instructions_of_tasks(run_mteb: Run, loader: FakeLoader, tmp_path: Path) -> None:
    file = tmp_path / "prompts.json"
    file.write_text(json.dumps({"ToyRetrieval": {"query": "find the planet"}, "Other": "something"}))
    assert run_mteb(TOY, "--model", "m", "--instructions", str(file)).exit_code == 0
    assert loader.model.instructions[-3:] == ["find the planet"] * 3


@pytest.mark.parametrize("content", ["{", "[]", '{"ToyRetrieval": 3}', '{"ToyRetrieval": " "}', None])
def test_a_file_of_instructions_that_is_none(run_mteb: Run, tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "prompts.json"
    if content is not None:
        file.write_text(content)
    result = run_mteb(TOY, "--instructions", str(file))
    assert result.exit_code == 2
    assert "prompts.json" in result.stderr


def test_bad_input(run_mteb: Run) -> None:
    for arguments, message in {
        ("SCIDOX",): "Did you mean: 'SCIDOCS'",
        ("STS12",): "only retrieval and reranking",
        (TOY, "--embedding-model", "m"): "--embedding-model is for --first-stage dense",
        (TOY, "--base-url", "http://127.0.0.1:1"): "name that too",
    }.items():
        result = run_mteb(*arguments)
        assert result.exit_code == 2
        assert message in result.stderr
    assert "give dense, bm25 or mteb:NAME" in run_mteb(TOY, first_stage="sparse").stderr
    assert "MTEB knows no model" in run_mteb(TOY, first_stage="mteb:nobody/nothing").stderr


def test_the_command_is_light() -> None:
    code = (
        "import sys, finerank.cli.mteb; print([name for name in ('mteb', 'torch', 'datasets') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
