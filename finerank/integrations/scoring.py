"""`Scorer`: what every adapter scores texts with, whoever does the work.

A model's name is loaded with `Reranker`; a `Reranker` or a client of a server that is there already is used as it is.
"""

import asyncio
import threading
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import FinerankWarning, InputError
from ..ranking import CALIBRATED, MinScore, check_options
from ..types import Document, ModelInfo, RankedDocument, Ranking
from .backends import Asked, AsyncClientBackend, Backend, ClientBackend, RerankerBackend

if TYPE_CHECKING:
    from ..client import AsyncClient, Client
    from ..reranker import Reranker

Source: TypeAlias = "str | Reranker | Client | AsyncClient | None"
"""A hub id, a local folder or PROVIDER:MODEL, None for the embedded model; or what is in hand already."""


class Scorer:
    """Scores texts for an adapter.

    source: see `Source`.   loading: options of `Reranker` for a model that is named.
    opened_by: makes the client to ask, when it is needed; `source` is then the name of its model, if anything.
    instruction, top_n, min_score, batch_size: as in `Reranker.rank`; a call may ask for another `top_n`.

    A named model or a client is opened by `load`, or by the first call, and ended by `close`; objects that were given
    stay the caller's.
    Documents without a score come last, beyond any `top_n`, and a FinerankWarning counts them.
    Raises InputError for options that cannot be used.
    """

    def __init__(
        self,
        source: Source = None,
        *,
        loading: Mapping[str, Any] | None = None,
        instruction: str | None = None,
        top_n: int | None = None,
        min_score: MinScore | None = None,
        batch_size: int = 0,
        opened_by: "Callable[[], Client] | None" = None,
    ) -> None:
        check_options(top_n, None, batch_size)
        self._asked = Asked(instruction, top_n, min_score, batch_size)
        self._source = source
        self._loading = dict(loading or {})
        self._opened_by = opened_by
        self._lock = threading.Lock()
        self._is_own = source is None or isinstance(source, str)
        self._backend = None if self._is_own else _backend_of(source)
        is_remote = opened_by is not None or isinstance(self._backend, ClientBackend | AsyncClientBackend)
        if self._loading and (is_remote or not self._is_own):
            given = ", ".join(self._loading)
            raise InputError(f"{given}: loading options are for a model that is named and loaded here; leave them out")
        if min_score != CALIBRATED or is_remote:  # whether a model has a calibration, it knows once it is loaded
            check_options(None, min_score, 0)
        if batch_size and is_remote:
            raise InputError(f"batch_size is {batch_size}; a server makes its own batches, so leave it out")

    @property
    def name(self) -> str:
        """Of the model, for logs and callbacks; loads nothing."""
        if self._backend is not None:
            return self._backend.info.name
        return self._source if isinstance(self._source, str) else "finerank's embedded model"

    @property
    def info(self) -> ModelInfo:
        return self._ready().info

    def load(self) -> None:
        """Opens what is to be used, if that is not done. Raises what `Reranker` or `Client` raises."""
        self._ready()

    def close(self) -> None:
        """Ends what was opened here; the next call opens it again."""
        with self._lock:
            if self._is_own and self._backend is not None:
                self._backend.close()
                self._backend = None

    def rank(self, query: str, texts: Sequence[str | None], *, top_n: int | None = None) -> Sequence[RankedDocument]:
        """Best first, those without a score last; nothing for no texts. None is a document without a text."""
        if not texts:
            return []
        return _heeded(self._ready().rank(query, _documents(texts), self._asked_for(top_n)))

    async def arank(
        self, query: str, texts: Sequence[str | None], *, top_n: int | None = None
    ) -> Sequence[RankedDocument]:
        """`rank`, awaitable; concurrent calls share the model's batches."""
        if not texts:
            return []
        backend = await self._aready()
        return _heeded(await backend.arank(query, _documents(texts), self._asked_for(top_n)))

    def assess(self, pairs: Sequence[tuple[str, str]], *, instruction: str | None = None) -> Sequence[RankedDocument]:
        """The document of each (query, text) with its score, in input order."""
        if not pairs:
            return []
        judged = self._ready().assess(pairs, self._asked_with(instruction))
        _warn_of_failures(judged, "pairs")
        return judged

    async def aassess(
        self, pairs: Sequence[tuple[str, str]], *, instruction: str | None = None
    ) -> Sequence[RankedDocument]:
        """`assess`, awaitable."""
        if not pairs:
            return []
        backend = await self._aready()
        judged = await backend.aassess(pairs, self._asked_with(instruction))
        _warn_of_failures(judged, "pairs")
        return judged

    def _ready(self) -> Backend:
        with self._lock:
            if self._backend is None:
                self._backend = self._opened()
            return self._backend

    async def _aready(self) -> Backend:
        return self._backend if self._backend is not None else await asyncio.to_thread(self._ready)

    def _opened(self) -> Backend:
        if self._opened_by is not None:
            return ClientBackend(self._opened_by())
        from ..reranker import Reranker

        return RerankerBackend(Reranker(self._source if isinstance(self._source, str) else None, **self._loading))

    def _asked_for(self, top_n: int | None) -> Asked:
        if top_n is None:
            return self._asked
        check_options(top_n, None, 0)
        return Asked(self._asked.instruction, top_n, self._asked.min_score, self._asked.batch_size)

    def _asked_with(self, instruction: str | None) -> Asked:
        effective = self._asked.instruction if instruction is None else instruction
        return Asked(effective, batch_size=self._asked.batch_size)


def flags_of(ranked: RankedDocument) -> dict[str, Any]:
    """What a caller must see in a document's metadata, if there is anything."""
    flags: dict[str, Any] = {"is_truncated": True} if ranked.is_truncated else {}
    if ranked.error is not None:
        flags["rerank_error"] = ranked.error
    return flags


def score_of(ranked: RankedDocument) -> float | None:
    """In [0, 1]; None for a document that has no score."""
    return ranked.score if ranked.error is None else None


def _backend_of(source: Any) -> Backend:
    from ..client import AsyncClient, Client

    if isinstance(source, Client):
        return ClientBackend(source)
    if isinstance(source, AsyncClient):
        return AsyncClientBackend(source)
    # Only now: a process that asks a server need not have torch.
    from ..reranker import Reranker

    if isinstance(source, Reranker):
        return RerankerBackend(source)
    raise InputError(
        f"model is a {type(source).__name__}; give a model's name, a finerank.Reranker, Client or AsyncClient, or None"
    )


def _documents(texts: Sequence[str | None]) -> list[Document]:
    """A document without a text becomes an error of its own, not of the call."""
    return [text if isinstance(text, str) else {"text": text} for text in texts]


def _heeded(ranking: Ranking) -> Ranking:
    for message in ranking.facts.warnings:
        warnings.warn(message, FinerankWarning, stacklevel=4)
    _warn_of_failures(ranking, "documents")
    return ranking


def _warn_of_failures(judged: Iterable[RankedDocument], what: str) -> None:
    failed = [each for each in judged if each.error is not None]
    if failed:
        warnings.warn(
            f"{len(failed)} {what} have no score and come last; number {failed[0].index}: {failed[0].error}",
            FinerankWarning,
            stacklevel=5,
        )
