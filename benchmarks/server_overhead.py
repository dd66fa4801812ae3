"""What the server itself costs: requests of 10 documents over a model that is instant, beside a bare FastAPI route.

    python -m benchmarks.server_overhead [--turns 5] [--requests 3000] [--callers 16] [--out FILE]

Both servers run in processes of their own, take the same bodies and give answers of like size; the load takes turns
between them, so that a machine that slows down slows both. Reported is the ratio of the medians of requests a second.
"""

import argparse
import asyncio
import json
import platform
import random
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import finerank
from benchmarks.http_load import connections, drive
from benchmarks.workloads import WORDS

GPU_BATCH_TOKENS = 32_768
"""The default on a GPU: where a model is fast enough for the server to matter."""

NAMES = ("bare FastAPI", "finerank", "finerank, result cache on")


def bare_app() -> Any:
    """The same request and an answer of the same fields, without anything in between."""
    from fastapi import FastAPI
    from pydantic import BaseModel

    class Request(BaseModel):
        query: str
        documents: list[str]
        top_n: int | None = None

    app = FastAPI()

    @app.post("/v1/rerank")
    async def rerank(request: Request) -> dict[str, Any]:
        results = [
            {
                "index": index,
                "relevance_score": 0.5651278495788574,
                "log_odds": 0.2619999945163727,
                "num_tokens": len(text),
                "is_truncated": False,
                "is_blank": False,
                "document": {"text": text},
            }
            for index, text in enumerate(request.documents)
        ]
        tokens = {"input_tokens": 1000, "output_tokens": 0}
        return {
            "id": "rerank-0123456789abcdef",
            "object": "list",
            "model": "instant",
            "results": results,
            "usage": {"prompt_tokens": 1000, "total_tokens": 1000},
            "tokens": tokens,
            "meta": {"api_version": {"version": "1"}, "tokens": tokens},
            "computed_tokens": 1000,
            "fingerprint": "0" * 16,
            "seconds": 0.001,
            "instruction": "rank",
        }

    return app


def finerank_app(result_cache: str) -> Any:
    import numpy as np

    from finerank.models.base import BatchResult, EncodedPair, PairModel
    from finerank.reranker import Reranker
    from finerank.server.app import create_app
    from finerank.settings import Settings
    from finerank.types import ModelInfo

    class InstantModel(PairModel):
        """A document's log-odds are its length."""

        info = ModelInfo("instant", "yes_no", "0" * 16, "float32", "cpu", 8192, default_instruction="rank")

        def encode(self, query: str, documents: Sequence[str], instruction: str | None) -> list[EncodedPair]:
            return [EncodedPair(len(text), len(text) // 4, len(text) // 4, False) for text in documents]

        def windows(self, query: str, document: str, *_: Any) -> list[tuple[int, int]]:
            return [(0, len(document))]

        def compute(self, pairs: Sequence[EncodedPair]) -> BatchResult:
            return BatchResult(np.array([pair.payload / 1000 for pair in pairs], dtype=np.float32), 1)

    return create_app(
        Settings(result_cache=result_cache), Reranker.from_model(InstantModel(), batch_tokens=GPU_BATCH_TOKENS)
    )


def serve(name: str) -> None:
    """In a process of its own: prints the port, then serves until it is ended."""
    import uvicorn

    from finerank.server.serve import listening_socket

    with listening_socket("127.0.0.1", 0) as listener:
        print(listener.getsockname()[1], flush=True)

        async def run() -> None:
            app = bare_app() if name == NAMES[0] else finerank_app("memory" if name == NAMES[2] else "off")
            config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, ws="none")
            await uvicorn.Server(config).serve([listener])

        asyncio.run(run())


@contextmanager
def running() -> Iterator[dict[str, int]]:
    """Name -> port."""
    started = {
        name: subprocess.Popen(
            [sys.executable, "-m", "benchmarks.server_overhead", "--serve", name], stdout=subprocess.PIPE, text=True
        )
        for name in NAMES
    }
    try:
        ports = {name: int(process.stdout.readline()) for name, process in started.items() if process.stdout}
        for port in ports.values():
            wait_for(port)
        yield ports
    finally:
        for process in started.values():
            process.terminate()
            process.wait()


def wait_for(port: int) -> None:
    """Until somebody listens."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.1)
    raise TimeoutError(f"nobody listens on port {port}")


def bodies(count: int, turn: int) -> list[bytes]:
    """Requests of 10 documents of 40 to 160 words, no two alike."""
    chosen = random.Random(turn)

    def text(low: int, high: int) -> str:
        return " ".join(chosen.choices(WORDS, k=chosen.randint(low, high)))

    requests = ({"query": text(5, 12), "documents": [text(40, 160) for _ in range(10)]} for _ in range(count))
    return [json.dumps(request).encode() for request in requests]


async def measure(ports: dict[str, int], turns: int, requests: int, callers: int) -> dict[str, list[float]]:
    """Requests a second of every turn."""
    rates: dict[str, list[float]] = {name: [] for name in ports}
    for turn in range(turns + 1):
        for name, port in ports.items():
            async with connections(port, callers) as opened:
                sent = bodies(requests if turn else requests // 10, turn)  # turn 0 warms up
                started = time.monotonic()
                replies = await drive(opened, sent)
                seconds = time.monotonic() - started
            refused = [reply.status for reply in replies if reply.status != 200]
            assert not refused, f"{name} answered {refused[0]}"
            if turn:
                rates[name].append(len(sent) / seconds)
    return rates


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--callers", type=int, default=16)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--serve", choices=NAMES)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return
    with running() as ports:
        rates = asyncio.run(measure(ports, options.turns, options.requests, options.callers))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    for name, median in medians.items():
        print(f"{name:28} {median:7.0f} requests/s   {median / medians[NAMES[0]]:.2f} of bare FastAPI")
    if options.out:
        facts = {
            "date": datetime.now(UTC).date().isoformat(),
            "finerank": finerank.__version__,
            "python": platform.python_version(),
            "callers": options.callers,
            "requests_a_turn": options.requests,
            "requests_per_second": rates,
            "medians": medians,
            "share_of_bare": {name: median / medians[NAMES[0]] for name, median in medians.items()},
        }
        options.out.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
