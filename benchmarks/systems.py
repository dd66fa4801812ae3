"""The systems that are measured, each in a process of its own that loads once and then scores on demand.

Run as `python -m benchmarks.systems NAME FOLDER DTYPE THREADS`; reads one JSON request a line, writes one reply a
line: {"seconds", "scores", "peak_bytes"}.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from finerank.prompt import README_FORM

Score = Callable[[str, list[str], int], list[float]]
"""(query, documents, max_length) -> probabilities in input order."""


def finerank_scorer(folder: Path, dtype: str) -> Score:
    from finerank import Reranker

    reranker = Reranker(str(folder), dtype=dtype, max_length=32_768, self_test="off")

    def score(query: str, documents: list[str], max_length: int) -> list[float]:
        ranking = reranker.rank(query, documents)
        return [each.score for each in sorted(ranking, key=lambda each: each.index)]

    score("warm", ["up"], 8192)
    return score


def sentence_transformers_scorer(folder: Path, dtype: str) -> Score:
    """CrossEncoder at batch size 8, its fastest here, in its own sorted order."""
    from sentence_transformers import CrossEncoder

    model = CrossEncoder(
        str(folder), device="cpu", local_files_only=True, model_kwargs={"dtype": getattr(torch, dtype)}
    )

    def score(query: str, documents: list[str], max_length: int) -> list[float]:
        model.max_seq_length = max_length
        pairs = [(query, document) for document in documents]
        scores = model.predict(pairs, batch_size=8, activation_fn=torch.nn.Sigmoid())
        return [float(value) for value in scores]

    score("warm", ["up"], 8192)
    return score


def reference_scorer(folder: Path, dtype: str) -> Score:
    """The model card's script: left-padded batches of 8 through Qwen3ForCausalLM, full-vocabulary logits."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype)).eval()
    yes, no = (tokenizer.convert_tokens_to_ids(word) for word in (README_FORM.yes, README_FORM.no))
    prefix, suffix = (
        tokenizer.encode(text, add_special_tokens=False) for text in (README_FORM.system, README_FORM.suffix)
    )

    @torch.no_grad()
    def score(query: str, documents: list[str], max_length: int) -> list[float]:
        head = README_FORM.instruction.format(README_FORM.default_instruction) + README_FORM.query.format(query)
        scores: list[float] = []
        for start in range(0, len(documents), 8):
            bodies = [head + README_FORM.document.format(text) for text in documents[start : start + 8]]
            inputs = tokenizer(
                bodies, padding=False, truncation="longest_first", return_attention_mask=False,
                max_length=max_length - len(prefix) - len(suffix),
            )  # fmt: skip
            inputs["input_ids"] = [prefix + ids + suffix for ids in inputs["input_ids"]]
            padded = tokenizer.pad(inputs, padding=True, return_tensors="pt")
            logits = model(**padded).logits[:, -1, :]
            answers = torch.stack([logits[:, no], logits[:, yes]], dim=1)
            scores += torch.nn.functional.log_softmax(answers, dim=1)[:, 1].exp().float().tolist()
        return scores

    score("warm", ["up"], 8192)
    return score


SYSTEMS = {
    "finerank": finerank_scorer,
    "sentence-transformers": sentence_transformers_scorer,
    "reference script": reference_scorer,
}


def _reply(score: Score, request: dict[str, Any]) -> dict[str, Any]:
    start = time.perf_counter()
    scores = score(request["query"], request["documents"], request["max_length"])
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "scores": scores, "peak_bytes": peak_bytes()}


def peak_bytes() -> int:
    """Largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    name, folder, dtype, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    score = SYSTEMS[name](Path(folder), dtype)
    print(json.dumps({"peak_bytes": peak_bytes()}), flush=True)
    for line in sys.stdin:
        print(json.dumps(_reply(score, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
