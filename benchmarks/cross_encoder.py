"""Speed of a classic cross-encoder on a CPU: finerank and sentence-transformers' `predict`, side by side.

    python -m benchmarks.cross_encoder --data FOLDER [--dtype bfloat16] [--threads 2] [--turns 7] [--out FILE]

data: folder of the real data; documents are 150 words each out of its `cranfield/corpus.jsonl`. The model has the
weights of the packaged MiniLM and a random head, made in `build/`.

Each system lives in a process of its own; the processes take turns on the same texts, so that a machine that slows down
slows both. Reported are medians over the turns: seconds for 1 query x 100 documents, the ratio of each turn's two
times, and for finerank the FLOP of the matrix products it has to do (BertConfig.product_flop) over wall time as a share
of the rate that this machine's matrix products reach on the layers' shapes, measured at every turn.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch

from benchmarks.side_by_side import conditions, running

NUM_DOCUMENTS: Final = 100
NUM_WORDS: Final = 150
_SYSTEMS: Final = ("finerank", "sentence-transformers")

Score = Callable[[str, list[str]], tuple[list[float], int]]
"""(query, documents) -> (logits in input order, tokens computed)."""


def make_model(folder: Path) -> Path:
    if not (folder / "config.json").is_file():
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        from finerank.models.embedded import embedded_path

        torch.manual_seed(0)
        AutoModelForSequenceClassification.from_pretrained(embedded_path(), num_labels=1).save_pretrained(folder)
        AutoTokenizer.from_pretrained(embedded_path()).save_pretrained(folder)
    return folder


def texts(data: Path, turn: int) -> tuple[str, list[str]]:
    """No two turns share a document."""
    with (data / "cranfield" / "corpus.jsonl").open(encoding="utf-8") as lines:
        words = [word for line in lines for word in json.loads(line)["text"].split()]
    size = NUM_DOCUMENTS * NUM_WORDS
    start = turn * size % (len(words) - size)
    part = words[start : start + size]
    documents = [" ".join(part[at : at + NUM_WORDS]) for at in range(0, size, NUM_WORDS)]
    return "what similarity laws must be obeyed when constructing aeroelastic models", documents


def finerank_scorer(folder: str, dtype: str) -> Score:
    from finerank import Reranker

    reranker = Reranker(folder, dtype=dtype, device="cpu", self_test="off")

    def score(query: str, documents: list[str]) -> tuple[list[float], int]:
        ranking = reranker.rank(query, documents)
        found = [each.log_odds for each in sorted(ranking, key=lambda each: each.index)]
        return found, ranking.facts.usage.computed_tokens

    return score


def sentence_transformers_scorer(folder: str, dtype: str) -> Score:
    from sentence_transformers import CrossEncoder

    model = CrossEncoder(folder, device="cpu", local_files_only=True, model_kwargs={"dtype": getattr(torch, dtype)})

    def score(query: str, documents: list[str]) -> tuple[list[float], int]:
        pairs = [(query, document) for document in documents]
        found = model.predict(pairs, activation_fn=torch.nn.Identity(), show_progress_bar=False)
        return [float(value) for value in found], 0

    return score


def serve(name: str, folder: str, dtype: str, threads: str) -> None:
    """A system's process: a line of texts in, a line of scores and seconds out."""
    torch.set_num_threads(int(threads))
    score = {"finerank": finerank_scorer, "sentence-transformers": sentence_transformers_scorer}[name](folder, dtype)
    score("warm", ["up"] * 8)
    print(json.dumps({}), flush=True)
    for line in sys.stdin:
        query, documents = json.loads(line)
        start = time.perf_counter()
        scores, tokens = score(query, documents)
        print(json.dumps({"seconds": time.perf_counter() - start, "scores": scores, "tokens": tokens}), flush=True)


def measure(data: Path, folder: Path, dtype: str, threads: int, turns: int) -> dict[str, Any]:
    from finerank.hardware import matmul_rate
    from finerank.models.bert.config import BertConfig
    from finerank.models.tensors import read_json

    config = BertConfig.from_dict(read_json(folder / "config.json"))
    times: dict[str, list[float]] = {name: [] for name in _SYSTEMS}
    shares, rates, differences = [], [], []
    of_each = {name: ["--serve", name, str(folder), dtype, str(threads)] for name in _SYSTEMS}
    with running(of_each, "benchmarks.cross_encoder", threads) as systems:
        for turn in range(turns):
            request = texts(data, turn)
            replies = {system.name: system.ask(request) for system in systems}
            for name, reply in replies.items():
                times[name].append(reply["seconds"])
            ours, theirs = (replies[name] for name in _SYSTEMS)
            rates.append(matmul_rate(torch.device("cpu"), getattr(torch, dtype), config.product_shapes))
            shares.append(config.product_flop(ours["tokens"], NUM_DOCUMENTS) / ours["seconds"] / rates[-1])
            differences.append(max(abs(a - b) for a, b in zip(ours["scores"], theirs["scores"], strict=True)))
    return {
        "dtype": dtype,
        "tokens": ours["tokens"],
        "seconds": times,
        "ratio": statistics.median(b / a for a, b in zip(*times.values(), strict=True)),
        "gflop_per_s_of_products": statistics.median(rates) / 1e9,
        "share_of_matmul_rate": statistics.median(shares),
        "largest_difference": max(differences),
    }


def main() -> None:
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--folder", type=Path, default=Path("build/minilm-cross-encoder"), help="where it is made")
    parser.add_argument("--dtype", nargs="*", default=["float32", "bfloat16"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--out", type=Path, default=None, help="raw figures as JSON")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    facts, folder = conditions(asked.threads), make_model(asked.folder)
    results = [measure(asked.data, folder, dtype, asked.threads, asked.turns) for dtype in asked.dtype]
    for row in results:
        seconds = {name: f"{statistics.median(times):.3f} s" for name, times in row["seconds"].items()}
        print(
            f"{row['dtype']}: {seconds}, ratio {row['ratio']:.2f}, {row['share_of_matmul_rate']:.0%} of "
            f"{row['gflop_per_s_of_products']:.0f} GFLOP/s, {row['tokens']:,} tokens, largest difference "
            f"{row['largest_difference']:.1e}"
        )
    if asked.out is not None:
        asked.out.write_text(json.dumps({"conditions": facts, "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
