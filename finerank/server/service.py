"""The one internal request. Every route and the page make a `RerankCall`, a `ScoreCall` or an `EmbeddingCall`;
`RerankService` answers it.

What holds for all callers (limits, admission, deadlines, figures) belongs here; what a dialect looks like does not.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, TypeVar

from ..client.providers import without_provider
from ..errors import DeadlineError, InputError
from ..instructions import resolve_instruction
from ..models.text_prompts import TextKind
from ..ranking import MinScore
from ..settings import Settings
from ..texts import check_text
from ..types import Document, Ranking
from .admission import Admission, estimated_tokens
from .embedder_slot import EmbedderSlot
from .model_pool import ModelPool

if TYPE_CHECKING:
    from ..embedder import Embeddings
    from ..reranker import Reranker

Work: TypeAlias = "Callable[[Reranker], Awaitable[Ranking]]"
Answer: TypeAlias = "Ranking | Embeddings"
A = TypeVar("A", bound=Answer)


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
    min_score: MinScore | None = None


@dataclass(slots=True, kw_only=True)
class ScoreCall(Call):
    """Pairs (query, document) to judge, answered in input order."""

    pairs: Sequence[tuple[str, Document]]


@dataclass(slots=True, kw_only=True)
class EmbeddingCall(Call):
    """Texts to give vectors to, in input order. The fields mean what they mean in `Embedder.embed`."""

    texts: Sequence[str]
    kind: TextKind = "document"
    dimensions: int | None = None
    normalize: bool = True


class Observer(Protocol):
    """Hears of every call that reached the service; for metrics, logs and traces."""

    def answered(self, origin: Origin, call: Call, answer: Answer) -> None: ...

    def failed(self, origin: Origin, call: Call, error: BaseException) -> None: ...


ANYONE: Final = Origin()
_MOST_RECALLS: Final = 128
"""Searches whose first stage waits or runs: some seconds' worth, as each takes about 0.1 s of one of four threads."""
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class RerankService:
    """Answers calls with the models of the pool, as many at a time as the admission lets in.

    embedding: the model that texts get their vectors from.   recalls: admission of searches to their first stage.
    """

    def __init__(self, pool: ModelPool, settings: Settings, embedding: EmbedderSlot | None = None) -> None:
        self.pool = pool
        self.embedding = embedding if embedding is not None else EmbedderSlot(settings)
        self.settings = settings
        self.admission = Admission(settings.max_queue_tokens)
        self.recalls = Admission(_MOST_RECALLS, unit="searches", remedy="try again later")
        self.pool.add_embedder(self.embedding)
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

        def work(reranker: "Reranker") -> Awaitable[Ranking]:
            return reranker.arank(
                call.query,
                call.documents,
                instruction=call.effective_instruction,
                top_n=call.top_n,
                min_score=call.min_score,
                batch_size=call.batch_size,
                truncate=call.truncate,
                max_document_tokens=call.max_document_tokens,
            )

        return await self._watched(call, origin, self._ranking(call, origin, call.documents, work))

    async def score(self, call: ScoreCall, origin: Origin = ANYONE) -> Ranking:
        """Each pair's document with its score, in input order. Raises what `rank` raises."""
        documents = [document for _, document in call.pairs]

        def work(reranker: "Reranker") -> Awaitable[Ranking]:
            return reranker.aassess(
                call.pairs,
                instruction=call.effective_instruction,
                batch_size=call.batch_size,
                truncate=call.truncate,
                max_document_tokens=call.max_document_tokens,
            )

        return await self._watched(call, origin, self._ranking(call, origin, documents, work))

    async def embed(
        self, call: EmbeddingCall, origin: Origin = ANYONE, slot: EmbedderSlot | None = None
    ) -> "Embeddings":
        """Vectors of the texts, in input order. The embedding model is loaded if need be. Raises what `rank` raises.

        slot: of another model than `embedding`, as an index may have.
        """
        return await self._watched(call, origin, self._embeddings(call, origin, slot or self.embedding))

    async def _watched(self, call: Call, origin: Origin, work: Awaitable[A]) -> A:
        try:
            answer = await work
        except BaseException as error:
            for observer in self.observers:
                observer.failed(origin, call, error)
            raise
        for observer in self.observers:
            observer.answered(origin, call, answer)
        return answer

    async def _ranking(self, call: Call, origin: Origin, documents: Sequence[Document], work: Work) -> Ranking:
        self._check_size(documents, "documents", "send the best candidates only")
        async with self.deadline(origin) as limit:
            slot = await self.pool.ready_slot(call.model)
            with slot.use() as reranker:
                tokens = estimated_tokens(documents, call.max_document_tokens or reranker.info.max_length)
                self._check_tokens(tokens, "documents")
                with self.admission.admit(tokens, reranker.batch_tokens, limit):
                    return await work(reranker)

    async def _embeddings(self, call: EmbeddingCall, origin: Origin, slot: EmbedderSlot) -> "Embeddings":
        self._check_size(call.texts, "input", "send them in several requests")
        async with self.deadline(origin) as limit:
            embedder = await slot.ready(call.model)
            tokens = estimated_tokens(call.texts, embedder.info.max_length or sys.maxsize)
            self._check_tokens(tokens, "texts")
            with slot.admission.admit(tokens, embedder.batch_tokens, limit):
                return await embedder.aembed(
                    call.texts,
                    call.kind,
                    instruction=call.effective_instruction,
                    dimensions=call.dimensions,
                    normalize=call.normalize,
                    truncate=call.truncate,
                )

    @asynccontextmanager
    async def deadline(self, origin: Origin, remedy: str = "send fewer documents") -> AsyncIterator[float]:
        """Seconds that the block may take. Raises DeadlineError if it is not done by then."""
        limit = min(origin.timeout_s or self.settings.request_timeout, self.settings.request_timeout)
        try:
            async with asyncio.timeout(limit):
                yield limit
        except TimeoutError as error:
            if isinstance(error, DeadlineError):
                raise
            raise DeadlineError(
                f"not done within {limit:g} s; {remedy}, or allow more with X-Request-Timeout (seconds, up to "
                f"--request-timeout, {self.settings.request_timeout:g})"
            ) from None

    def _check_size(self, documents: Sequence[Document], name: str, remedy: str) -> None:
        limit = self.settings.max_documents
        if len(documents) > limit:
            raise InputError(
                f"{name} has {len(documents):,} entries and this server takes {limit:,}; {remedy}, or start the "
                "server with a larger --max-documents"
            )

    def _check_tokens(self, tokens: int, name: str) -> None:
        limit = self.settings.max_request_tokens
        if limit is not None and tokens > limit:
            raise InputError(
                f"the {name} have some {tokens:,} tokens and this server takes {limit:,} in a request; send fewer "
                "or shorter ones, or start the server with a larger --max-request-tokens"
            )


def notes_of(call: Call, answer: Answer) -> list[str]:
    """What the caller should know about the answer: the library's warnings, and a model other than the one named."""
    name = answer.facts.model.name
    notes = list(answer.facts.warnings)
    if call.model is not None and call.model not in (name, without_provider(name)):
        notes.append(f"model {call.model!r} was asked for, {name!r} answered")
    return notes
