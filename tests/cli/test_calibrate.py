"""`finerank calibrate` from the command line to its files, and `finerank rerank` that uses them."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from finerank.cli.calibrate import calibrate
from finerank.cli.failures import FriendlyGroup
from finerank.evaluation.calibration import Calibration

from .conftest import Run
from .fake_model import FakeLoader


@pytest.fixture
def learn(run: Run, loader: FakeLoader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the command in an empty folder with 120 pairs in pairs.csv."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    lines = ["query,document,label"]
    for number in range(60):
        lines += [f"alarm E{number},alarm E{number} is a fault,{int(number % 10 != 0)}"]
        lines += [f"alarm E{number},an alarm,{int(number % 10 == 1)}"]
    Path("pairs.csv").write_text("\n".join(lines), encoding="utf-8")
    app = typer.Typer(cls=FriendlyGroup)
    app.command()(calibrate)
    app.callback()(lambda: None)
    return lambda *arguments: CliRunner().invoke(app, ["calibrate", *arguments])


def test_it_writes_a_calibration_that_rerank_takes(learn: Any, run: Run, loader: FakeLoader) -> None:
    result = learn("pairs.csv", "--precision", "0.75", "--report", "report.html", "--model", "named")
    assert result.exit_code == 0, result.output
    said = " ".join(result.stdout.split())
    assert "120 pairs, 60 of them relevant, 60 queries" in said
    assert "at least 0.75 of them is relevant, with 95% confidence" in said
    assert "Here it is 54 of 60 pairs (90.0%), which is 90.0% of all relevant ones" in said
    assert "the same rule kept 60 pairs, 54 of them relevant" in said
    saved = Calibration.load("calibration.json")
    assert (saved.fingerprint, saved.instruction) == ("0123456789abcdef", "the default")
    assert "0.75" in Path("report.html").read_text(encoding="utf-8")
    assert loader.name == "named"

    documents = ("bread", "alarm E07 is a fault", "an alarm")
    answer = run("rerank", "alarm E07", *documents, "--calibration", "calibration.json", "--json")
    assert loader.options["calibration"] == Path("calibration.json")
    assert answer.exit_code == 0


def test_json_is_the_file(learn: Any) -> None:
    result = learn("pairs.csv", "--out", "x.json", "--json")
    assert json.loads(result.stdout) == json.loads(Path("x.json").read_text(encoding="utf-8"))
    assert json.loads(result.stdout)["threshold"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("pairs.csv", "--precision", "0.95"), "a precision of 0.95 cannot be promised with 95% confidence"),
        (("pairs.csv", "--precision", "1"), "precision is 1.0"),
        (("pairs.csv", "--confidence", "0"), "confidence is 0.0"),
        (("pairs.csv", "--label-field", "gold"), "pairs.csv, line 2 has no 'gold'"),
        (("absent.csv",), "there is no file absent.csv"),
        (("pairs.csv", "--out", "absent/x.json"), "there is no folder absent"),
        (("pairs.csv", "--report", "absent/x.html"), "there is no folder absent"),
        (("pairs.csv", "--out", "."), ". is a folder; name a file in it"),
        (("pairs.csv", "--precision", "0.99"), "from 60 relevant pairs of 120: it takes at least 299"),
    ],
)
def test_what_cannot_be_done_is_said_and_leaves_no_file(
    learn: Any, loader: FakeLoader, arguments: tuple[str, ...], message: str
) -> None:
    result = learn(*arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert not Path("calibration.json").exists()
    assert hasattr(loader, "model") == (arguments[-1] == "0.95")  # whether that can be promised, the scores must tell


def test_scores_are_computed_once(learn: Any, loader: FakeLoader) -> None:
    assert learn("pairs.csv").exit_code == 0
    num_calls = len(loader.model.instructions)
    again = learn("pairs.csv", "--precision", "0.75", "--out", "again.json")
    assert again.exit_code == 0, again.output
    assert len(loader.model.instructions) < num_calls / 2  # its self-test still asks
    first, second = Calibration.load("calibration.json"), Calibration.load("again.json")
    assert first.curve == second.curve
    assert learn("pairs.csv", "--cache", "off").exit_code == 0
    assert len(loader.model.instructions) == num_calls


def test_hopeless_pairs_are_refused_before_a_model_is_loaded(learn: Any, loader: FakeLoader) -> None:
    Path("few.csv").write_text("query,document,label\na,b,1\n", encoding="utf-8")
    result = learn("few.csv")
    assert (result.exit_code, "1 relevant pairs (label 1): at least 10" in result.stderr) == (2, True)
    assert not hasattr(loader, "model")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--min-score", "calibrated"), "the model has no calibration"),
        (("--min-score", "much"), "'much' is neither a probability from 0 to 1 nor the word calibrated"),
        (("--provider", "siliconflow", "--calibration", "x.json"), "--calibration has no effect"),
    ],
)
def test_rerank_says_what_it_cannot_do(run: Run, loader: FakeLoader, arguments: tuple[str, ...], message: str) -> None:
    result = run("rerank", "alarm E07", "an alarm", *arguments)
    assert result.exit_code == 2
    said = " ".join(result.stderr.replace("│", " ").split())
    assert message in said
