"""`finerank merge` from the command line to a folder."""

import json
from pathlib import Path

from finerank import Reranker
from tests.models.tiny_bert import save_adapter, save_embedder

from .conftest import Run


def test_it_writes_a_checkpoint_and_says_what_it_is(run: Run, tmp_path: Path) -> None:
    base = save_embedder(tmp_path / "m")
    adapter, folder = save_adapter(base, tmp_path / "adapter"), tmp_path / "merged"
    result = run("merge", str(adapter), "--output", str(folder))
    assert result.exit_code == 0, result.output
    assert "MB of float32" in result.stdout
    assert f"changed by the adapter over {base}" in result.stdout
    with Reranker(str(folder), device="cpu", self_test="off") as reranker:
        assert reranker.info.kind == "cross_encoder"
    again = run("merge", str(adapter), "--output", str(folder))
    assert (again.exit_code, again.stdout) == (2, "")
    assert "exists and is not overwritten" in again.stderr


def test_json(run: Run, tmp_path: Path) -> None:
    adapter = save_adapter(save_embedder(tmp_path / "m"), tmp_path / "adapter")
    result = run("merge", str(adapter), "-o", str(tmp_path / "merged"), "--dtype", "bf16", "--json")
    told = json.loads(result.stdout)
    assert (told["folder"], told["dtype"]) == (str(tmp_path / "merged"), "bfloat16")
    assert told["num_changed"] == 2 * 6 + 4


def test_what_is_no_adapter(run: Run, tmp_path: Path) -> None:
    result = run("merge", str(save_embedder(tmp_path / "m")), "-o", str(tmp_path / "merged"))
    assert result.exit_code == 1
    assert "is no adapter" in result.stderr
