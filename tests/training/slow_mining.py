"""A mining to be killed: `python -m tests.training.slow_mining OUTPUT CACHE LOG SECONDS`.

Each pair takes its time and is written to LOG when it is computed.
"""

import sys
from pathlib import Path

from finerank import Reranker
from finerank.training.example_writer import write_examples
from finerank.training.examples import Candidate, Example
from finerank.training.mining import mine
from finerank.training.mining_options import MiningOptions, RankWindow
from tests.evaluation.slow_run import SlowModel

DOCUMENTS = [f"document {n} is about pressure sensors" for n in range(10)]
EXAMPLES = [Example(f"pressure sensors, question {n}", (Candidate(DOCUMENTS[n % 10], 1.0),)) for n in range(20)]
OPTIONS = MiningOptions(ranks=RankWindow(1, 9), negatives=9, depth=10, language="en")

if __name__ == "__main__":
    output, cache, log, seconds = sys.argv[1:]
    with Reranker.from_model(SlowModel(Path(log), float(seconds))) as teacher:
        mined = mine(EXAMPLES, DOCUMENTS, OPTIONS, teacher=teacher, cache=Path(cache))
    write_examples(mined.examples, Path(output))
