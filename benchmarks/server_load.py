"""Many callers at once, against a real server process: `finerank serve`.

    python -m benchmarks.server_load --tokenizer FOLDER [--only throughput|latency|overload] [--threads 2] [--out FILE]

throughput  0.6B shape, distinct queries, result cache off: pairs a second with 16 and 64 callers, as a share of one
            offline `Reranker.score` over the same pairs. The two take turns; medians.
latency     0.6B shape: p95 of requests of 5 documents, alone and while others send 200 documents at a time.
overload    the embedded model: requests at 4 times the rate that it can answer. Each must be answered or refused with
            Retry-After, and memory must stay flat.
"""

import argparse
import asyncio
import json
import platform
import random
import statistics
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

import finerank
from benchmarks.checkpoint import make_checkpoint
from benchmarks.http_load import Connection, Reply, connections, drive, percentile
from benchmarks.workloads import WORDS
from finerank.hardware import device_name

Request = dict[str, Any]
_DOCUMENTS = 2
_WORDS = (20, 60)
"""Of a request and of a document, where throughput is measured: the fewer, the more the server has to do for each."""


def make_requests(count: int, documents: int, words: tuple[int, int], seed: int, mark: int = 0) -> list[Request]:
    """Distinct queries, documents of a random number of random words.   mark: makes other queries of like length."""
    rng = random.Random(seed)

    def text(low: int, high: int) -> str:
        return " ".join(rng.choice(WORDS) for _ in range(rng.randint(low, high)))

    return [
        {"query": f"{mark} {text(5, 10)} {number}", "documents": [text(*words) for _ in range(documents)]}
        for number in range(count)
    ]


class Server:
    """`finerank serve` in a process of its own, ready."""

    def __init__(self, *flags: str) -> None:
        command = [sys.executable, "-c", "from finerank.cli import main; main()", "serve", "--port", "0", *flags]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("Running on local URL"):
                self.port = int(line.rsplit(":", 1)[1])
                break
        else:
            raise RuntimeError(f"the server ended with exit code {self.process.wait()}")

    def resident_bytes(self) -> int:
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * 4096

    def is_alive(self) -> bool:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=10) as answer:
            return bool(answer.status == 200)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()


@contextmanager
def serving(*flags: str) -> Iterator[Server]:
    server = Server(*flags)
    try:
        yield server
    finally:
        server.close()


class Offline:
    """One `Reranker.score` over all pairs, in a process of its own."""

    def __init__(self, model: str, threads: int) -> None:
        command = [sys.executable, "-m", "benchmarks.server_load", "--offline", model, "--threads", str(threads)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._read()

    def seconds(self, requests: list[Request]) -> float:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(requests) + "\n")
        self.process.stdin.flush()
        return float(self._read())

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()

    def _read(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()


def run_offline(model: str, threads: int) -> None:
    """The other side of `Offline`."""
    from finerank import Reranker

    torch.set_num_threads(threads)
    reranker = Reranker(model, self_test="off")
    print(0.0, flush=True)
    for line in sys.stdin:
        pairs = [(request["query"], text) for request in json.loads(line) for text in request["documents"]]
        started = time.monotonic()
        reranker.score(pairs)
        print(time.monotonic() - started, flush=True)


def measure_throughput(model: str, threads: int, turns: int) -> dict[str, Any]:
    """Seconds of each turn, and pairs a second as a share of the offline call's (median)."""
    seconds: dict[str, list[float]] = {"offline": [], "16 callers": [], "64 callers": []}
    flags = ("--model", model, "--threads", str(threads), "--result-cache", "off", "--self-test", "off")
    offline = Offline(model, threads)
    with serving(*flags) as server:
        try:
            for turn in range(turns):
                took = {}
                for number, name in enumerate(seconds):
                    # The same documents for all, but queries of its own for each: the server keeps known prefixes.
                    requests = make_requests(64, _DOCUMENTS, _WORDS, seed=turn, mark=number)
                    warm = make_requests(8, _DOCUMENTS, _WORDS, seed=1000 + turn, mark=number)

                    def run(requests: list[Request], name: str = name) -> float:
                        if name == "offline":
                            return offline.seconds(requests)
                        return asyncio.run(_answer_all(server.port, requests, int(name.split()[0])))

                    run(warm)  # a process that was idle has lost its pages to the system
                    took[name] = run(requests)
                    seconds[name].append(took[name])
                print(turn, {name: round(value, 2) for name, value in took.items()}, file=sys.stderr, flush=True)
        finally:
            offline.close()
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    shares = {name: medians["offline"] / value for name, value in medians.items()}
    return {"requests": 64, "documents": _DOCUMENTS, "seconds": seconds, "share_of_offline": shares}


async def _answer_all(port: int, requests: list[Request], callers: int) -> float:
    bodies = [json.dumps(request).encode() for request in requests]
    async with connections(port, min(callers, len(bodies))) as opened:
        started = time.monotonic()
        replies = await drive(opened, bodies)
        seconds = time.monotonic() - started
    assert all(reply.status == 200 for reply in replies), Counter(reply.status for reply in replies)
    return seconds


def measure_latency(model: str, threads: int, samples: int) -> dict[str, Any]:
    """p95 of 5-document requests, quiet and under load, in two phases each."""
    flags = ("--model", model, "--threads", str(threads), "--result-cache", "off", "--self-test", "off")
    quiet: list[float] = []
    loaded: list[float] = []
    with serving(*flags) as server:
        for phase in range(2):
            small = make_requests(samples // 2, 5, (40, 120), seed=100 + phase)
            quiet += asyncio.run(_latencies(server.port, small, background=0))
            small = make_requests(samples // 2, 5, (40, 120), seed=200 + phase)
            loaded += asyncio.run(_latencies(server.port, small, background=2))
            print(phase, [round(value, 2) for value in (*quiet, *loaded)], file=sys.stderr, flush=True)
    p95 = {"quiet": percentile(quiet, 0.95), "loaded": percentile(loaded, 0.95)}
    return {"quiet_s": quiet, "loaded_s": loaded, "p95_s": p95, "ratio": p95["loaded"] / p95["quiet"]}


async def _latencies(port: int, small: list[Request], background: int) -> list[float]:
    """Seconds of each small request, one after another with pauses, while others send 200 documents at a time."""
    rng = random.Random(len(small))
    async with connections(port, background + 1) as opened:
        (warm,) = make_requests(1, 5, (40, 120), seed=len(small) + 7)
        await opened[0].post("/v1/rerank", json.dumps(warm).encode())
        others = [asyncio.create_task(_keep_busy(caller, number)) for number, caller in enumerate(opened[1:])]
        await asyncio.sleep(3 if background else 0)
        seconds = []
        for request in small:
            await asyncio.sleep(rng.uniform(0, 2) if background else 0)
            reply = await opened[0].post("/v1/rerank", json.dumps(request).encode())
            assert reply.status == 200, reply
            seconds.append(reply.seconds)
        for other in others:
            other.cancel()
    return seconds


async def _keep_busy(caller: Connection, number: int) -> None:
    for turn in range(1000):
        (request,) = make_requests(1, 200, (40, 120), seed=1000 * number + turn)
        await caller.post("/v1/rerank", json.dumps(request).encode())


def measure_overload(threads: int, count: int, factor: float, num_rounds: int = 2) -> dict[str, Any]:
    """Outcomes of `count` requests at `factor` times the rate of a closed loop, round by round; resident memory."""
    with serving("--threads", str(threads), "--result-cache", "off", "--max-queue-tokens", "20000") as server:
        warm = make_requests(400, 10, (20, 40), seed=1)
        seconds = asyncio.run(_answer_all(server.port, warm[:200], 16))
        seconds = asyncio.run(_answer_all(server.port, warm[200:], 16))
        capacity = 200 / seconds
        rounds = []
        for turn in range(num_rounds):
            requests = make_requests(count, 10, (20, 40), seed=2 + turn)
            before = server.resident_bytes()
            replies = asyncio.run(_flood(server.port, requests, factor * capacity))
            rounds.append(_outcome(replies) | {"resident_before": before, "resident_after": server.resident_bytes()})
            print(rounds[-1], file=sys.stderr, flush=True)
        assert server.is_alive()
    return {"capacity_per_s": capacity, "offered_per_s": factor * capacity, "requests": count, "rounds": rounds}


async def _flood(port: int, requests: list[Request], rate: float) -> list[Reply]:
    """Open loop: a request is sent when its time has come, whether or not others were answered."""
    rng = random.Random(0)
    tasks = []
    for request in requests:
        tasks.append(asyncio.create_task(_send_alone(port, json.dumps(request).encode())))
        await asyncio.sleep(rng.expovariate(rate))
    return list(await asyncio.gather(*tasks))


async def _send_alone(port: int, body: bytes) -> Reply:
    caller = await Connection.open(port)
    try:
        return await caller.post("/v1/rerank", body)
    finally:
        caller.close()


def _outcome(replies: list[Reply]) -> dict[str, Any]:
    answered = [reply for reply in replies if reply.status == 200]
    assert all(len(reply.json()["results"]) == 10 for reply in answered)
    return {
        "statuses": {str(status): count for status, count in Counter(reply.status for reply in replies).items()},
        "p95_s": {
            "answered": percentile([reply.seconds for reply in answered], 0.95),
            "refused": percentile([reply.seconds for reply in replies if reply.status != 200] or [0.0], 0.95),
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tokenizer", type=Path)
    parser.add_argument("--only", choices=["throughput", "latency", "overload"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--samples", type=int, default=40)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--offline")
    options = parser.parse_args()
    if options.offline:
        run_offline(options.offline, options.threads)
        return
    wanted = [options.only] if options.only else ["throughput", "latency", "overload"]
    results: dict[str, Any] = {}
    if wanted != ["overload"]:
        model = str(make_checkpoint(Path("build/random-0.6b"), options.tokenizer))
    if "throughput" in wanted:
        results["throughput"] = measure_throughput(model, options.threads, options.turns)
        print("throughput, share of one offline call:", results["throughput"]["share_of_offline"])
    if "latency" in wanted:
        results["latency"] = measure_latency(model, options.threads, options.samples)
        print("p95 of 5 documents, loaded to quiet:", results["latency"]["ratio"], results["latency"]["p95_s"])
    if "overload" in wanted:
        results["overload"] = measure_overload(options.threads, options.requests, 4.0)
        print("overload:", [each["statuses"] for each in results["overload"]["rounds"]])
    if options.out:
        facts = {
            "date": datetime.now(UTC).date().isoformat(),
            "finerank": finerank.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
            "machine": device_name(torch.device("cpu")),
            "threads": options.threads,
        }
        options.out.write_text(json.dumps(facts | results, indent=1) + "\n")


if __name__ == "__main__":
    main()
