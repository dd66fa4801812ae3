"""Speed of embedding on a CPU: finerank and sentence-transformers' `encode` as it is by default, side by side.

    python -m benchmarks.embedding --data FOLDER [--threads 2] [--turns 3] [--only minilm qwen3] [--out FILE]

data: folder of the real data; its `cranfield/corpus.jsonl` is embedded with the model that comes with finerank, and its
`qwen3` folder has the tokenizer for a Qwen3-Embedding of the real 0.6B shape with random weights, made in `build/`.

Each system lives in a process of its own; the processes take turns on the same texts, so that a machine that slows down
slows both. Reported are medians over the turns of texts/s, the ratio of each turn's two times, the least cosine between
the two systems' vectors of one text, and the largest resident memory of each process.
"""

import argparse
import base64
import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.checkpoint import make_checkpoint
from benchmarks.side_by_side import conditions, running
from benchmarks.systems import peak_bytes

OURS: Final = "finerank"
THEIRS: Final = "sentence-transformers"
EMBEDDED: Final = "embedded"
PROMPT: Final = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
WORDS: Final = (
    "pressure sensor valve alarm hydraulic pump filter line signal fault check replace the a of in to is and for with "
    "when after before manual page table value range limit error code restart cable plug controller temperature oil"
).split()

Encode = Callable[[list[str]], Any]


@dataclass(frozen=True, slots=True)
class Workload:
    """folder: "embedded" for the model that comes with finerank.   texts: of every turn."""

    name: str
    folder: str
    dtype: str
    texts: Sequence[str]


def work(name: str, folder: str, dtype: str, threads: int) -> None:
    """In a process of its own: reads one JSON list of texts a line, writes one reply a line."""
    import torch

    torch.set_num_threads(threads)
    encode = (_finerank if name == OURS else _sentence_transformers)(folder, dtype)
    encode(["warm up"])
    print(json.dumps({}), flush=True)
    for line in sys.stdin:
        texts = json.loads(line)
        started = time.perf_counter()
        vectors = np.asarray(encode(texts), dtype=np.float32)
        seconds = time.perf_counter() - started
        encoded = base64.b64encode(vectors.tobytes()).decode()
        print(json.dumps({"seconds": seconds, "peak_bytes": peak_bytes(), "vectors": encoded}), flush=True)


def _finerank(folder: str, dtype: str) -> Encode:
    from finerank import Embedder

    return Embedder(None if folder == EMBEDDED else folder, device="cpu", dtype=dtype).embed_documents


def _sentence_transformers(folder: str, dtype: str) -> Encode:
    import torch
    from sentence_transformers import SentenceTransformer

    from finerank.models.embedded import embedded_path

    path = str(embedded_path()) if folder == EMBEDDED else folder
    kinds = {"dtype": getattr(torch, dtype)}
    encoder = SentenceTransformer(path, device="cpu", local_files_only=True, model_kwargs=kinds)
    return lambda texts: encoder.encode_document(texts, show_progress_bar=False, convert_to_tensor=True).float()


def make_embedder(folder: Path, tokenizer: Path) -> Path:
    """A Qwen3-Embedding-0.6B with random weights, in the files that the official one has; the weights are linked."""
    base = make_checkpoint(folder.parent / "random-0.6b", tokenizer)
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / "model.safetensors"
    if not link.is_symlink():
        link.symlink_to((base / "model.safetensors").resolve())
    (folder / "config.json").write_bytes((base / "config.json").read_bytes())
    (folder / "1_Pooling").mkdir(exist_ok=True)
    kinds = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    modules = [
        {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for index, (path, kind) in enumerate(kinds)
    ]
    pooling = {"word_embedding_dimension": 1024, "pooling_mode_cls_token": False, "pooling_mode_lasttoken": True}
    _write(folder / "modules.json", modules)
    _write(folder / "1_Pooling" / "config.json", {**pooling, "include_prompt": True})
    _write(folder / "config_sentence_transformers.json", {"prompts": {"query": PROMPT, "document": ""}})
    _save_tokenizer(base, folder)
    return folder


def _save_tokenizer(base: Path, folder: Path) -> None:
    """The official one ends every text with `<|endoftext|>`."""
    from tokenizers import Tokenizer
    from tokenizers.processors import TemplateProcessing

    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    end = "<|endoftext|>"
    tokenizer.post_processor = TemplateProcessing(
        single=f"$A {end}", pair=f"$A {end} $B {end}", special_tokens=[(end, tokenizer.token_to_id(end))]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": end, "eos_token": "<|im_end|>"}
    _write(folder / "tokenizer_config.json", {**names, "model_max_length": 131_072})


def _write(file: Path, content: Any) -> None:
    file.write_text(json.dumps(content), encoding="utf-8")


def workloads(data: Path, only: Sequence[str]) -> list[Workload]:
    found = []
    if "minilm" in only:
        lines = (data / "cranfield" / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
        documents = [f"{each['title']} {each['text']}".strip() for each in map(json.loads, lines)]
        name = f"{len(documents):,} cranfield documents, all-MiniLM-L6-v2"
        found.append(Workload(name, EMBEDDED, "float32", documents))
    if "qwen3" in only:
        chosen = random.Random(0)
        texts = [" ".join(chosen.choices(WORDS, k=chosen.randint(40, 160))) for _ in range(32)]
        folder = make_embedder(Path("build/random-embedding-0.6b"), data / "qwen3")
        for dtype in ("bfloat16", "float32"):
            found.append(Workload(f"32 documents of 40 to 160 words, 0.6B, {dtype}", str(folder), dtype, texts))
    return found


def measure(workload: Workload, turns: int, threads: int) -> dict[str, Any]:
    replies: dict[str, list[dict[str, Any]]] = {OURS: [], THEIRS: []}
    arguments = {name: ["--worker", name, workload.folder, workload.dtype, str(threads)] for name in replies}
    with running(arguments, "benchmarks.embedding", threads) as systems:
        for turn in range(turns):
            # Whoever comes second in one turn comes first in the next.
            for system in systems if turn % 2 == 0 else systems[::-1]:
                replies[system.name].append(system.ask(list(workload.texts)))
                print(f"  turn {turn + 1} {system.name}: {replies[system.name][-1]['seconds']:.2f} s", flush=True)
    seconds = {name: [reply["seconds"] for reply in found] for name, found in replies.items()}
    ratios = [theirs / ours for ours, theirs in zip(seconds[OURS], seconds[THEIRS], strict=True)]
    ours, theirs = (_vectors(replies[name][0], len(workload.texts)) for name in (OURS, THEIRS))
    return {
        "workload": workload.name,
        "seconds": seconds,
        "texts_per_s": {name: len(workload.texts) / statistics.median(times) for name, times in seconds.items()},
        "ratio": statistics.median(ratios),
        "least_cosine": float((ours * theirs).sum(1).min()),
        "largest_difference": float(np.abs(ours - theirs).max()),
        "peak_bytes": {name: found[-1]["peak_bytes"] for name, found in replies.items()},
    }


def _vectors(reply: dict[str, Any], count: int) -> Any:
    rows = np.frombuffer(base64.b64decode(reply["vectors"]), dtype=np.float32).reshape(count, -1)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def print_row(result: dict[str, Any]) -> None:
    speeds, peaks = result["texts_per_s"], result["peak_bytes"]
    print(f"\n{result['workload']}")
    for name in (OURS, THEIRS):
        print(f"  {name:24} {speeds[name]:8.1f} texts/s  peak {peaks[name] / 1e9:.2f} GB")
    print(
        f"  {result['ratio']:.2f} x as fast; vectors differ by {result['largest_difference']:.1e} at most, "
        f"least cosine {result['least_cosine']:.6f}"
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with cranfield/ and qwen3/")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=["minilm", "qwen3"], choices=["minilm", "qwen3"])
    parser.add_argument("--out", type=Path, default=None, help="raw figures as JSON")
    parser.add_argument("--worker", nargs=4, metavar=("NAME", "FOLDER", "DTYPE", "THREADS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker is None and arguments.data is None:
        parser.error("--data is needed: the folder with cranfield/ and qwen3/")
    return arguments


def main() -> None:
    arguments = parse_arguments()
    if arguments.worker is not None:
        name, folder, dtype, threads = arguments.worker
        work(name, folder, dtype, int(threads))
        return
    facts = conditions(arguments.threads)
    results = []
    for workload in workloads(arguments.data, arguments.only):
        print(workload.name, flush=True)
        results.append(measure(workload, arguments.turns, arguments.threads))
    for result in results:
        print_row(result)
    if arguments.out is not None:
        arguments.out.write_text(json.dumps({"conditions": facts, "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
