"""A real HTTP server on loopback that misbehaves on request: late, cut off, refusing, or telling nonsense."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Heard:
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True)
class Say:
    """An answer.

    body: JSON, or bytes to be sent as they are.   late_s: seconds before it.
    cut_at: the connection ends after so many bytes of the body; -1 = before the first line.
    """

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    late_s: float = 0.0
    cut_at: int | None = None


Script: TypeAlias = Callable[[Heard], Say]


class Loopback:
    """`script` answers each request. heard: all requests.   most_at_once: of them under way together."""

    def __init__(self) -> None:
        self.script: Script = lambda heard: Say({"results": []})
        self.heard: list[Heard] = []
        self.most_at_once = 0
        self.url = ""
        self._num_open = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def answer(self, *says: Say) -> None:
        """One after the other; the last one again and again."""
        left = list(says)
        self.script = lambda heard: left.pop(0) if len(left) > 1 else left[0]

    @property
    def bodies(self) -> list[Any]:
        return [heard.body for heard in self.heard]

    @contextmanager
    def running(self) -> Iterator["Loopback"]:
        self._thread.start()
        server = self._run(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield self
        self._run(self._stop(server))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _stop(self, server: asyncio.Server) -> None:
        server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0)  # connections end in the next round

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if not await self._exchange(head, reader, writer):
                    break
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.transport.abort()

    async def _exchange(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection stays open."""
        first, *lines = head.decode().split("\r\n")
        method, path, _ = first.split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        content = await reader.readexactly(int(headers.get("content-length", "0")))
        heard = Heard(method, path, headers, json.loads(content) if content else None)
        self.heard.append(heard)
        self._num_open += 1
        self.most_at_once = max(self.most_at_once, self._num_open)
        say = self.script(heard)
        await asyncio.sleep(say.late_s)
        self._num_open -= 1
        return await self._say(say, writer)

    async def _say(self, say: Say, writer: asyncio.StreamWriter) -> bool:
        body = say.body if isinstance(say.body, bytes) else json.dumps(say.body).encode()
        headers = {"content-type": "application/json", "content-length": str(len(body)), **say.headers}
        lines = [f"HTTP/1.1 {say.status} X", *(f"{name}: {value}" for name, value in headers.items())]
        if say.cut_at == -1:
            return False
        writer.write("\r\n".join([*lines, "", ""]).encode() + body[: say.cut_at])
        await writer.drain()
        return say.cut_at is None


def scored(heard: Heard) -> Say:
    """Jina's shape: a document's score is the number at its end divided by 1000, best first."""
    texts = heard.body.get("documents", heard.body.get("texts"))
    results = [{"index": index, "relevance_score": int(text.split()[-1]) / 1000} for index, text in enumerate(texts)]
    return Say({"results": sorted(results, key=lambda each: -each["relevance_score"]), "model": "m"})


def results(*scores: float, **more: Any) -> dict[str, Any]:
    """Jina's shape, in input order."""
    listed = [{"index": index, "relevance_score": score} for index, score in enumerate(scores)]
    return {"results": listed, **more}
