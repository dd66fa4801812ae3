"""The state of one `rank` or `log_odds` call, from texts to the answer; `Reranker` makes and finishes them."""

import math
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .engine.job import Job
from .errors import FinerankWarning, InputError
from .models.base import EncodedPair
from .ranking import order, select
from .scores import FloatArray, probability
from .texts import Window, check_text
from .types import AnswerFacts, Document, ModelInfo, RankedDocument, Ranking, Usage


@dataclass(slots=True)
class Work:
    """What a call asks the engine for, and which document each pair belongs to.

    owners[i], windows[i]: documents and span of pairs[i].   errors: documents that never got that far.
    whole: each document's own encoding, for its token count.
    """

    pairs: list[EncodedPair] = field(default_factory=list)
    owners: list[Sequence[int]] = field(default_factory=list)
    windows: list[Window | None] = field(default_factory=list)
    errors: dict[int, str] = field(default_factory=dict)
    whole: dict[int, EncodedPair] = field(default_factory=dict)

    def add(
        self, owners: Sequence[int], whole: EncodedPair, windows: tuple[list[Window], list[EncodedPair]] | None
    ) -> None:
        """The pair of a document that stands at the indices `owners`, or the pairs of its windows."""
        self.whole |= dict.fromkeys(owners, whole)
        pairs = [whole] if windows is None else windows[1]
        self.windows += [None] if windows is None else windows[0]
        self.pairs += pairs
        self.owners += [owners] * len(pairs)

    def text_of(self, document: Any, index: int) -> str | None:
        """The text to rank, or None and an error."""
        try:
            if isinstance(document, Mapping):
                if "text" not in document:
                    raise InputError(f"a document that is a mapping needs the key 'text'; it has {list(document)[:6]}")
                return check_text(document["text"], "the document's text")
            return check_text(document, "the document")
        except InputError as error:
            self.errors[index] = str(error)
            return None

    def prompt_tokens(self) -> int:
        """Tokens of all prompts as if each document had been run alone."""
        return sum(pair.prompt_tokens * len(owners) for pair, owners in zip(self.pairs, self.owners, strict=True))

    def best(self, job: Job) -> tuple[dict[int, float], dict[int, Window | None], dict[int, str]]:
        """(log-odds, window, error) of each document. A failed window fails its document: its score is unknown."""
        log_odds: dict[int, float] = {}
        windows: dict[int, Window | None] = {}
        errors = dict(self.errors)
        for position, (owners, window) in enumerate(zip(self.owners, self.windows, strict=True)):
            value = float(job.log_odds[position])
            for owner in owners:
                if position in job.errors:
                    errors.setdefault(owner, job.errors[position])
                elif owner not in log_odds or value > log_odds[owner]:
                    log_odds[owner], windows[owner] = value, window
        return {owner: value for owner, value in log_odds.items() if owner not in errors}, windows, errors


@dataclass(slots=True)
class RankCall:
    """A `rank` under way."""

    info: ModelInfo
    documents: Sequence[Document]
    texts: Sequence[str | None]
    instruction: str | None
    work: Work
    job: Job
    started: float
    top_n: int | None
    min_score: float | None

    def ranking(self, job: Job) -> Ranking:
        log_odds, windows, errors = self.work.best(job)
        values = np.array([log_odds.get(index, math.nan) for index in range(len(self.documents))], dtype=np.float32)
        scores = probability(values)
        ranked = [
            self._ranked(index, float(values[index]), float(scores[index]), windows.get(index), errors.get(index))
            for index in range(len(self.documents))
        ]
        kept = select(order(ranked), top_n=self.top_n, min_score=self.min_score)
        return Ranking(kept, self._facts(job))

    def _ranked(
        self, index: int, log_odds: float, score: float, window: Window | None, error: str | None
    ) -> RankedDocument:
        whole, text = self.work.whole.get(index), self.texts[index]
        return RankedDocument(
            index=index,
            document=self.documents[index],
            score=score,
            log_odds=log_odds,
            num_tokens=whole.num_tokens if whole else 0,
            is_truncated=bool(whole and whole.is_truncated and window is None),
            is_blank=text is not None and not text.strip(),
            window=window,
            error=error,
        )

    def _facts(self, job: Job) -> AnswerFacts:
        warned: tuple[str, ...] = ()
        effective = self.info.default_instruction
        if effective is not None and self.instruction is not None:
            effective = self.instruction
        elif self.instruction is not None:
            warned = (f"{self.info.name} takes no instruction; the one given was ignored",)
        usage = Usage(self.work.prompt_tokens(), round(job.computed_tokens))
        return AnswerFacts(self.info, effective, usage, time.perf_counter() - self.started, warned)


@dataclass(slots=True)
class PairsCall:
    """A `log_odds` under way."""

    num_pairs: int
    work: Work
    job: Job

    def log_odds(self, job: Job) -> FloatArray:
        values, _, errors = self.work.best(job)
        for index, reason in sorted(errors.items()):
            warnings.warn(f"pair {index} has no score: {reason}", FinerankWarning, stacklevel=3)
        return np.array([values.get(index, math.nan) for index in range(self.num_pairs)], dtype=np.float32)
