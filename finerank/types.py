"""The nouns of finerank: what goes in, and what comes out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Document: TypeAlias = str | Mapping[str, Any]
"""A text, or a mapping whose `text` is ranked and whose other keys come back untouched."""

Pair: TypeAlias = tuple[str, str]
"""(query, document)."""

ModelKind: TypeAlias = Literal["yes_no", "cross_encoder", "bi_encoder", "remote"]
LongDocuments: TypeAlias = Literal["truncate", "chunk"]
SelfTestMode: TypeAlias = Literal["off", "warn", "require"]


@dataclass(slots=True)  # not frozen, see RankedDocument
class Usage:
    """What a call cost, in tokens.

    prompt_tokens: tokens of all prompts as if each pair had been run alone.
    computed_tokens: tokens that went through the network.
    cached_tokens: prompt tokens that did not, because a document shared its prefix with another one, or its score was
    known already.
    result_cache_hits: documents whose score was known already.
    """

    prompt_tokens: int = 0
    computed_tokens: int = 0
    result_cache_hits: int = 0

    @property
    def cached_tokens(self) -> int:
        return max(0, self.prompt_tokens - self.computed_tokens)


@dataclass(slots=True)  # not frozen: that makes it four times as slow to build, which a server feels
class RankedDocument:
    """One document with the model's opinion of it.

    index: position in the caller's list.
    document: the document as given.
    score: probability of relevance in [0, 1]; NaN if `error`.
    log_odds: log P(relevant) - log P(not), unbounded fp32; NaN if `error`. Orders documents whose score is 1.0000.
    num_tokens: tokens of the document itself, before any truncation.
    is_truncated: the model saw only the beginning.
    is_blank: there was nothing but white space to read; the score says little.
    window: with `long_documents="chunk"`, the characters [start, end) of the window that scored best.
    error: why the document has no score, or None.
    """

    index: int
    document: Document
    score: float
    log_odds: float
    num_tokens: int = 0
    is_truncated: bool = False
    is_blank: bool = False
    window: tuple[int, int] | None = None
    error: str | None = None

    @property
    def text(self) -> str:
        """The text that was ranked."""
        return self.document if isinstance(self.document, str) else str(self.document.get("text", ""))


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Which model answered, and how.

    fingerprint: 16 hex digits over weights, prompt form, dtype, length limits and finerank version. Two answers
    with the same fingerprint come from the same function.
    default_instruction: what `instruction=None` means; None if the model takes no instruction.
    is_default: the embedded model, because none was named.
    """

    name: str
    kind: ModelKind
    fingerprint: str
    dtype: str
    device: str
    max_length: int
    revision: str | None = None
    default_instruction: str | None = None
    is_default: bool = False

    def effective_instruction(self, instruction: str | None) -> str | None:
        """What the model sees for it: None if it takes none."""
        default = self.default_instruction
        return None if default is None else instruction if instruction is not None else default


@dataclass(slots=True)  # not frozen, see RankedDocument
class AnswerFacts:
    """What is true of a whole answer: who gave it, to which instruction, at what cost, with which reservations.

    seconds: from the call to its answer, of which encode_seconds passed until it was in tokens, then queue_seconds
    until its first pair was computed.
    num_truncated, num_blank, num_failed: of all documents of the call, those that `top_n` left out included.
    """

    model: ModelInfo
    instruction: str | None
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0
    encode_seconds: float = 0.0
    queue_seconds: float = 0.0
    num_truncated: int = 0
    num_blank: int = 0
    num_failed: int = 0
    warnings: tuple[str, ...] = ()


class Ranking(list[RankedDocument]):
    """The documents, best first, and the facts of the answer in `facts`."""

    facts: AnswerFacts

    def __init__(self, documents: Iterable[RankedDocument], facts: AnswerFacts) -> None:
        super().__init__(documents)
        self.facts = facts
