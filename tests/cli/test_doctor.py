"""`finerank doctor`: its findings and its exit code."""

import json
from pathlib import Path

import pytest

import finerank.reranker
from finerank.cli import diagnosis
from finerank.cli.diagnosis import Memory, system_memory

from .conftest import Run
from .fake_model import FakeLoader


def test_a_qwen3_model_is_measured_against_the_machine(run: Run, tiny_qwen3: Path) -> None:
    result = run("doctor", "--model", str(tiny_qwen3), "--dtype", "fp32", "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 0
    assert found["machine"]["dtype"] == "float32"
    assert found["machine"]["dtype_reason"] == "asked for"
    assert found["model"]["kind"] == "yes_no"
    assert {"finite scores", "neighbours do not change a score", "known texts"} <= {
        check["name"] for check in found["checks"]
    }
    speed = found["speed"]
    assert 0 < speed["computed_tokens_per_s"] <= speed["prompt_tokens_per_s"]
    assert 0 < speed["machine_share"] < 1.2
    assert found["peak_memory_bytes"] > 10_000_000


def test_the_report_is_for_people(run: Run, loader: FakeLoader) -> None:
    result = run("doctor")
    assert result.exit_code == 0
    assert result.stderr == ""
    for part in ("Machine", "Model", "Self-test", "Speed", "available of", "ok       finite scores", "documents/s"):
        assert part in result.stdout
    assert "machine's rate" not in result.stdout


def test_a_mechanical_failure_is_shown_and_exits_1(
    run: Run, loader: FakeLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finerank.reranker, "Reranker", FakeLoader(minds_neighbours=True))
    result = run("doctor")
    assert result.exit_code == 1
    assert "FAILED   neighbours do not change a score" in result.stdout
    assert "not measured" in result.stdout
    found = run("doctor", "--json")
    assert found.exit_code == 1
    assert json.loads(found.stdout)["speed"] is None


def test_settings_of_the_hub_are_shown(run: Run, loader: FakeLoader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE=1" in run("doctor").stdout


def test_a_device_that_is_not_there_is_one_sentence(run: Run) -> None:
    result = run("doctor", "--device", "cuda:99")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: device 'cuda:99'")


def test_a_containers_limit_counts_where_it_is_lower(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "_pages", lambda name: 8_000)
    monkeypatch.setattr(diagnosis, "_available", lambda: 7_000)
    limits = {"/sys/fs/cgroup/memory.max": 2_000, "/sys/fs/cgroup/memory.current": 500}
    monkeypatch.setattr(diagnosis, "_number_in", limits.get)
    assert system_memory() == Memory(2_000, 1_500)
    monkeypatch.setattr(diagnosis, "_number_in", lambda file: None)
    assert system_memory() == Memory(8_000, 7_000)
