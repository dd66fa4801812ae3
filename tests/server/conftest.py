"""An application over a fake model, called in this process: no port, no weights."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from finerank.embedder import Embedder
from finerank.reranker import Reranker
from finerank.server.app import create_app
from finerank.settings import Settings
from tests.server.fake_model import FakeModel
from tests.server.fake_text_model import FakeTextModel
from tests.server.searching import make_index

SETTINGS = Settings(max_documents=1000, max_body_bytes=4 << 20)


@pytest.fixture(scope="session")
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture(scope="session")
def reranker(model: FakeModel) -> Iterator[Reranker]:
    with Reranker.from_model(model) as made:
        yield made


@pytest.fixture(scope="session")
def text_model() -> FakeTextModel:
    return FakeTextModel()


@pytest.fixture(scope="session")
def embedder(text_model: FakeTextModel) -> Iterator[Embedder]:
    with Embedder.from_model(text_model) as made:
        yield made


@pytest.fixture(scope="session")
def app(reranker: Reranker, embedder: Embedder) -> FastAPI:
    """Made once: the page takes a moment to build. Inside an event loop: outside one, gradio makes one and leaks it."""

    async def make() -> FastAPI:
        return create_app(SETTINGS, reranker, embedder)

    return asyncio.run(make())


@pytest.fixture(scope="session")
def minilm() -> Iterator[Embedder]:
    """The embedding model that comes with finerank."""
    with Embedder() as made:
        yield made


@pytest.fixture(scope="session")
def db(tmp_path_factory: pytest.TempPathFactory, minilm: Embedder) -> Path:
    """Of `make_index`; tests that write take a copy."""
    return make_index(tmp_path_factory.mktemp("manuals"), minilm)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://finerank") as made:
        yield made


@pytest.fixture
def closed_gate(model: FakeModel) -> Iterator[Callable[[], None]]:
    """Holds the model; call it to let go."""
    model.gate.clear()
    yield model.gate.set
    model.gate.set()
