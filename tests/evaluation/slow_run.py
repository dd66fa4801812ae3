"""An evaluation to be killed: `python -m tests.evaluation.slow_run DATA CACHE LOG SECONDS`.

Each pair takes its time and is written to LOG when it is computed.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from finerank import Reranker
from finerank.evaluation import evaluate, load_dataset
from finerank.models.base import BatchResult, EncodedPair
from tests.evaluation.small import OverlapModel


class SlowModel(OverlapModel):
    def __init__(self, log: Path, seconds: float) -> None:
        super().__init__()
        self._log, self._seconds = log, seconds

    def compute(self, pairs: Sequence[EncodedPair]) -> BatchResult:
        time.sleep(self._seconds * len(pairs))
        with self._log.open("a") as out:
            out.writelines(f"{pair.payload[0]}\t{pair.payload[1][:12]!r}\n" for pair in pairs)
        return super().compute(pairs)


if __name__ == "__main__":
    data, cache, log, seconds = sys.argv[1:]
    with Reranker.from_model(SlowModel(Path(log), float(seconds))) as reranker:
        found = evaluate(load_dataset(data), reranker, cache=Path(cache), language="en")
    print(found.stages[1].means["nDCG@10"], found.stages[1].cost.num_computed, found.stages[1].cost.num_cached)
