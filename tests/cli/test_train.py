import json
from pathlib import Path

import pytest

from tests.conftest import MakeQwen3

from .conftest import Run


@pytest.fixture
def data(tmp_path: Path) -> Path:
    file = tmp_path / "lamps.jsonl"
    lines = [
        {"query": f"lamp {n}", "positives": [f"lamp {n} is red"], "negatives": [f"lamp {n + 1} is red", "a door"]}
        for n in range(30)
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def test_the_data_are_looked_at_alone(run: Run, data: Path) -> None:
    result = run("train", "m", "--data", str(data), "--check")
    assert result.exit_code == 0
    assert "20 examples with 20 queries" in result.stdout
    assert "10 examples are held out (dev)" in result.stdout


def test_columns_may_have_other_names_and_one_class_is_refused(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "pairs.csv"
    file.write_text("q,d,l\n" + "".join(f"lamp {n},lamp {n} is red,1\n" for n in range(30)))
    names = ["--query-field", "q", "--document-field", "d", "--label-field", "l"]
    result = run("train", "m", "--data", str(file), "--check", "--json", *names)
    assert result.exit_code == 1
    assert any(problem["severity"] == "error" for problem in json.loads(result.stdout)["problems"])


def test_a_beir_folder_is_measured_on_its_own_dev_split(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    texts = [f"lamp {n} is red" for n in range(9)]
    for name, rows in (("corpus", texts), ("queries", [f"lamp {n}" for n in range(9)])):
        lines = [json.dumps({"_id": f"{name[0]}{n}", "text": text}) + "\n" for n, text in enumerate(rows)]
        (folder / f"{name}.jsonl").write_text("".join(lines))
    for split, numbers in (("train", range(6)), ("dev", range(6, 9))):
        rows = [f"q{n}\tc{n}\t1" for n in numbers]
        (folder / "qrels" / f"{split}.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *rows, ""]))
    result = run("train", "m", "--data", str(folder), "--check")
    assert result.exit_code == 0
    assert "6 examples with 6 queries" in result.stdout
    assert "3 examples are held out (dev)" in result.stdout


def test_no_place_for_what_is_learned(run: Run, data: Path) -> None:
    result = run("train", "m", "--data", str(data))
    assert result.exit_code == 2
    assert "give --output" in result.stderr


def test_a_value_that_cannot_be_used(run: Run, data: Path, tmp_path: Path) -> None:
    none = ["--negatives", "0", "--random-negatives", "0"]
    result = run("train", "m", "--data", str(data), "-o", str(tmp_path / "out"), *none)
    assert result.exit_code == 2
    assert "needs something to compare with" in result.stderr


def test_a_run_says_whether_it_helped(run: Run, data: Path, tmp_path: Path, make_qwen3: MakeQwen3) -> None:
    small = ["--max-steps", "1", "--groups", "2", "--eval-queries", "3", "--eval-depth", "3", "--max-length", "256"]
    few = ["--targets", "q_proj, v_proj", "--dtype", "float32", "--device", "cpu", "--patience", "0"]
    result = run("train", str(make_qwen3()), "--data", str(data), "-o", str(tmp_path / "out"), *small, *few)
    assert result.exit_code == 0, result.stderr
    assert "Training " in result.stdout
    summary = json.loads((tmp_path / "out" / "training.json").read_text())
    assert summary["recipe"]["targets"] == ["q_proj", "v_proj"]
    assert summary["recipe"]["patience"] is None
    assert summary["verdict"] in result.stdout.replace("\n", " ")
