"""The server as a process of its own, on a free port of this machine."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from finerank.errors import SettingsError
from finerank.server.serve import listening_socket, local_url

FAKE = """
import sys, time
from finerank.cli import app
from finerank.reranker import Reranker
from finerank.server import model_slot
from tests.server.fake_model import FakeModel

class Slow(FakeModel):
    def compute(self, pairs):
        time.sleep({"slow": 2, "stuck": 1000}.get(pairs[0].payload[0], 0))
        return super().compute(pairs)

model_slot.load_reranker = lambda settings: Reranker.from_model(Slow())
app(["serve", "--port", "0", *sys.argv[1:]])
"""
"""`finerank serve` whose model takes two seconds for the document `slow` and never ends with `stuck`."""
ROOT = Path(__file__).parents[2]


@contextmanager
def process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`finerank serve` with the embedded model."""
    with python("-m", "finerank.cli", "serve", "--port", "0", "--threads", "1", *arguments) as running:
        yield running


@contextmanager
def fake(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`finerank serve` with a model that needs no weights."""
    with python("-c", FAKE, *arguments) as running:
        yield running


@contextmanager
def python(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, *arguments], stdout=pipe, stderr=pipe, text=True, env=environment
    ) as running:
        timer = threading.Timer(60, running.kill)
        timer.start()
        try:
            yield running
        finally:
            timer.cancel()
            running.kill()


def url_of(running: subprocess.Popen[str]) -> str:
    """Once it is ready."""
    assert running.stdout is not None
    for line in running.stdout:
        if line.startswith("Running on local URL: "):
            return line.strip().removeprefix("Running on local URL: ").replace("localhost", "127.0.0.1")
    raise AssertionError(running.stderr.read() if running.stderr else "it ended")


def test_it_says_where_it_is_answers_and_stops() -> None:
    with process() as running:
        assert running.stdout is not None
        lines = []
        for line in running.stdout:
            lines.append(line.strip())
            if line.startswith("Running on local URL: "):
                break
        url = lines[-1].removeprefix("Running on local URL: ").replace("localhost", "127.0.0.1")
        assert "all-MiniLM-L6-v2, float32 on cpu" in " ".join(lines)
        with httpx.Client(base_url=url, trust_env=False, timeout=20) as client:
            assert client.get("/ready").json()["self_test"]["is_passed"]
            data = ["explain gradient descent", "a cake\ngradient descent is an optimiser", "", 8]
            answer = client.post("/api/predict", json={"data": data}).json()
            assert answer["data"][0][0] == "gradient descent is an optimiser"
            too_large = client.post("/v1/rerank", content=b"x" * (33 << 20))
            assert too_large.status_code == 413
            with ThreadPoolExecutor(1) as pool, client.stream("GET", "/gradio_api/heartbeat/page") as open_page:
                body = {"query": "mars", "documents": [f"{number} " * 200 for number in range(100)]}
                under_way = pool.submit(httpx.post, f"{url}/v1/rerank", json=body, trust_env=False, timeout=30)
                time.sleep(0.3)
                running.send_signal(signal.SIGTERM)
                assert running.wait(25) == 0
                assert under_way.result().status_code == open_page.status_code == 200
        assert running.stderr is not None
        said = running.stderr.read().splitlines()
        requests = [re.sub(r".*\] (\S+ \S+ \d+).*", r"\1", line) for line in said]
        assert requests == ["POST /api/predict 200", "POST /v1/rerank 413", "POST /v1/rerank 200"]


def test_under_load_every_request_that_was_taken_is_answered(tmp_path: Path) -> None:
    """Each caller makes a connection for each request; when the server stops, connecting is what fails."""
    with fake("--log-file", str(tmp_path / "log"), "--log-level", "info") as running:
        url = url_of(running)
        assert running.stderr is not None
        # A process that logs into a pipe that nobody empties stands still.
        threading.Thread(target=running.stderr.read, daemon=True).start()
        statuses: list[int] = []
        trouble: list[Exception] = []

        def call(number: int) -> None:
            with httpx.Client(trust_env=False, timeout=30) as client:
                for turn in range(10_000):
                    body = {"query": f"mars {number} {turn}", "documents": [f"{turn} mars", "venus"] * 10}
                    try:
                        answer = client.post(f"{url}/v1/rerank", json=body, headers={"Connection": "close"})
                        statuses.append(answer.status_code)
                    except httpx.ConnectError:
                        return
                    except Exception as error:
                        trouble.append(error)

        with ThreadPoolExecutor(32) as pool:
            callers = [pool.submit(call, number) for number in range(32)]
            time.sleep(1)
            running.send_signal(signal.SIGTERM)
            assert running.wait(30) == 0
            assert all(caller.result(30) is None for caller in callers)
        assert trouble == []
        assert len(statuses) > 50
        assert set(statuses) == {200}
        lines = (tmp_path / "log").read_text().splitlines()
        assert len([line for line in lines if '"status": 200' in line]) == len(statuses)


def test_while_it_stops_it_is_not_ready_and_takes_no_new_connection() -> None:
    with fake() as running:
        url = url_of(running)
        port = int(url.rpartition(":")[2])
        body = {"query": "mars", "documents": ["slow"]}
        with ThreadPoolExecutor(1) as pool, socket.create_connection(("127.0.0.1", port)) as early:
            under_way = pool.submit(httpx.post, f"{url}/v1/rerank", json=body, trust_env=False, timeout=30)
            time.sleep(0.5)
            running.send_signal(signal.SIGTERM)
            time.sleep(0.2)
            early.sendall(b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n")
            said = b""
            while received := early.recv(65536):  # to the end: the server closes
                said += received
            assert said.startswith(b"HTTP/1.1 503 ")
            assert b"this server is stopping" in said
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port))
            assert under_way.result().status_code == 200
        assert running.wait(20) == 0


def test_a_request_that_is_stuck_does_not_hold_up_the_stop() -> None:
    with fake("--drain-seconds", "1") as running:
        url = url_of(running)
        with ThreadPoolExecutor(1) as pool:
            body = {"query": "q", "documents": ["stuck"]}
            stuck = pool.submit(httpx.post, f"{url}/v1/rerank", json=body, trust_env=False, timeout=30)
            time.sleep(0.5)
            running.send_signal(signal.SIGTERM)
            assert running.wait(1 + 5 + 3) == 0
            assert stuck.result().status_code == 503
            assert "this server stopped before the request was done" in stuck.result().text
        assert running.stderr is not None
        assert "a batch in hand did not end in time; stopped without it" in running.stderr.read()


def test_keys_and_the_log_are_those_of_the_settings(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("alice=secret-a\n")
    with fake("--api-keys-file", str(tmp_path / "keys"), "--log-format", "json", "--host", "0.0.0.0") as running:
        assert running.stdout is not None
        lines = []
        for line in running.stdout:
            lines.append(line.strip())
            if line.startswith("Running on local URL: "):
                break
        assert "Listening on 0.0.0.0: whoever reaches this address can use the server with a key" in lines
        url = lines[-1].removeprefix("Running on local URL: ").replace("localhost", "127.0.0.1")
        body = {"query": "mars", "documents": ["mars"] * 1000}
        with httpx.Client(base_url=url, trust_env=False, timeout=20) as client:
            # Larger than the sockets' buffers: a client reads no answer while it is still writing.
            refused = client.post("/v1/rerank", content=b"x" * (8 << 20))
            assert refused.status_code == 401
            assert client.post("/v1/rerank", json=body, headers={"X-API-Key": "secret-a"}).status_code == 200
        running.send_signal(signal.SIGTERM)
        assert running.wait(20) == 0
        assert running.stderr is not None
        logged = [json.loads(line) for line in running.stderr.read().splitlines()]
        assert [(line["status"], line.get("caller")) for line in logged] == [(401, None), (200, "alice")]


@pytest.mark.parametrize("flag", ["--log-file", "--api-keys-file"])
def test_a_file_that_cannot_be_had_ends_the_process_in_a_sentence(tmp_path: Path, flag: str) -> None:
    with process(flag, str(tmp_path / "no" / "such")) as running:
        _, errors = running.communicate(timeout=50)
        assert running.returncode == 2
        assert errors.startswith(f"error: {flag}: ")
        assert "Traceback" not in errors


def test_a_model_that_cannot_be_loaded_ends_the_process(tmp_path: Path) -> None:
    with process("--model", str(tmp_path)) as running:
        output, errors = running.communicate(timeout=50)
        assert running.returncode == 1
        assert "is no model: it has no config.json" in errors
        assert "Traceback" not in errors
        assert "Running on" not in output


def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(SettingsError, match=f"port {port} is taken by another program; .* --port"):
            listening_socket("127.0.0.1", port)


def test_an_address_of_another_machine_is_named() -> None:
    with pytest.raises(SettingsError, match=r"cannot listen on 192\.0\.2\.1, port 0: .*--host"):
        listening_socket("192.0.2.1", 0)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://localhost:7860"),
        ("0.0.0.0", "http://localhost:7860"),
        ("10.0.0.5", "http://10.0.0.5:7860"),
        ("fd00::1", "http://[fd00::1]:7860"),
    ],
)
def test_the_url_is_one_that_a_browser_here_can_open(host: str, url: str) -> None:
    assert local_url(host, 7860) == url
