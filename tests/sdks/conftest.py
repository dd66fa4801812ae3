"""One server on a loopback port for other people's clients; behind it a model without weights."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import httpx
import pytest
import uvicorn

from finerank.reranker import Reranker
from finerank.server.app import create_app
from finerank.server.service import Call, Origin
from finerank.settings import Settings
from finerank.types import Ranking
from tests.server.fake_model import FakeModel

KEY = "key-of-the-tests"
SPENT_KEYS = [f"key-{number}-of-somebody-who-asked-too-much" for number in range(40)]
REQUESTS_PER_MINUTE = 300
QUERY = "red planet mars"
DOCUMENTS = ["venus is hot", "mars is the red planet", "the red bus"]
ORDER = [1, 2, 0]
SCORES = [pytest.approx(0.731059, abs=1e-5), pytest.approx(0.268941, abs=1e-5), pytest.approx(0.119203, abs=1e-5)]


class Ear:
    """An observer of the service: the effective instruction and the dialect of the last answer."""

    instruction: str | None = None
    dialect: str = ""

    def answered(self, origin: Origin, call: Call, ranking: Ranking) -> None:
        self.instruction, self.dialect = ranking.facts.instruction, origin.dialect

    def failed(self, origin: Origin, call: Call, error: BaseException) -> None:
        pass


@pytest.fixture(scope="session")
def heard() -> Ear:
    return Ear()


@pytest.fixture(scope="session")
def url(heard: Ear) -> Iterator[str]:
    """Of a server that asks for a key."""
    keys = (f"tests={KEY}", *(f"spent-{number}={key}" for number, key in enumerate(SPENT_KEYS)))
    settings = Settings(api_keys=keys, key_requests_per_minute=REQUESTS_PER_MINUTE, self_test="off")
    # The protocol is named because asyncio looks at it before it switches Nagle's delay off.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    servers: list[uvicorn.Server] = []

    async def serve() -> None:
        with Reranker.from_model(FakeModel()) as reranker:
            # Inside the event loop: outside one, gradio makes one and leaks it.
            app = create_app(settings, reranker)
            app.state.service.observers.append(heard)
            servers.append(uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="on")))
            await servers[0].serve([listener])

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    # The socket listens already, so the first request waits until the server is there.
    httpx.get(f"{address}/health", timeout=60).raise_for_status()
    yield address
    servers[0].should_exit = True
    thread.join(20)
    assert not thread.is_alive()
    listener.close()


@pytest.fixture(scope="session")
def fresh_keys() -> Iterator[str]:
    return iter(SPENT_KEYS)


@pytest.fixture
def spent_key(url: str, fresh_keys: Iterator[str]) -> str:
    """A key whose minute is used up just now: one that was used up before this test may have room again."""
    key = next(fresh_keys)
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}) as client:
        for _ in range(REQUESTS_PER_MINUTE):
            client.get("/v1/models").raise_for_status()
        assert client.get("/v1/models").status_code == 429
    return key


@pytest.fixture(autouse=True)
def no_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy, no figures sent home, no price list fetched: these tests talk to this machine only."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in {
        "NO_PROXY": "127.0.0.1",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LANGCHAIN_TRACING_V2": "false",
        "LANGSMITH_TRACING": "false",
        "DO_NOT_TRACK": "1",
        "DASHSCOPE_DISABLE_DATA_INSPECTION": "true",
    }.items():
        monkeypatch.setenv(name, value)
