"""The page on a real server with the embedded model, and one browser to look at it."""

import asyncio
import importlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
from selenium.webdriver import Chrome

from finerank.reranker import Reranker
from finerank.server.app import create_app
from finerank.server.model_slot import ModelSlot
from finerank.server.serve import listening_socket
from finerank.server.service import RerankService
from finerank.settings import Settings
from tests.server.fake_model import FakeModel

from . import browser
from .steps import Page

MAX_DOCUMENTS = 20
MAX_BODY_BYTES = 600_000


@dataclass(frozen=True)
class Server:
    url: str
    service: RerankService


@pytest.fixture(scope="session")
def reranker() -> Iterator[Reranker]:
    with Reranker() as made:
        yield made


@pytest.fixture(scope="session")
def server(reranker: Reranker) -> Iterator[Server]:
    with serving(reranker) as made:
        yield made


@contextmanager
def serving(reranker: Reranker, **settings: Any) -> Iterator[Server]:
    """On a free port of this machine, in a thread."""
    # Here and not there: an import takes seconds, and Python's warning filters are not for several threads.
    importlib.import_module("finerank.ui.page")
    with listening_socket("127.0.0.1", 0) as listener:
        servers: list[uvicorn.Server] = []
        services: list[RerankService] = []

        async def run() -> None:
            limits: dict[str, Any] = {"max_documents": MAX_DOCUMENTS, "max_body_bytes": MAX_BODY_BYTES}
            app = create_app(Settings(**limits | settings), reranker)
            services.append(app.state.service)
            servers.append(uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none")))
            await servers[0].serve([listener])

        thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        _wait_for(f"{address}/ready")
        yield Server(address, services[0])
        servers[0].force_exit = True
        servers[0].should_exit = True
        thread.join(10)


@pytest.fixture
def fake(server: Server) -> Iterator[FakeModel]:
    """A second model beside the embedded one."""
    model = FakeModel("fake/overlap")
    with Reranker.from_model(model) as reranker:
        server.service.pool.slots["fake/overlap"] = ModelSlot(server.service.settings, reranker, name="fake/overlap")
        yield model
        del server.service.pool.slots["fake/overlap"]


@pytest.fixture(scope="session")
def url(server: Server) -> str:
    return server.url


@pytest.fixture(scope="session")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    if browser.executables() is None:
        pytest.skip("no chromium with its driver on this machine")
    with browser.chromium(tmp_path_factory.mktemp("profile")) as made:
        yield made


@pytest.fixture
def page(chrome: Chrome, url: str) -> Iterator[Page]:
    """Freshly loaded, at desktop width, in English. Whatever a test did, nothing was asked of any other host."""
    made = Page(chrome)
    made.resize("wide")
    made.open(url)
    yield made
    made.script("localStorage.clear()")
    asked = browser.requested_urls(chrome)
    assert asked
    assert {urlsplit(each).netloc for each in asked} == {urlsplit(url).netloc}


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("screenshots")


def _wait_for(address: str) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            if httpx.get(address, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise TimeoutError(address)
