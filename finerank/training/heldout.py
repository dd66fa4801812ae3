"""What a run is measured on: queries that are not trained on, each with candidates to put in order."""

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..evaluation.cache import EvaluationCache
from ..evaluation.datasets import fingerprint_of, load_dataset, sample_queries
from ..evaluation.first_stage import Retriever
from ..evaluation.trec import write_run
from ..evaluation.types import CorpusDocument, Dataset, Run
from .examples import Example

FOLDER: Final = "heldout"
CANDIDATES: Final = "candidates.trec"
_GRADES: Final = 100
"""nDCG does not change when all grades are multiplied; they have to be whole numbers."""


@dataclass(slots=True)
class HeldOut:
    """candidates: what is put in order, nothing is added to it.   file: where they stand, as a TREC run."""

    dataset: Dataset
    candidates: Run
    file: Path

    @property
    def first_stage(self) -> str:
        """As `finerank eval` takes it."""
        return f"run:{self.file}"


def from_beir(path: Path, split: str | None, folder: Path, *, num_queries: int, depth: int, seed: int = 0) -> HeldOut:
    """A BEIR folder's queries, at most so many, with the best `depth` that BM25 finds for each."""
    dataset = sample_queries(load_dataset(path, split=split), num_queries, seed)
    with EvaluationCache(None) as cache:
        found = Retriever(dataset, cache, depth, _no_embedder).retrieve("bm25").run
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "bm25.trec"
    write_run(found, file, "bm25")
    return HeldOut(dataset, found, file)


def from_examples(
    examples: Sequence[Example], documents: Sequence[str], folder: Path, *, num_candidates: int = 30, seed: int = 0
) -> HeldOut:
    """Each query with its own documents and others drawn from `documents`, up to `num_candidates`, in a random order.

    Written to `folder` as a BEIR folder with a run, so that `finerank eval` measures the same again.
    """
    chance = random.Random(f"{seed} held out")
    ids: dict[str, str] = {}
    queries: dict[str, str] = {}
    qrels: dict[str, dict[str, int]] = {}
    run: Run = {}
    instructions: dict[str, str] = {}
    for number, example in enumerate(examples):
        query_id = f"q{number}"
        known = dict.fromkeys(each.text for each in example.candidates)
        texts = list(known)
        others = [documents[chance.randrange(len(documents))] for _ in range(3 * num_candidates)] if documents else []
        texts += list(dict.fromkeys(text for text in others if text not in known))[
            : max(0, num_candidates - len(texts))
        ]
        chance.shuffle(texts)
        names = [ids.setdefault(text, f"d{len(ids)}") for text in texts]
        queries[query_id] = example.query
        qrels[query_id] = {ids[each.text]: max(1, round(each.label * _GRADES)) for each in example.positives}
        run[query_id] = {name: float(len(names) - place) for place, name in enumerate(names)}
        if example.instruction is not None:
            instructions[query_id] = example.instruction
    corpus = {name: CorpusDocument(text) for text, name in ids.items()}
    dataset = Dataset("held-out queries", "dev", queries, corpus, qrels, instructions=instructions)
    dataset.fingerprint = fingerprint_of(dataset)
    file = folder / CANDIDATES
    _write(dataset, run, folder, file)
    return HeldOut(dataset, run, file)


def _write(dataset: Dataset, run: Run, folder: Path, file: Path) -> None:
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    _write_lines(folder / "corpus.jsonl", ({"_id": name, "text": each.text} for name, each in dataset.corpus.items()))
    _write_lines(folder / "queries.jsonl", ({"_id": name, "text": text} for name, text in dataset.queries.items()))
    rows = [f"{query}\t{document}\t{grade}" for query, of in dataset.qrels.items() for document, grade in of.items()]
    (folder / "qrels" / "dev.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *rows, ""]), encoding="utf-8")
    write_run(run, file, "candidates")


def _no_embedder() -> Any:
    raise AssertionError("BM25 needs no vectors")


def _write_lines(file: Path, rows: Iterable[dict[str, str]]) -> None:
    with file.open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
