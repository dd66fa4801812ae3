"""Two real processes over gloo, on the CPU, come to the weights of one."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from finerank.training.sharing import AcceleratedShare, share_of_processes
from finerank.training.trainer import Share

from .toy import RECIPE, ToyTrainee, toy_trainer, weights


def _free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


def _run_two(folder: Path, **trouble: str) -> list[tuple[int, str]]:
    """(exit status, stderr) of each."""
    folder.mkdir(exist_ok=True)
    usual = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
        "WORLD_SIZE": "2",
        "GLOO_SOCKET_IFNAME": "lo",
    }
    usual |= {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.training.shared_run", str(folder)],
            cwd=Path(__file__).parents[2],
            env=os.environ | usual | trouble | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    try:
        messages = [process.communicate(timeout=120)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(process.returncode, message) for process, message in zip(processes, messages, strict=True)]


@pytest.mark.parametrize("trouble", [{}, {"OOM": "1"}])
def test_two_processes_are_one_run(tmp_path: Path, trouble: dict[str, str]) -> None:
    """Also where one of them runs out of memory: the same weights, losses, scores, and end."""
    for status, message in _run_two(tmp_path, **trouble):
        assert status == 0, message
    alone = ToyTrainee()
    alone.network.dropout.p = 0.0
    scores = iter([0.1, 0.2, 0.5, 0.3, 0.3, 0.9])
    progress = toy_trainer(
        tmp_path / "alone", trainee=alone, score=lambda: next(scores), evaluate_every=2, patience=2, num_steps=20
    ).run(RECIPE)
    assert progress.step == 8  # stopped early
    for rank in ("0", "1"):
        found = load_file(tmp_path / f"{rank}.safetensors")["weights"]
        assert float((found - weights(alone)).abs().max()) <= 1e-6
        seen = json.loads((tmp_path / f"{rank}.json").read_text())
        assert seen["losses"] == pytest.approx([each["loss"] for each in progress.history], abs=1e-6)
        assert [tuple(each) for each in seen["scores"]] == progress.scores
        assert set(seen["evaluations"]) == ({0} if rank == "0" else set())  # the first alone evaluates


def test_a_process_that_fails_ends_the_run_of_all(tmp_path: Path) -> None:
    (first, said_first), (second, said_second) = _run_two(tmp_path, FAIL="1")
    assert first != 0
    assert second != 0
    assert "another process of this run failed" in said_first
    assert "a disk is full" in said_second


def test_alone_is_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    share = share_of_processes()
    assert type(share) is Share
    assert (share.is_first, list(share.part(3)), share.on_first(lambda: 0.5)) == (True, [0, 1, 2], 0.5)


class _Twice:
    """An accelerator of two processes with the same numbers."""

    is_main_process = True
    process_index, num_processes = 1, 2
    device = torch.device("cpu")

    def reduce(self, tensor: torch.Tensor, reduction: str) -> torch.Tensor:
        assert reduction == "sum"
        return 2 * tensor


def test_sums_in_buckets_keep_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finerank.training.sharing._BUCKET", 5)
    tensors = [torch.ones(2), torch.ones(3, 3), torch.ones(()), torch.ones(4, dtype=torch.float64), torch.ones(1)]
    share = AcceleratedShare(_Twice())
    share.add_up(tensors)
    assert all(torch.equal(each, torch.full_like(each, 2.0)) for each in tensors)
    assert list(share.part(5)) == [1, 3]
