"""An application with settings of its own over the fake model, and a client for it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI

from finerank.embedder import Embedder
from finerank.reranker import Reranker
from finerank.server.app import create_app
from finerank.settings import Settings

BODY = {"query": "mars", "documents": ["mars is red", "venus", "mars"]}


@asynccontextmanager
async def calling(
    reranker: Reranker, embedder: Embedder | None = None, **settings: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a fresh application; `app_of` has it. The models are given back as they were."""
    before = reranker.result_cache, reranker.on_batch
    counting = embedder.on_batch if embedder is not None else None
    app = create_app(Settings(**settings), reranker, embedder)
    await app.state.service.pool.load()
    try:
        async with client_of(app) as client:
            yield client
    finally:
        reranker.result_cache, reranker.on_batch = before
        if embedder is not None:
            embedder.on_batch = counting


@asynccontextmanager
async def client_of(app: FastAPI, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://finerank", **options) as client:
        yield client


def app_of(client: httpx.AsyncClient) -> FastAPI:
    transport: Any = client._transport
    app: FastAPI = transport.app
    return app
