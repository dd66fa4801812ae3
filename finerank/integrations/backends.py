"""A `Reranker` and a client of a server, asked in the same way. Knows no framework."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import InputError
from ..ranking import MinScore, check_options, select
from ..reading import by_query
from ..types import Document, ModelInfo, RankedDocument, Ranking

if TYPE_CHECKING:
    from ..client import AsyncClient, Client
    from ..reranker import Reranker


@dataclass(frozen=True, slots=True)
class Asked:
    """How a call is to be answered; the fields are those of `Reranker.rank`."""

    instruction: str | None = None
    top_n: int | None = None
    min_score: MinScore | None = None
    batch_size: int = 0


class Backend(Protocol):
    """Who scores. `rank` gives the best first; `assess` gives each pair's document, in input order."""

    @property
    def info(self) -> ModelInfo: ...

    def rank(self, query: str, documents: Sequence[Document], asked: Asked) -> Ranking: ...

    async def arank(self, query: str, documents: Sequence[Document], asked: Asked) -> Ranking: ...

    def assess(self, pairs: Sequence[tuple[str, Document]], asked: Asked) -> list[RankedDocument]: ...

    async def aassess(self, pairs: Sequence[tuple[str, Document]], asked: Asked) -> list[RankedDocument]: ...

    def close(self) -> None: ...


class RerankerBackend:
    """A model in this process. Calls that come at the same time share batches."""

    def __init__(self, reranker: "Reranker") -> None:
        self._reranker = reranker

    @property
    def info(self) -> ModelInfo:
        return self._reranker.info

    def rank(self, query: str, documents: Sequence[Document], asked: Asked) -> Ranking:
        return self._reranker.rank(query, documents, **_rank_options(asked))

    async def arank(self, query: str, documents: Sequence[Document], asked: Asked) -> Ranking:
        return await self._reranker.arank(query, documents, **_rank_options(asked))

    def assess(self, pairs: Sequence[tuple[str, Document]], asked: Asked) -> list[RankedDocument]:
        return self._reranker.assess(pairs, instruction=asked.instruction, batch_size=asked.batch_size)

    async def aassess(self, pairs: Sequence[tuple[str, Document]], asked: Asked) -> list[RankedDocument]:
        return await self._reranker.aassess(pairs, instruction=asked.instruction, batch_size=asked.batch_size)

    def close(self) -> None:
        self._reranker.close()


class ClientBackend:
    """A server behind a `Client`, for calls with and without an event loop."""

    def __init__(self, client: "Client") -> None:
        self._client = client

    @property
    def info(self) -> ModelInfo:
        return self._client.info

    def rank(self, query: str, documents: Sequence[Document], asked: Asked) -> Ranking:
        return _selected(self._client.rerank(query, documents, instruction=asked.instruction), asked)

    async def arank(self, query: str, documents: Sequence[Document], asked: Asked) -> Ranking:
        future = self._client.submit(query, documents, instruction=asked.instruction)
        return _selected(await asyncio.wrap_future(future), asked)

    def assess(self, pairs: Sequence[tuple[str, Document]], asked: Asked) -> list[RankedDocument]:
        groups = by_query(pairs)
        futures = self._submit(groups, pairs, asked)
        try:
            return _in_input_order(groups, [future.result() for future in futures])
        finally:
            for future in futures:
                future.cancel()

    async def aassess(self, pairs: Sequence[tuple[str, Document]], asked: Asked) -> list[RankedDocument]:
        groups = by_query(pairs)
        futures = self._submit(groups, pairs, asked)
        return _in_input_order(groups, await asyncio.gather(*map(asyncio.wrap_future, futures)))

    def close(self) -> None:
        self._client.close()

    def _submit(
        self, groups: dict[str, list[int]], pairs: Sequence[tuple[str, Document]], asked: Asked
    ) -> "list[Future[Ranking]]":
        return [
            self._client.submit(query, [pairs[index][1] for index in indices], instruction=asked.instruction)
            for query, indices in groups.items()
        ]


class AsyncClientBackend:
    """A server behind an `AsyncClient`, which belongs to one event loop: only awaited calls work."""

    def __init__(self, client: "AsyncClient") -> None:
        self._client = client

    @property
    def info(self) -> ModelInfo:
        return self._client.info

    def rank(self, query: str, documents: Sequence[Document], asked: Asked) -> Ranking:
        raise _no_event_loop()

    async def arank(self, query: str, documents: Sequence[Document], asked: Asked) -> Ranking:
        return _selected(await self._client.rerank(query, documents, instruction=asked.instruction), asked)

    def assess(self, pairs: Sequence[tuple[str, Document]], asked: Asked) -> list[RankedDocument]:
        raise _no_event_loop()

    async def aassess(self, pairs: Sequence[tuple[str, Document]], asked: Asked) -> list[RankedDocument]:
        groups = by_query(pairs)
        calls = [
            self._client.rerank(query, [pairs[index][1] for index in indices], instruction=asked.instruction)
            for query, indices in groups.items()
        ]
        return _in_input_order(groups, await asyncio.gather(*calls))

    def close(self) -> None:
        raise _no_event_loop()


def _rank_options(asked: Asked) -> dict[str, Any]:
    return {name: getattr(asked, name) for name in Asked.__slots__}


def _selected(ranking: Ranking, asked: Asked) -> Ranking:
    """A client knows no `min_score`, and `top_n` must come after it. A calibration is a model's, not a client's."""
    check_options(asked.top_n, asked.min_score, 0)
    kept = select(ranking, top_n=asked.top_n, min_score=None if asked.min_score is None else float(asked.min_score))
    return Ranking(kept, ranking.facts)


def _in_input_order(groups: dict[str, list[int]], rankings: Sequence[Ranking]) -> list[RankedDocument]:
    """rankings: of each query's documents, in the order of `groups`."""
    judged: dict[int, RankedDocument] = {}
    for indices, ranking in zip(groups.values(), rankings, strict=True):
        for each in ranking:
            judged[indices[each.index]] = replace(each, index=indices[each.index])
    return [judged[index] for index in sorted(judged)]


def _no_event_loop() -> InputError:
    return InputError("an AsyncClient answers awaited calls only; give a finerank.Client, which serves both kinds")
