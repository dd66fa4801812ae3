"""One of several processes of a run: python -m tests.training.shared_run FOLDER; the environment says which.

Writes FOLDER/RANK.safetensors with its weights and FOLDER/RANK.json with what it saw. FAIL in the environment makes the
process of that rank fail in its third step, OOM makes it run out of memory there.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from finerank.training.sharing import share_of_processes
from finerank.training.trainee import TokenSequence

from .toy import RECIPE, ToyTrainee, toy_trainer, weights


class Troubled(ToyTrainee):
    """Fails, or runs out of memory, from a pass on."""

    def __init__(self, trouble: str | None, seed: int) -> None:
        super().__init__(seed)
        self.network.dropout.p = 0.0
        self._trouble = trouble
        self._passes = 0

    def log_odds(self, sequences: Sequence[TokenSequence]) -> Tensor:
        self._passes += 1
        if self._passes >= 3 and self._trouble == "FAIL":
            raise ValueError("a disk is full")
        if self._passes >= 3 and self._trouble == "OOM" and len(sequences) > 1:
            raise RuntimeError("out of memory")
        return super().log_odds(sequences)


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    rank = int(os.environ["RANK"])
    share = share_of_processes("cpu")
    trouble = next((name for name in ("FAIL", "OOM") if os.environ.get(name) == str(rank)), None)
    trainee = Troubled(trouble, seed=rank)  # the first's weights are everybody's
    evaluations: list[int] = []
    scores = iter([0.1, 0.2, 0.5, 0.3, 0.3, 0.9])

    def score() -> float:
        evaluations.append(rank)
        return next(scores)

    trainer = toy_trainer(
        folder / "run", trainee=trainee, share=share, score=score, evaluate_every=2, patience=2, num_steps=20
    )
    progress = trainer.run(RECIPE)
    save_file({"weights": weights(trainee)}, folder / f"{rank}.safetensors")
    seen = {"scores": progress.scores, "evaluations": evaluations, "losses": [h["loss"] for h in progress.history]}
    (folder / f"{rank}.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
