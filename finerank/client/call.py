"""The state of one `rerank` call: the caller's documents, which texts are sent for them, and the ranking at the end."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ..errors import InputError
from ..ranking import order
from ..texts import check_list, check_query, check_text, text_of
from ..types import Document, RankedDocument
from .answers import Opinion
from .limits import estimate_tokens

_LEAST: Final = 2.0**-126
"""Smallest normal fp32: what a score of 0 stands for."""
_MOST: Final = 1.0 - 2.0**-24
"""The fp32 below 1, as in scores.py: what a score of 1 stands for. Between them lie log-odds of -87.3 and 16.6."""
_ROUNDING: Final = 1e-6
"""So far outside [0, 1] a probability may lie."""


@dataclass(slots=True)
class Documents:
    """What a caller gave.

    owners: text to send -> indices of the documents that have it; equal texts are sent once, so that they tie.
    errors: documents that are not sent -> why.
    """

    given: Sequence[Document]
    owners: dict[str, list[int]] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)
    blank: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, given: Sequence[Document], *, refuser_of_blank: str | None) -> "Documents":
        """refuser_of_blank: the provider that would fail the whole call over a blank document, if it is one.

        Raises InputError if `given` is no list or empty; trouble with one document is in `errors`.
        """
        check_list(given, "documents")
        documents = cls(tuple(given))  # the caller's list may change while we wait
        for index, document in enumerate(given):
            documents._take(index, document, refuser_of_blank)
        return documents

    def _take(self, index: int, document: Any, refuser_of_blank: str | None) -> None:
        try:
            text = text_of(document)
        except InputError as error:
            self.errors[index] = str(error)
            return
        if not text.strip():
            self.blank.add(index)
            if refuser_of_blank is not None:
                self.errors[index] = f"the document is blank and was not sent; {refuser_of_blank} takes no blank text"
                return
        self.owners.setdefault(text, []).append(index)

    @property
    def texts(self) -> list[str]:
        return list(self.owners)

    def ranked(self, opinions: Sequence[Opinion], has_raw_scores: bool, has_documents: bool) -> list[RankedDocument]:
        """All documents, best first.   opinions: of `texts`, in their order."""
        ranked = [
            self._ranked(index, opinion, has_raw_scores, has_documents)
            for owners, opinion in zip(self.owners.values(), opinions, strict=True)
            for index in owners
        ]
        failed = [
            self._ranked(index, Opinion(math.nan, error=error), has_raw_scores, has_documents)
            for index, error in self.errors.items()
        ]
        return order([*ranked, *failed])

    def _ranked(self, index: int, opinion: Opinion, has_raw_scores: bool, has_document: bool) -> RankedDocument:
        score, log_odds = _judged(opinion, has_raw_scores)
        return RankedDocument(
            index=index,
            document=self.given[index] if has_document else "",
            score=score,
            log_odds=log_odds,
            num_tokens=opinion.num_tokens,
            is_truncated=opinion.is_truncated,
            is_blank=index in self.blank,
            window=opinion.window,
            error=opinion.error,
        )


def checked_question(query: object, instruction: object) -> str | None:
    """The instruction, None for a blank one, as on a server. Raises InputError for what `Reranker.rank` refuses too."""
    check_query(query)
    given = check_text(instruction, "the instruction") if instruction is not None else ""
    return given if given.strip() else None


def has_raw_scores(opinions: Sequence[Opinion]) -> bool:
    """Whether these scores cannot be probabilities. One that lies outside [0, 1] speaks for all."""
    return any(not -_ROUNDING <= each.score <= 1.0 + _ROUNDING for each in opinions if each.error is None)


def split(
    texts: Sequence[str], query: str, *, max_documents: int, max_tokens: int | None
) -> Iterator[tuple[list[str], int]]:
    """Runs of `texts`, in order, that fit into a call each, and the tokens that they are about.

    A text that alone is more than `max_tokens` gets a call of its own: whether it is too long, the provider knows.
    """
    query_tokens = estimate_tokens(query)
    part: list[str] = []
    num_tokens = 0
    for text in texts:
        cost = query_tokens + estimate_tokens(text)
        if part and (len(part) == max_documents or (max_tokens is not None and num_tokens + cost > max_tokens)):
            yield part, num_tokens
            part, num_tokens = [], 0
        part.append(text)
        num_tokens += cost
    if part:
        yield part, num_tokens


def _judged(opinion: Opinion, is_raw: bool) -> tuple[float, float]:
    """(score, log_odds). A raw score is taken for the log-odds, whose order it at least has."""
    if opinion.error is not None:
        return math.nan, math.nan
    if is_raw:
        log_odds = opinion.score if opinion.log_odds is None else opinion.log_odds
        return _sigmoid(log_odds), log_odds
    score = min(1.0, max(0.0, opinion.score))
    return score, _logit(score) if opinion.log_odds is None else opinion.log_odds


def _logit(score: float) -> float:
    inside = min(_MOST, max(_LEAST, score))
    return math.log(inside) - math.log1p(-inside)


def _sigmoid(log_odds: float) -> float:
    if log_odds >= 0.0:
        return 1.0 / (1.0 + math.exp(-log_odds))
    return math.exp(log_odds) / (1.0 + math.exp(log_odds))
