"""Runs in processes of their own that are killed by SIGKILL in the middle of their third save.

python -m tests.training.killed_run FOLDER STAGE...: prints the signal that each ended by. `weights`, `optimizer` and
`progress` kill it after half of that file, `rename` before the new checkpoint gets its name, `remove` before the old
one goes.
"""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from finerank.training import run_state

from .toy import RECIPE, toy_trainer


def main(folder: Path, stages: list[str]) -> None:
    """A fork for each, since importing torch takes seconds; it has computed nothing yet, so has no threads."""
    for stage in stages:
        child = os.fork()
        if child == 0:
            _run(folder / stage, stage)
            os._exit(1)
        print(stage, os.WTERMSIG(os.waitpid(child, 0)[1]), flush=True)


def _run(folder: Path, stage: str) -> None:
    places: dict[str, tuple[Any, str]] = {
        "weights": (run_state, "save_file"),
        "optimizer": (run_state, "save_file"),
        "progress": (Path, "write_text"),
        "rename": (Path, "replace"),
        "remove": (shutil, "rmtree"),
    }
    where, name = places[stage]
    usual = getattr(where, name)
    # Each save writes two files of tensors; `new` is removed before each save, an old checkpoint from the second on.
    deadly = {"weights": 5, "optimizer": 6, "remove": 5}.get(stage, 3)
    setattr(where, name, _killing(usual, deadly, cut=stage in ("weights", "optimizer", "progress")))
    toy_trainer(folder, save_every=1).run(RECIPE)


def _killing(usual: Callable[..., Any], deadly: int, *, cut: bool) -> Callable[..., Any]:
    calls = 0

    def killing(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls < deadly:
            return usual(*arguments, **options)
        if cut:
            usual(*arguments, **options)
            file = next(each for each in arguments if isinstance(each, Path))
            os.truncate(file, file.stat().st_size // 2)
        os.kill(os.getpid(), signal.SIGKILL)

    return killing


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
