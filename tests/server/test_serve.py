"""The server as a process of its own, on a free port of this machine."""

import os
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

PROGRAM = """
import sys
from finerank.errors import FinerankError
from finerank.server.serve import serve
from finerank.settings import load_settings
try:
    serve(load_settings(port=0, threads=1, model=sys.argv[1] if len(sys.argv) > 1 else None))
except FinerankError as error:
    sys.exit(f"error: {error}")
"""
ROOT = Path(__file__).parents[2]


@contextmanager
def process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", PROGRAM, *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as running:
        timer = threading.Timer(60, running.kill)
        timer.start()
        try:
            yield running
        finally:
            timer.cancel()
            running.kill()


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
        assert running.stderr.read() == ""


def test_a_model_that_cannot_be_loaded_ends_the_process(tmp_path: Path) -> None:
    with process(str(tmp_path)) as running:
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
