"""Systems side by side, each in a process of its own that loads once and then does what it is asked.

One JSON line asks, one JSON line answers; the first line that a process writes says that it is ready.
"""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import torch

import finerank
from finerank.hardware import device_name


class System:
    """module, arguments: what `python -m` runs.   ready: what its process said when it was."""

    def __init__(self, name: str, module: str, arguments: Sequence[str], threads: int) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        )
        self.ready = self._read()

    def ask(self, request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with exit code {self._process.wait()}")
        reply: dict[str, Any] = json.loads(line)
        return reply


@contextmanager
def running(arguments: Mapping[str, Sequence[str]], module: str, threads: int) -> Iterator[list[System]]:
    """arguments: of each system, by its name."""
    systems: list[System] = []
    try:
        for name, own in arguments.items():
            systems.append(System(name, module, own, threads))
        yield systems
    finally:
        for system in systems:
            system.close()


def conditions(threads: int) -> dict[str, Any]:
    """When, where and with what; before the first measurement."""
    import sentence_transformers
    import transformers

    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": device_name(torch.device("cpu")),
        "threads": threads,
        "load_average": os.getloadavg(),
        "versions": {
            "finerank": finerank.__version__,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "sentence-transformers": sentence_transformers.__version__,
            "python": platform.python_version(),
        },
    }
