"""A load generator that costs little itself: HTTP/1.1 over kept-alive connections, one request at a time each."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Reply:
    """status: of HTTP, 0 if the connection broke.   started, seconds: on the monotonic clock."""

    status: int
    started: float
    seconds: float
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """One caller."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> Self:
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 24))

    async def post(self, path: str, body: bytes) -> Reply:
        lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
        head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""])
        started = time.monotonic()
        try:
            self._writer.write(head.encode() + body)
            answer = await self._reader.readuntil(b"\r\n\r\n")
            status = int(answer.split(b" ", 2)[1])
            content = await self._reader.readexactly(_content_length(answer))
        except (OSError, asyncio.IncompleteReadError):
            return Reply(0, started, time.monotonic() - started, b"")
        return Reply(status, started, time.monotonic() - started, content)

    def close(self) -> None:
        self._writer.close()


@asynccontextmanager
async def connections(port: int, count: int) -> AsyncIterator[list[Connection]]:
    """So many callers, connected."""
    opened = [await Connection.open(port) for _ in range(count)]
    try:
        yield opened
    finally:
        for each in opened:
            each.close()


async def drive(callers: list[Connection], bodies: list[bytes], path: str = "/v1/rerank") -> list[Reply]:
    """Sends every body once, each caller the next one as soon as it has its answer. In order of the bodies."""
    replies: list[Reply | None] = [None] * len(bodies)
    waiting = iter(range(len(bodies)))

    async def call(caller: Connection) -> None:
        for index in waiting:
            replies[index] = await caller.post(path, bodies[index])

    await asyncio.gather(*[call(caller) for caller in callers])
    return [reply for reply in replies if reply is not None]


def percentile(values: list[float], share: float) -> float:
    """Nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":", 1)[1])
    return 0
