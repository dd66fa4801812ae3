"""`finerank mine`, in this process with a model without weights, and in one of its own with the embedded one."""

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
from finerank.cli import mine as command
from finerank.cli.failures import FriendlyGroup
from tests.evaluation.small import DOCUMENTS, QRELS, QUERIES, write_beir, write_jsonl

from .fake_model import FakeLoader

app = typer.Typer(cls=FriendlyGroup)
app.command("mine")(command.mine)
app.command("other")(lambda: None)

Run = Callable[..., Any]
RANKS = ["--ranks", "1:5", "--negatives", "2", "--language", "en"]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    monkeypatch.delenv("FORCE_COLOR", raising=False)

    def run(*arguments: object) -> Any:
        result = CliRunner().invoke(app, ["mine", *(str(each) for each in arguments)])
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
    return write_beir(tmp_path / "manuals", "train")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "mined.jsonl"


def records(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_a_beir_folder(run: Run, data: Path, output: Path) -> None:
    result = run(data, "-o", output, *RANKS)
    assert result.exit_code == 0, result.output
    assert "manuals: 3 examples, 3 queries, 6 documents, bm25, ranks 1:5, margin off" in result.stdout
    assert f"{output}: 3 examples" in result.stdout.replace("\n", "")
    texts = {f"{title}\n{text}".strip(): id_ for id_, (title, text) in DOCUMENTS.items()}
    mined = records(output)
    assert [each["query"] for each in mined] == list(QUERIES.values())
    for record, grades in zip(mined, QRELS.values(), strict=True):
        assert {texts[text] for text in record["positives"]} == {each for each, grade in grades.items() if grade > 0}
        assert not {texts[text] for text in record["negatives"]} & {each for each, grade in grades.items() if grade}
        assert record.keys() == {"query", "positives", "negatives"}


def test_a_teacher_and_a_corpus(run: Run, loader: FakeLoader, tmp_path: Path, output: Path) -> None:
    write_jsonl(tmp_path / "data.jsonl", [{"query": "valve gate", "positives": ["valve gate brass"], "negatives": []}])
    (tmp_path / "more.txt").write_text("valve gate steel\nvalve one\ngate two\nnothing of that kind\n")
    options = ["--corpus", tmp_path / "more.txt", "--teacher", "some/model", "--dtype", "bf16", "--instruction", "Find"]
    result = run(tmp_path / "data.jsonl", "-o", output, *options, *RANKS)
    assert result.exit_code == 0, result.output
    assert (loader.name, loader.options["dtype"]) == ("some/model", "bf16")
    (record,) = records(output)
    assert (record["instruction"], record["positive_scores"]) == ("Find", [1.0])
    # One word less than the positive is a log-odds less; as good as the positive is not 5 % below it.
    assert set(record["negatives"]) == {"valve one", "gate two"}
    assert record["negative_scores"] == [0.0, 0.0]
    assert "1 documents: dropped as too good" in result.stdout
    assert "valve gate | 1.00 against 1.00 | valve gate steel" in result.stdout
    assert "Find" in loader.model.instructions


def test_json_is_alone_on_standard_output(run: Run, loader: FakeLoader, data: Path, output: Path) -> None:
    result = run(data, "-o", output, *RANKS, "--teacher", "some/model", "--margin", "off", "--json")
    record = json.loads(result.stdout)
    assert (record["queries"], record["documents"], record["output"]) == (3, 6, str(output))
    assert record["first_stage"]["margin"] == "off"
    assert record["teacher"]["name"] == "fake"
    negatives = sum(len(each["negatives"]) for each in records(output))
    assert sum(record["negatives"].values()) == negatives


def test_what_was_computed_is_not_computed_again(run: Run, loader: FakeLoader, data: Path, output: Path) -> None:
    options = [*RANKS, "--teacher", "some/model", "--instruction", "Find"]
    run(data, "-o", output, *options)
    assert "Find" in loader.model.instructions
    first = output.read_bytes()
    again = run(data, "-o", output, *options, "--overwrite")
    assert again.exit_code == 0, again.output
    assert "Find" not in loader.model.instructions
    assert output.read_bytes() == first


def test_embedded_is_the_embedded_model(run: Run, loader: FakeLoader, data: Path, output: Path) -> None:
    run(data, "-o", output, *RANKS, "--teacher", "embedded", "--cache", "off")
    assert loader.name is None
    assert loader.model.instructions


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--depth", "30"], "give a depth of at least 50"),
        (["--ranks", "5-50"], "give the first and the last as in 5:50"),
        (["--negatives", "0"], "negatives and random are both 0"),
        (["--margin", "much"], "the margin is 'much'"),
        (["--first-stage", "hybrid", "--margin", "5%"], "no meaning for hybrid"),
        (["--teacher-threshold", "0.5"], "name a teacher"),
        (["--teacher", "some/model", "--teacher-threshold", "2"], "between 0 and 1"),
        (["--embedding-model", "some/model"], "--embedding-model has no effect on --first-stage bm25"),
        (["--first-stage", "dense", "--language", "en"], "--language has no effect on --first-stage dense"),
        (["--dtype", "float32"], "--dtype has no effect without a --teacher"),
        (["--teacher", "cohere:rerank-v3.5", "--dtype", "float32"], "--dtype has no effect"),
        (["--first-stage", "run:file"], "run:file"),
        (["--negative", "3"], "--negatives"),
        (["--corpus", "nowhere.txt"], "there is no file nowhere.txt"),
        (["--split", "test"], "no split 'test'; its splits are train"),
    ],
)
def test_what_cannot_be_asked_for(run: Run, data: Path, output: Path, arguments: list[str], said: str) -> None:
    result = run(data, "-o", output, *arguments)
    assert result.exit_code == 2, result.output
    assert said in " ".join(result.stderr.replace("│", " ").split())
    assert not output.exists()


def test_outputs_that_cannot_be(run: Run, data: Path, tmp_path: Path, output: Path) -> None:
    def refused(file: Path, *more: str, of: Path = data) -> str:
        result = run(of, "-o", file, *RANKS, *more)
        assert result.exit_code == 2, result.output
        return str(result.stderr)

    output.write_text("what was there")
    assert "exists; name another file, or replace it with --overwrite" in refused(output)
    assert output.read_text() == "what was there"
    assert "there is no folder" in refused(tmp_path / "nowhere" / "mined.jsonl")
    assert "is a folder" in refused(tmp_path)
    assert "ends with .jsonl" in refused(tmp_path / "mined.json")
    write_jsonl(tmp_path / "data.jsonl", [{"query": "a", "positives": ["b"]}])
    assert "is the data itself" in refused(tmp_path / "data.jsonl", "--overwrite", of=tmp_path / "data.jsonl")


@pytest.mark.parametrize("content", ["", "\n\n", '{"query": "a", "positives": [], "negatives": ["b"]}\n', "nonsense"])
def test_data_that_cannot_be(run: Run, tmp_path: Path, output: Path, content: str) -> None:
    (tmp_path / "data.jsonl").write_text(content)
    result = run(tmp_path / "data.jsonl", "-o", output)
    assert (result.exit_code, "error:" in result.stderr) == (2, True), result.output
    assert not output.exists()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("more.jsonl", '{"text": 5}\n', "document 1: text and title must be strings"),
        ("more.jsonl", '{"title": "a"}\n', "has no key 'text'"),
        ("more.txt", "", "has no documents"),
    ],
)
def test_a_corpus_that_cannot_be(
    run: Run, data: Path, tmp_path: Path, output: Path, name: str, content: str, said: str
) -> None:
    (tmp_path / name).write_text(content)
    result = run(data, "-o", output, "--corpus", tmp_path / name)
    assert (result.exit_code, said in " ".join(result.stderr.split())) == (2, True), result.output
    assert run(data, "-o", output, "--corpus", data).exit_code == 2


def test_a_beir_corpus_is_read_with_its_titles(run: Run, data: Path, tmp_path: Path, output: Path) -> None:
    write_jsonl(tmp_path / "data.jsonl", [{"query": "alarm signal", "positives": ["an alarm signal"]}])
    run(tmp_path / "data.jsonl", "-o", output, "--corpus", data / "corpus.jsonl", *RANKS)
    (record,) = records(output)
    assert any(text.startswith("Hydraulics\nAlarm E07") for text in record["negatives"])


def test_help_comes_without_torch_and_mining_by_words_too(data: Path, output: Path) -> None:
    """In a process of its own, as a user has it."""
    code = (
        "import sys; from finerank.cli.mine import mine; import typer; app = typer.Typer(); app.command()(mine)\n"
        "try: app(sys.argv[1:])\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "print('torch' in sys.modules, file=sys.stderr)"
    )
    for arguments in (["--help"], [str(data), "-o", str(output), *RANKS, "--cache", "off"]):
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert done.stderr.splitlines()[-1] == "False"
    assert len(records(output)) == 3
