"""Speed on a CPU at the 0.6B shape: finerank, sentence-transformers and the reference script, side by side.

    python -m benchmarks.qwen3_cpu --tokenizer FOLDER [--dtype bfloat16] [--threads 2] [--turns 5] [--out FILE]

Each system lives in a process of its own; the processes take turns on fresh texts, so that a machine that slows
down slows all of them. Reported are medians over the turns of

    tokens/s         prompt tokens that a naive server would process, over wall time
    ratio            of those tokens/s to sentence-transformers'
    of the machine   for finerank: FLOP of the matrix products it has to do (shared prefix once, last layer on last
                     tokens; attention not counted) over wall time, as a share of the rate that this machine's matrix
                     products reach on the model's own layer shapes, measured in the same run
    peak             largest resident memory of the process, weights included
"""

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from benchmarks.checkpoint import CONFIG, make_checkpoint
from benchmarks.side_by_side import System, conditions, running
from benchmarks.systems import SYSTEMS
from benchmarks.workloads import WORKLOADS, Workload
from finerank.hardware import matmul_rate
from finerank.models.qwen3.config import Qwen3Config
from finerank.prompt import PromptEncoder

_TURNS_OF = {"reference script": 1}  # it takes minutes; one turn is enough to place it
_NOT_ON_32K = ("sentence-transformers", "reference script")


def count_tokens(encoder: PromptEncoder, workload: Workload, turn: int) -> tuple[int, int]:
    """(tokens of all prompts, tokens computed with a shared prefix)."""
    query, documents = workload.texts(turn)
    prefix = encoder.prefix(query)
    tails = sum(len(tail.ids) for tail in encoder.tails(documents, prefix))
    return tails + prefix.num_tokens * len(documents), tails + prefix.num_tokens


def measure(
    workload: Workload, systems: list[System], turns: int, encoder: PromptEncoder, rate: float
) -> dict[str, Any]:
    """One workload through all systems, in turns."""
    config = Qwen3Config.from_dict(CONFIG)
    replies: dict[str, list[dict[str, Any]]] = {system.name: [] for system in systems}
    for turn in range(turns):
        for system in systems:
            if turn < _TURNS_OF.get(system.name, turns):
                replies[system.name].append(system.ask(_request(workload, turn)))
                print(f"  turn {turn + 1} {system.name}: {replies[system.name][-1]['seconds']:.2f} s", flush=True)
    counts = [count_tokens(encoder, workload, turn) for turn in range(turns)]
    rows = {name: _row(name, workload, turn_replies, counts, config, rate) for name, turn_replies in replies.items()}
    theirs = rows.get("sentence-transformers", {}).get("tokens_per_s")
    for name, row in rows.items():
        row["ratio_to_sentence_transformers"] = row["tokens_per_s"] / theirs if theirs else None
        row["largest_score_difference_to_finerank"] = _difference(replies["finerank"], replies[name])
    return {"workload": workload.name, "prompt_tokens": counts[0][0], "computed_tokens": counts[0][1], "systems": rows}


def _request(workload: Workload, turn: int) -> dict[str, Any]:
    query, documents = workload.texts(turn)
    return {"query": query, "documents": documents, "max_length": workload.max_length}


def _row(
    name: str,
    workload: Workload,
    replies: list[dict[str, Any]],
    counts: list[tuple[int, int]],
    config: Qwen3Config,
    rate: float,
) -> dict[str, Any]:
    seconds = [reply["seconds"] for reply in replies]
    speeds = [counts[turn][0] / value for turn, value in enumerate(seconds)]
    row: dict[str, Any] = {
        "seconds": seconds,
        "tokens_per_s": statistics.median(speeds),
        "peak_bytes": replies[-1]["peak_bytes"],
    }
    if name == "finerank":
        shares = [
            config.product_flop(counts[turn][1], workload.num_documents) / value / rate
            for turn, value in enumerate(seconds)
        ]
        row["share_of_matmul_rate"] = statistics.median(shares)
    return row


def _difference(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> float:
    pairs = (zip(a["scores"], b["scores"], strict=True) for a, b in zip(ours, theirs, strict=False))
    return float(max(abs(a - b) for pair in pairs for a, b in pair))


def print_table(result: dict[str, Any]) -> None:
    tokens = f"{result['prompt_tokens']} prompt tokens, {result['computed_tokens']} with a shared prefix"
    print(f"\n{result['workload']}: {tokens}")
    for name, row in result["systems"].items():
        ratio = row["ratio_to_sentence_transformers"]
        share = row.get("share_of_matmul_rate")
        print(
            f"  {name:24} {row['tokens_per_s']:8.0f} tokens/s"
            f"  {f'{ratio:.2f} x' if ratio else '':8}"
            f"  {f'{share:.0%} of the machine' if share else '':20}"
            f"  peak {row['peak_bytes'] / 1e9:.2f} GB"
            f"  score difference {row['largest_score_difference_to_finerank']:.1e}"
        )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", type=Path, required=True, help="folder of a Qwen3 tokenizer.json")
    parser.add_argument("--folder", type=Path, default=Path("build/random-0.6b"), help="where the checkpoint is made")
    parser.add_argument("--dtype", default="bfloat16", choices=["bfloat16", "float32"])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--workloads", nargs="*", type=int, default=[1, 2, 3, 4], help="numbers, from 1")
    parser.add_argument("--without", nargs="*", default=[], help="systems to leave out")
    parser.add_argument("--out", type=Path, default=None, help="raw figures as JSON")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    folder = make_checkpoint(arguments.folder, arguments.tokenizer)
    encoder_of = {
        limit: PromptEncoder(Tokenizer.from_file(str(folder / "tokenizer.json")), max_length=limit)
        for limit in (8192, 32_768)
    }
    shapes, dtype = Qwen3Config.from_dict(CONFIG).product_shapes, getattr(torch, arguments.dtype)
    cpu = torch.device("cpu")
    rates = [matmul_rate(cpu, dtype, shapes)]
    results = []
    names = [name for name in SYSTEMS if name not in arguments.without]
    of_each = {name: [name, str(folder), arguments.dtype, str(arguments.threads)] for name in names}
    facts = conditions(arguments.threads) | {"dtype": arguments.dtype}
    with running(of_each, "benchmarks.systems", arguments.threads) as systems:
        for workload in [list(WORKLOADS.values())[number - 1] for number in arguments.workloads]:
            print(workload.name, flush=True)
            is_32k = workload.max_length > 8192
            able = [system for system in systems if not (is_32k and system.name in _NOT_ON_32K)]
            turns = 1 if is_32k else arguments.turns
            results.append(measure(workload, able, turns, encoder_of[workload.max_length], rates[0]))
            rates.append(matmul_rate(cpu, dtype, shapes))
        facts["matmul_gflop_per_s"] = [rate / 1e9 for rate in rates]
        facts["weights_bytes"] = (folder / "model.safetensors").stat().st_size * (
            2 if arguments.dtype == "float32" else 1
        )
        facts["loaded_bytes"] = {system.name: system.ready["peak_bytes"] for system in systems}
    for result in results:
        print_table(result)
    print(
        "\nmatrix products of the model's shapes, before and after each workload:",
        [f"{rate / 1e9:.0f} GFLOP/s" for rate in rates],
    )
    if arguments.out is not None:
        arguments.out.write_text(json.dumps({"conditions": facts, "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
