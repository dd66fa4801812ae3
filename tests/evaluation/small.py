"""A small collection written for these tests, as files and as a dataset; and a model that counts shared words."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from finerank.evaluation.types import CorpusDocument, Dataset, Qrels
from finerank.models.base import BatchResult, EncodedPair, PairModel
from finerank.texts import Window
from finerank.types import ModelInfo

DOCUMENTS = {
    "d1": ("Hydraulics", "Alarm E07 means that the signal of the hydraulic pressure sensor is missing."),
    "d2": ("Cooling", "Alarm E11 means that the cooling water is too warm. Clean the filter."),
    "d3": ("", "The pressure of the tyres is checked every Monday."),
    "d4": ("Menu", "Soup of the day is tomato. The cook has the recipe."),
    "d5": ("", "Sensors of pressure and of temperature are calibrated once a year."),
    "d6": ("Garden", "Tomatoes need water, warmth and patience."),
}
QUERIES = {
    "q1": "What does alarm E07 mean?",
    "q2": "How often are pressure sensors calibrated?",
    "q3": "recipe for tomato soup",
}
QRELS: Qrels = {"q1": {"d1": 2, "d2": 0}, "q2": {"d5": 1, "d3": 1}, "q3": {"d4": 1, "d6": 1}}


def dataset() -> Dataset:
    corpus = {id_: CorpusDocument(text, title) for id_, (title, text) in DOCUMENTS.items()}
    return Dataset("small", "dev", dict(QUERIES), corpus, {query: dict(grades) for query, grades in QRELS.items()})


def write_jsonl(file: Path, rows: Sequence[Mapping[str, object]], *, start: bytes = b"") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    file.write_bytes(start + lines.encode())


def write_beir(folder: Path, split: str = "dev", *, start: bytes = b"") -> Path:
    """start: bytes before every file, such as a byte-order mark."""
    documents = [{"_id": id_, "title": title, "text": text} for id_, (title, text) in DOCUMENTS.items()]
    write_jsonl(folder / "corpus.jsonl", documents, start=start)
    write_jsonl(folder / "queries.jsonl", [{"_id": id_, "text": text} for id_, text in QUERIES.items()], start=start)
    rows = ["query-id\tcorpus-id\tscore"]
    rows += [f"{query}\t{document}\t{grade}" for query, grades in QRELS.items() for document, grade in grades.items()]
    (folder / "qrels").mkdir(exist_ok=True)
    (folder / "qrels" / f"{split}.tsv").write_bytes(start + "\n".join(rows).encode() + b"\n")
    return folder


class OverlapModel(PairModel):
    """Log-odds: words that query, instruction and document share. A document with `broken` cannot be computed."""

    def __init__(self, fingerprint: str = "0123456789abcdef") -> None:
        self.info = ModelInfo("fake/overlap", "yes_no", fingerprint, "float32", "cpu", 64, None, "the default")
        self.computed: list[tuple[str, str]] = []

    def encode(self, query: str, documents: Sequence[str], instruction: str | None) -> list[EncodedPair]:
        words = set(f"{query} {instruction or ''}".lower().split())
        return [self._encode(query, words, document) for document in documents]

    def windows(
        self, query: str, document: str, instruction: str | None, max_tokens: int | None, overlap: float
    ) -> list[Window]:
        return [(0, len(document))]

    def compute(self, pairs: Sequence[EncodedPair]) -> BatchResult:
        self.computed += [pair.payload[:2] for pair in pairs]
        if any("broken" in pair.payload[1] for pair in pairs):
            raise RuntimeError("this one cannot be computed")
        log_odds = np.array([pair.payload[2] for pair in pairs], dtype=np.float32)
        return BatchResult(log_odds, sum(pair.own_tokens for pair in pairs))

    def _encode(self, query: str, words: set[str], document: str) -> EncodedPair:
        tokens = document.lower().split()
        return EncodedPair((query, document, float(len(words & set(tokens)))), len(tokens), len(tokens), False)
