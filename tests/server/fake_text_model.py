"""A model of texts without weights: a vector counts letters, a query's points the other way round."""

import threading
from collections.abc import Sequence

import numpy as np

from finerank.models.base import BatchResult, EncodedPair
from finerank.models.text_model import EmbedderInfo, TextModel
from finerank.models.text_prompts import QWEN3_QUERY, TextKind, TextPrompts
from finerank.texts import Window

DIMENSIONS = 8


class FakeTextModel(TextModel):
    """A text of more than 1,000 words is truncated; the words `explode` and `nan` do what they say.

    gate: nothing is computed while it is closed.   prompts_seen: before each text that was encoded.
    """

    def __init__(self, name: str = "fake/letters") -> None:
        self.prompts = TextPrompts(QWEN3_QUERY, "passage: ")
        default = self.prompts.default_instruction
        self.info = EmbedderInfo(
            name, "fedcba9876543210", "float32", "cpu", 1000, DIMENSIONS, default, pooling="lasttoken"
        )
        self.gate = threading.Event()
        self.gate.set()
        self.prompts_seen: list[str] = []

    def encode(self, texts: Sequence[str], kind: TextKind, instruction: str | None) -> list[EncodedPair]:
        prompt = self.prompts.before(kind, instruction)
        self.prompts_seen += [prompt] * len(texts)
        counts = self.count_tokens(texts)
        return [
            EncodedPair((prompt, text), max(1, min(count, 1000)), count, count > 1000)
            for text, count in zip(texts, counts, strict=True)
        ]

    def compute(self, pairs: Sequence[EncodedPair]) -> BatchResult:
        self.gate.wait(10)
        return BatchResult(np.stack([_vector(*pair.payload) for pair in pairs]), sum(each.own_tokens for each in pairs))

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    def token_offsets(self, text: str) -> list[Window]:
        return [(0, len(text))]


def _vector(prompt: str, text: str) -> np.ndarray:
    if "explode" in text:
        raise RuntimeError("exploded")
    counts = np.ones(DIMENSIONS, dtype=np.float32)
    for char in text:
        counts[ord(char) % DIMENSIONS] += 1
    if "nan" in text.split():
        counts[0] = np.nan
    return -counts if prompt.startswith("Instruct") else counts
