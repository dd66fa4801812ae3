"""`Embeddings`, the answer to a call, and the state of one call until then; `Embedder` makes and finishes them."""

import math
import time
from dataclasses import dataclass, field

import numpy as np

from .engine.job import Job
from .models.text_model import EmbedderInfo, of_length_1
from .scores import FloatArray
from .types import AnswerFacts, Usage


@dataclass(slots=True)
class Embeddings:
    """Vectors of texts, and what is true of the whole answer.

    vectors: (N, D) fp32 in input order; a row of NaN for a text that has none.   errors: index -> why it has none.
    num_tokens: of each text, without prompt and special tokens, before truncation; 0 if it has an error.
    truncated, blank: indices of texts of which only the beginning was read, and of those with nothing to read.
    """

    vectors: FloatArray
    facts: AnswerFacts
    errors: dict[int, str] = field(default_factory=dict)
    num_tokens: list[int] = field(default_factory=list)
    truncated: tuple[int, ...] = ()
    blank: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.vectors)


@dataclass(slots=True)
class EmbeddingCall:
    """A call under way.

    places: of the job's items in the caller's list.   told: (the instruction that the model sees, warnings).
    dimensions, normalize: of the vectors that are asked for.   encode_s: seconds from its start until it was in tokens.
    """

    info: EmbedderInfo
    num_texts: int
    places: list[int]
    job: Job
    errors: dict[int, str]
    blank: tuple[int, ...]
    told: tuple[str | None, tuple[str, ...]]
    dimensions: int
    normalize: bool
    started: float
    encode_s: float

    def embeddings(self, job: Job) -> Embeddings:
        vectors = np.full((self.num_texts, self.dimensions), math.nan, dtype=np.float32)
        errors = self.errors | {self.places[position]: reason for position, reason in job.errors.items()}
        num_tokens = [0] * self.num_texts
        good: list[int] = []
        for position, (index, item) in enumerate(zip(self.places, job.pairs, strict=True)):
            if index not in errors:
                vectors[index] = job.values[position][: self.dimensions]
                num_tokens[index] = item.num_tokens
                good.append(position)
        if self.normalize:
            vectors = of_length_1(vectors)
        read = [job.pairs[position] for position in good]
        truncated = tuple(self.places[position] for position, item in zip(good, read, strict=True) if item.is_truncated)
        instruction, warned = self.told
        facts = AnswerFacts(
            model=self.info.as_model_info(),
            instruction=instruction,
            usage=Usage(sum([item.prompt_tokens for item in read]), round(job.computed_tokens)),
            seconds=time.perf_counter() - self.started,
            encode_seconds=self.encode_s,
            queue_seconds=job.wait_s,
            num_truncated=len(truncated),
            num_blank=len(self.blank),
            num_failed=len(errors),
            warnings=warned,
        )
        return Embeddings(vectors, facts, dict(sorted(errors.items())), num_tokens, truncated, self.blank)
