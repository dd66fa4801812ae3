"""The state of one call, from texts to the answer; `Reranker` makes and finishes them."""

import math
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from .engine.job import Job
from .engine.result_cache import CachedScore, ResultCache
from .errors import FinerankWarning, InputError, TooLongError
from .models.base import EncodedPair
from .ranking import CALIBRATED, MinScore, order, select
from .scores import FloatArray, sigmoid
from .texts import Window, text_of
from .types import AnswerFacts, Document, ModelInfo, RankedDocument, Ranking, Usage

if TYPE_CHECKING:
    from .evaluation.calibration import Calibration


@dataclass(slots=True)
class Work:
    """What a call asks the engine for, and which document each pair belongs to.

    owners[i], windows[i]: documents and span of pairs[i].   errors: documents that never got that far.
    whole: each document's own encoding, for its token count.
    known: documents whose score was in the result cache.   keys: of the first of each equal documents that was not.
    """

    pairs: list[EncodedPair] = field(default_factory=list)
    owners: list[Sequence[int]] = field(default_factory=list)
    windows: list[Window | None] = field(default_factory=list)
    errors: dict[int, str] = field(default_factory=dict)
    whole: dict[int, EncodedPair] = field(default_factory=dict)
    known: dict[int, CachedScore] = field(default_factory=dict)
    keys: dict[int, bytes] = field(default_factory=dict)

    def add(
        self, owners: Sequence[int], whole: EncodedPair, windows: tuple[list[Window], list[EncodedPair]] | None
    ) -> None:
        """The pair of a document that stands at the indices `owners`, or the pairs of its windows."""
        for owner in owners:
            self.whole[owner] = whole
        if windows is None:
            self.windows.append(None)
            self.pairs.append(whole)
            self.owners.append(owners)
        else:
            self.windows += windows[0]
            self.pairs += windows[1]
            self.owners += [owners] * len(windows[1])

    def text_of(self, document: Document, index: int) -> str | None:
        """The text to rank, or None and an error."""
        try:
            return text_of(document)
        except InputError as error:
            self.errors[index] = str(error)
            return None

    def refuse_truncated(self, room: str) -> None:
        """Raises TooLongError naming the first document that is not read to its end."""
        cut = [index for index, pair in self.whole.items() if pair.is_truncated]
        cut += [index for index, score in self.known.items() if score.is_truncated]
        if cut:
            index = min(cut)
            known = self.known.get(index)
            count = known.num_tokens if known else self.whole[index].num_tokens
            raise TooLongError(
                f"document {index} has {count:,} tokens, more than {room}; shorten it, or allow truncation"
            )

    def prompt_tokens(self) -> int:
        """Tokens of all prompts as if each document had been run alone."""
        total = 0
        for pair, owners in zip(self.pairs, self.owners, strict=True):
            total += (pair.own_tokens + pair.shared_tokens) * len(owners)
        for score in self.known.values():
            total += score.prompt_tokens
        return total

    def best(self, job: Job) -> tuple[dict[int, float], dict[int, Window | None], dict[int, str]]:
        """(log-odds, window, error) of each document. A failed window fails its document: its score is unknown."""
        log_odds = {owner: score.log_odds for owner, score in self.known.items()}
        windows: dict[int, Window | None] = {owner: score.window for owner, score in self.known.items()}
        errors = dict(self.errors)
        for owners, window, value in zip(self.owners, self.windows, job.log_odds, strict=True):
            for owner in owners:
                # NaN is a failure, dealt with below: it compares false.
                if owner not in log_odds or value > log_odds[owner]:
                    log_odds[owner], windows[owner] = value, window
        for position, error in job.errors.items():
            for owner in self.owners[position]:
                errors.setdefault(owner, error)
        for owner in errors:
            log_odds.pop(owner, None)
        return log_odds, windows, errors


@dataclass(slots=True)
class Call:
    """A call under way.   instruction: as given.   encode_s: seconds from its start until it was in tokens."""

    info: ModelInfo
    documents: Sequence[Document]
    texts: Sequence[str | None]
    instruction: str | None
    work: Work
    job: Job
    started: float
    encode_s: float
    cache: ResultCache | None
    calibration: "Calibration | None" = None

    def ranking(self, job: Job, *, top_n: int | None = None, min_score: MinScore | None = None) -> Ranking:
        """Best first."""
        judged = self._judged(job)
        kept = order(judged)
        if min_score == CALIBRATED:
            # By log-odds: calibrated probabilities may tie where those do not.
            threshold = self.calibration.threshold if self.calibration else None
            kept = select(kept, top_n=top_n, min_log_odds=threshold.log_odds if threshold else None)
        else:
            kept = select(kept, top_n=top_n, min_score=min_score)
        return Ranking(kept, self._facts(job, judged))

    def assessment(self, job: Job) -> Ranking:
        """In input order."""
        judged = self._judged(job)
        return Ranking(judged, self._facts(job, judged))

    def remember(self, job: Job) -> None:
        """Puts what was computed into the result cache; may take a while if that is not in memory."""
        if self.cache is None or not self.work.keys:
            return
        log_odds, windows, _ = self.work.best(job)
        tokens: dict[int, int] = {}
        for pair, owners in zip(self.work.pairs, self.work.owners, strict=True):
            tokens[owners[0]] = tokens.get(owners[0], 0) + pair.prompt_tokens
        fresh = {}
        for owner, key in self.work.keys.items():
            if owner in log_odds:
                whole, window = self.work.whole[owner], windows[owner]
                is_truncated = whole.is_truncated and window is None
                fresh[key] = CachedScore(log_odds[owner], whole.num_tokens, tokens[owner], is_truncated, window)
        self.cache.put_many(fresh)

    def _judged(self, job: Job) -> list[RankedDocument]:
        log_odds, windows, errors = self.work.best(job)
        whole, known = self.work.whole, self.work.known
        probability = sigmoid if self.calibration is None else self.calibration.probability
        judged = []
        for index, (document, text) in enumerate(zip(self.documents, self.texts, strict=True)):
            value, window = log_odds.get(index, math.nan), windows.get(index)
            read = whole[index] if index in whole else known.get(index)
            judged.append(
                RankedDocument(
                    index,
                    document,
                    probability(value),
                    value,
                    num_tokens=read.num_tokens if read else 0,
                    # A document read in windows is read to its end.
                    is_truncated=read is not None and read.is_truncated and window is None,
                    is_blank=text is not None and (not text or text.isspace()),
                    window=window,
                    error=errors.get(index),
                )
            )
        return judged

    def _facts(self, job: Job, judged: Sequence[RankedDocument]) -> AnswerFacts:
        warned: tuple[str, ...] = ()
        effective = self.info.default_instruction
        if effective is not None and self.instruction is not None:
            effective = self.instruction
        elif self.instruction is not None:
            warned = (f"{self.info.name} takes no instruction; the one given was ignored",)
        return AnswerFacts(
            model=self.info,
            instruction=effective,
            usage=Usage(self.work.prompt_tokens(), round(job.computed_tokens), len(self.work.known)),
            seconds=time.perf_counter() - self.started,
            encode_seconds=self.encode_s,
            queue_seconds=job.wait_s,
            num_truncated=sum([each.is_truncated for each in judged]),
            num_blank=sum([each.is_blank for each in judged]),
            num_failed=sum([each.error is not None for each in judged]),
            warnings=warned,
        )


def cut_pair(whole: EncodedPair, cut: EncodedPair) -> EncodedPair:
    """`cut`, the encoding of a document's beginning, with what is true of the whole document."""
    return replace(cut, num_tokens=whole.num_tokens, is_truncated=True)


def log_odds_of(judged: Ranking) -> FloatArray:
    """(N,) of an assessment; a pair without a score is NaN and warned of."""
    _warn_of_failures(judged)
    return np.array([each.log_odds for each in judged], dtype=np.float32)


def scores_of(judged: Ranking) -> FloatArray:
    """As `log_odds_of`."""
    _warn_of_failures(judged)
    return np.array([each.score for each in judged], dtype=np.float32)


def _warn_of_failures(judged: Ranking) -> None:
    for each in judged:
        if each.error is not None:
            warnings.warn(f"pair {each.index} has no score: {each.error}", FinerankWarning, stacklevel=4)
