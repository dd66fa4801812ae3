"""The one internal request. Every route and the page make a `RerankCall` or a `ScoreCall`; `RerankService` answers it.

What holds for all callers (limits, admission, deadlines, figures) belongs here; what a dialect looks like does not.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from ..errors import DeadlineError, InputError
from ..instructions import resolve_instruction
from ..settings import Settings
from ..texts import check_text
from ..types import Document, Ranking
from .admission import Admission, estimated_tokens
from .model_pool import ModelPool

if TYPE_CHECKING:
    from ..reranker import Reranker

Work: TypeAlias = "Callable[[Reranker], Awaitable[Ranking]]"


@dataclass(slots=True, kw_only=True)
class Origin:
    """Where a call came from.

    dialect: name of the wire dialect, or "page".   caller: name of the API key, None without keys.
    timeout_s: how long the caller waits at most, None for the server's own limit.
    """

    dialect: str = "finerank"
    caller: str | None = None
    timeout_s: float | None = None


@dataclass(slots=True, kw_only=True)
class Call:
    """What all calls have. The fields mean what they mean in `Reranker.rank`.

    instruction: a blank one means the default, as in forms whose box is left empty.
    model: the name the caller gave, if any.
    truncate: False refuses the call (TooLongError) if a document does not fit.
    max_document_tokens: cut each document after so many tokens.
    """

    instruction: str | None = None
    preset: str | None = None
    model: str | None = None
    truncate: bool = True
    max_document_tokens: int | None = None
    batch_size: int = 0

    @property
    def effective_instruction(self) -> str | None:
        """None for the model's default. Raises InputError."""
        given = check_text(self.instruction, "the instruction") if self.instruction is not None else ""
        return resolve_instruction(given if given.strip() else None, self.preset)


@dataclass(slots=True, kw_only=True)
class RerankCall(Call):
    """One query and the documents to order."""

    query: str
    documents: Sequence[Document]
    top_n: int | None = None
    min_score: float | None = None


@dataclass(slots=True, kw_only=True)
class ScoreCall(Call):
    """Pairs (query, document) to judge, answered in input order."""

    pairs: Sequence[tuple[str, Document]]


class Observer(Protocol):
    """Hears of every call that reached the service; for metrics, logs and traces."""

    def answered(self, origin: Origin, call: Call, ranking: Ranking) -> None: ...

    def failed(self, origin: Origin, call: Call, error: BaseException) -> None: ...


ANYONE: Final = Origin()
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class RerankService:
    """Answers calls with the models of the pool, as many at a time as the admission lets in."""

    def __init__(self, pool: ModelPool, settings: Settings) -> None:
        self.pool = pool
        self.settings = settings
        self.admission = Admission(settings.max_queue_tokens)
        self.observers: list[Observer] = []

    @property
    def may_change_models(self) -> bool:
        """May callers load and unload models? Unless said, only where no other machine can reach the server."""
        wanted = self.settings.allow_model_changes
        return self.settings.host in LOOPBACK if wanted is None else wanted

    async def rank(self, call: RerankCall, origin: Origin = ANYONE) -> Ranking:
        """The documents, best first. A call that is cancelled leaves the engine's queue.

        Raises NotReadyError, UnknownModelError, InputError, OverloadedError, DeadlineError, EngineError.
        """
        return await self._watched(
            call,
            origin,
            call.documents,
            lambda reranker: reranker.arank(
                call.query,
                call.documents,
                instruction=call.effective_instruction,
                top_n=call.top_n,
                min_score=call.min_score,
                batch_size=call.batch_size,
                truncate=call.truncate,
                max_document_tokens=call.max_document_tokens,
            ),
        )

    async def score(self, call: ScoreCall, origin: Origin = ANYONE) -> Ranking:
        """Each pair's document with its score, in input order. Raises what `rank` raises."""
        documents = [document for _, document in call.pairs]
        return await self._watched(
            call,
            origin,
            documents,
            lambda reranker: reranker.aassess(
                call.pairs,
                instruction=call.effective_instruction,
                batch_size=call.batch_size,
                truncate=call.truncate,
                max_document_tokens=call.max_document_tokens,
            ),
        )

    async def _watched(self, call: Call, origin: Origin, documents: Sequence[Document], work: Work) -> Ranking:
        try:
            ranking = await self._answer(call, origin, documents, work)
        except BaseException as error:
            for observer in self.observers:
                observer.failed(origin, call, error)
            raise
        for observer in self.observers:
            observer.answered(origin, call, ranking)
        return ranking

    async def _answer(self, call: Call, origin: Origin, documents: Sequence[Document], work: Work) -> Ranking:
        self._check_size(documents)
        limit = min(origin.timeout_s or self.settings.request_timeout, self.settings.request_timeout)
        try:
            async with asyncio.timeout(limit):
                slot = await self.pool.ready_slot(call.model)
                with slot.use() as reranker:
                    tokens = estimated_tokens(documents, call.max_document_tokens or reranker.info.max_length)
                    self._check_tokens(tokens)
                    with self.admission.admit(tokens, reranker.batch_tokens, limit):
                        return await work(reranker)
        except TimeoutError as error:
            if isinstance(error, DeadlineError):
                raise
            raise DeadlineError(
                f"not done within {limit:g} s; send fewer documents, or allow more with X-Request-Timeout (seconds, up "
                f"to --request-timeout, {self.settings.request_timeout:g})"
            ) from None

    def _check_size(self, documents: Sequence[Document]) -> None:
        limit = self.settings.max_documents
        if len(documents) > limit:
            raise InputError(
                f"documents has {len(documents):,} entries and this server takes {limit:,}; send the best candidates "
                "only, or start the server with a larger --max-documents"
            )

    def _check_tokens(self, tokens: int) -> None:
        limit = self.settings.max_request_tokens
        if limit is not None and tokens > limit:
            raise InputError(
                f"the documents have some {tokens:,} tokens and this server takes {limit:,} in a request; send fewer "
                "or shorter ones, or start the server with a larger --max-request-tokens"
            )


def notes_of(call: Call, ranking: Ranking) -> list[str]:
    """What the caller should know about the answer: the library's warnings, and a model other than the one named."""
    name = ranking.facts.model.name
    notes = list(ranking.facts.warnings)
    if call.model is not None and call.model != name:
        notes.append(f"model {call.model!r} was asked for, {name!r} answered")
    return notes
