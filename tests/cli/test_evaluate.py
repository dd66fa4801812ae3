"""`finerank eval`, in this process with a model without weights, and in one of its own with the embedded model."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import finerank.reranker
from finerank.cli.compare import compare
from finerank.cli.evaluate import evaluate
from finerank.cli.evaluation_options import Asked
from finerank.cli.failures import FriendlyGroup
from finerank.cli.option_groups import Loading
from finerank.evaluation.ordering import ranked
from finerank.evaluation.trec import read_run
from tests.evaluation.small import write_beir, write_jsonl

from .fake_model import FakeLoader

app = typer.Typer(cls=FriendlyGroup)
app.command("eval")(evaluate)
app.command()(compare)

Run = Callable[..., Any]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def run(*arguments: object) -> Any:
        result = CliRunner().invoke(app, [str(each) for each in arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return run


@pytest.fixture
def loader(monkeypatch: pytest.MonkeyPatch) -> FakeLoader:
    loader = FakeLoader()
    monkeypatch.setattr(finerank.reranker, "Reranker", loader)
    return loader


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_beir(tmp_path / "manuals")


def test_the_table_shows_all_stages_side_by_side(run: Run, loader: FakeLoader, data: Path, tmp_path: Path) -> None:
    shown = run("eval", data, "--language", "en", "--price", "50", "--depth", "4")
    assert shown.exit_code == 0, shown.output
    assert "manuals (dev): 3 queries, 6 documents" in shown.stdout
    lines = shown.stdout.splitlines()
    head = next(line for line in lines if line.strip().startswith("metric"))
    assert head.split()[1:4] == ["bm25", "fake", "oracle"]
    assert [line.split()[0] for line in lines if "@" in line][:2] == ["nDCG@10", "RR@10"]
    assert "price" in shown.stdout
    assert (tmp_path / "caches" / "finerank").is_dir()
    again = run("eval", data, "--language", "en", "--depth", "4")
    assert "7 of 7 pairs" in again.stdout
    assert "were measured by the earlier run" in again.stdout


def test_every_file_holds_the_same_figures(run: Run, loader: FakeLoader, data: Path, tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("out.json", "out.run", "out.csv", "out.jsonl")}
    options = ["--metrics", "nDCG@10,P(rel=2)@5", "--metrics", "MRR@10", "--cache", "off"]
    written_to = ["--json", files["out.json"], "--run", files["out.run"], "--per-query", files["out.csv"]]
    result = run("eval", data, *options, "--language", "en", *written_to)
    assert result.exit_code == 0, result.output
    record = json.loads(files["out.json"].read_text())
    assert record["metrics"] == ["nDCG@10", "P(rel=2)@5", "RR@10"]
    assert [stage["kind"] for stage in record["stages"]] == ["first", "reranked", "oracle"]
    with files["out.csv"].open(newline="") as content:
        rows = [row for row in csv.DictReader(content) if row["stage"] == "fake"]
    mean = sum(float(row["nDCG@10"]) for row in rows) / len(rows)
    assert mean == pytest.approx(record["stages"][1]["means"]["nDCG@10"])
    assert all(float(row["seconds"]) > 0 for row in rows)
    written = read_run(files["out.run"], [])
    run(
        "eval",
        data,
        *options,
        "--first-stage",
        f"run:{files['out.run']}",
        "--no-rerank",
        "--per-query",
        files["out.jsonl"],
    )
    again = [json.loads(line) for line in files["out.jsonl"].read_text().splitlines()]
    assert [row["nDCG@10"] for row in again if row["stage"] == "out.run"] == [float(row["nDCG@10"]) for row in rows]
    assert ranked(written["q1"])
    assert not (tmp_path / "caches").exists()


def test_json_on_standard_output_is_alone_there(run: Run, loader: FakeLoader, data: Path) -> None:
    result = run("eval", data, "--language", "en", "--json", "-", "--limit", "2", "--seed", "5")
    record = json.loads(result.stdout)
    assert record["dataset"]["queries"] == 2
    assert "drawn at random with seed 5" in record["dataset"]["warnings"][0]
    assert "drawn at random with seed 5" in result.stderr


def test_options_of_the_model_arrive(run: Run, loader: FakeLoader, data: Path) -> None:
    run(
        "eval",
        data,
        "-m",
        "some/model",
        "--dtype",
        "bf16",
        "--max-length",
        "512",
        "--preset",
        "support",
        "--language",
        "en",
    )
    assert (loader.name, loader.options["dtype"], loader.options["max_length"]) == ("some/model", "bf16", 512)
    assert any(each is not None and "manual passage" in each for each in loader.model.instructions)


def test_judgements_without_texts_measure_the_first_stage(run: Run, data: Path, tmp_path: Path) -> None:
    (tmp_path / "qrels.txt").write_text("q1 0 d1 1\n")
    (tmp_path / "some.run").write_text("q1 Q0 d1 1 0.5 x\n")
    result = run("eval", tmp_path / "qrels.txt", "--first-stage", f"run:{tmp_path / 'some.run'}")
    assert result.exit_code == 0, result.output
    assert "only the first stage is measured" in result.stderr
    refused = run("eval", tmp_path / "qrels.txt", "-f", f"run:{tmp_path / 'some.run'}", "-m", "some/model")
    assert (refused.exit_code, "no texts for some/model" in refused.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "there is no file or folder nowhere"),
        (["DATA", "--split", "test"], "its splits are dev"),
        (["DATA", "--metrics", "nDCG"], None),
        (["DATA", "--metrics", "quality"], "'quality' is no metric"),
        (["DATA", "--first-stage", "elastic"], "unknown first stage 'elastic'"),
        (["DATA", "--json", "nowhere/out.json"], "there is no folder nowhere"),
        (["DATA", "--instruction", "x", "--preset", "web"], "both given"),
        (["DATA", "--depth", "50", "--recall", "20"], "give it more"),
        (["DATA", "--queries-from", "de"], "no folder 'de'"),
        (["DATA", "--seed", "-1"], "--seed"),
        (["DATA", "--embedding-model", "some/model"], "--embedding-model has no effect on --first-stage bm25"),
        (["DATA", "-f", "dense", "--language", "en"], "--language has no effect on --first-stage dense"),
        (
            ["DATA", "-f", "run:theirs.run", "--recall", "100", "--language", "en"],
            "--language, --recall has no effect on --first-stage run:FILE",
        ),
        (["DATA", "--no-rerank", "-m", "some/model", "--price", "1"], "where --model, --price has no effect"),
        (["DATA", "--no-rerank", "--preset", "web"], "where --preset has no effect"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(
    run: Run, loader: FakeLoader, data: Path, arguments: list[str], message: str | None
) -> None:
    result = run("eval", *[data if each == "DATA" else each for each in arguments])
    assert result.exit_code == (0 if message is None else 2), result.output
    assert message is None or message in result.stderr
    assert "Traceback" not in result.output


def test_ids_that_no_run_can_hold_are_refused_before_the_work(
    run: Run, loader: FakeLoader, data: Path, tmp_path: Path
) -> None:
    with (data / "corpus.jsonl").open("a") as corpus:
        corpus.write('{"_id": "manual 7", "text": "Alarm E07"}\n')
    file = tmp_path / "out.run"
    refused = run("eval", data, "--run", file)
    assert (refused.exit_code, "the id 'manual 7' has a blank" in refused.stderr) == (2, True)
    assert not hasattr(loader, "model")
    assert not file.exists()
    assert run("eval", data, "--language", "en").exit_code == 0


def test_what_was_found_is_shown_though_a_file_cannot_be_written(run: Run, loader: FakeLoader, data: Path) -> None:
    result = run("eval", data, "--language", "en", "--per-query", "/dev/full")
    assert result.exit_code == 2
    assert "nDCG@10" in result.stdout
    assert "/dev/full cannot be written: No space left" in result.stderr


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("some/model", {"hub": "modelscope", "device": "cpu", "dtype": "bf16", "trust_remote_code": True}),
        ("openai:some-model", {}),
    ],
)
def test_options_of_loading_reach_the_embedding_model(
    monkeypatch: pytest.MonkeyPatch, model: str, expected: dict[str, Any]
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr("finerank.embedder.Embedder", lambda name, **more: seen.append((name, more)))
    loading = Loading(hub="modelscope", device="cpu", dtype="bf16", trust_remote_code=True, revision="of the reranker")
    Asked("data", first_stage="dense", embedding_model=model).options(loading)["embedder"]()
    assert seen == [(model, expected)]


def test_a_file_of_pairs_and_a_report(run: Run, loader: FakeLoader, tmp_path: Path) -> None:
    rows = [("alarm E07", "E07 is a fault of the sensor", 1), ("alarm E07", "the menu", 0), ("menu", "the menu", 1)]
    write_jsonl(tmp_path / "pairs.jsonl", [{"query": q, "document": d, "label": label} for q, d, label in rows])
    result = run("eval", tmp_path / "pairs.jsonl", "--language", "en", "--report", tmp_path / "report.html")
    assert result.exit_code == 0, result.output
    assert "pairs: 2 queries, 2 documents" in result.stdout
    assert "pairs" in (tmp_path / "report.html").read_text()


_PROCESS = """
import sys, typer
from finerank.cli.failures import FriendlyGroup
from finerank.cli.evaluate import evaluate
heavy = {"torch", "numpy", "scipy", "bm25s", "ir_measures"} & set(sys.modules)
assert not heavy, heavy
app = typer.Typer(cls=FriendlyGroup)
app.command("eval")(evaluate)
app.command("other")(lambda: None)
app(prog_name="finerank")
"""


def test_the_embedded_model_in_a_process_of_its_own(data: Path, tmp_path: Path) -> None:
    arguments = [
        "eval",
        str(data),
        "-f",
        "hybrid",
        "--cache",
        str(tmp_path / "cache"),
        "--json",
        "-",
        "--self-test",
        "off",
    ]
    done = subprocess.run(
        [sys.executable, "-c", _PROCESS, *arguments], capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert [stage["name"] for stage in record["stages"]] == ["hybrid", "all-MiniLM-L6-v2", "oracle"]
    assert record["stages"][1]["means"]["RR@10"] == 1.0
    assert "for better rankings" in done.stderr
