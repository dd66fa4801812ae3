"""A caller who hangs up, over a real connection: their work leaves the queue, and nobody else notices."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator

import pytest
import uvicorn

from finerank.reranker import Reranker
from finerank.server.app import create_app
from finerank.server.serve import listening_socket
from finerank.server.service import RerankService
from finerank.settings import Settings
from tests.server.fake_model import FakeModel


class Running:
    """A server in this event loop."""

    def __init__(self, port: int, server: uvicorn.Server, model: FakeModel, service: RerankService) -> None:
        self.port = port
        self.server = server
        self.model = model
        self.service = service

    async def send(self, *documents: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        body = json.dumps({"query": "mars", "documents": documents}).encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(b"POST /v1/rerank HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        return reader, writer

    async def until_calls(self, count: int) -> None:
        async with asyncio.timeout(5):
            while self.service.admission.calls != count:
                await asyncio.sleep(0.01)


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    model = FakeModel()
    with Reranker.from_model(model) as reranker, listening_socket("127.0.0.1", 0) as listener:
        app = create_app(Settings(result_cache="off"), reranker)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none"))
        serving = asyncio.create_task(server.serve([listener]))
        while not server.started:
            await asyncio.sleep(0.01)
        yield Running(listener.getsockname()[1], server, model, app.state.service)
        model.gate.set()
        server.should_exit = True
        app.state.end_streams()
        await serving


async def test_the_work_of_a_caller_who_hung_up_is_not_done(running: Running) -> None:
    running.model.gate.clear()
    first_reader, first_writer = await running.send("in the engine")
    await running.until_calls(1)
    _, gone = await running.send("mars in vain")
    other_reader, other_writer = await running.send("still here")
    await running.until_calls(3)
    gone.close()
    await running.until_calls(2)
    running.model.gate.set()
    assert b"200 OK" in await first_reader.readline()
    assert b"200 OK" in await other_reader.readline()
    assert running.service.admission.tokens == 0
    assert "mars in vain" not in running.model.computed
    assert "still here" in running.model.computed
    first_writer.close()
    other_writer.close()


async def test_answers_do_not_wait_for_acknowledgements(running: Running) -> None:
    """Nagle's algorithm on an accepted socket would hold answers on kept-alive connections back for 40 ms."""
    reader, writer = await running.send("mars")
    assert b"200 OK" in await reader.readline()
    (connection,) = running.server.server_state.connections
    accepted = connection.transport.get_extra_info("socket")  # type: ignore[union-attr]
    assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    writer.close()
