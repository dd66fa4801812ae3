"""What only a real process shows: imports, exit codes, signals, pipes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import finerank

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "numpy", "transformers", "sentence_transformers", "huggingface_hub", "fastapi", "gradio")

WITH_FAKE_MODEL = """
import os, signal, sys, threading
import finerank.reranker
from finerank.cli import main
from tests.cli.fake_model import FakeLoader

class Loader(FakeLoader):
    def __call__(self, *names, **options):
        reranker = super().__call__(*names, **options)
        if "slow" in sys.argv:
            threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        return reranker

finerank.reranker.Reranker = Loader()
main()
"""


def python(code: str, *arguments: str, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        text=True,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        **options,
    )


def output_of(code: str, *arguments: str) -> tuple[int, str, str]:
    process = python(code, *arguments, stdout=subprocess.PIPE)
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("rerank", "--help"), ("serve", "--help")])
def test_help_and_version_are_printed_without_torch(arguments: tuple[str, ...]) -> None:
    code = f"""
import sys
from finerank.cli import app
try:
    app(prog_name="finerank")
finally:
    print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)
"""
    status, out, err = output_of(code, *arguments)
    assert (status, err.strip()) == (0, "[]")
    assert ("Usage: finerank" in out) or out == f"finerank {finerank.__version__}\n"


def test_the_package_is_imported_without_torch() -> None:
    code = f"import sys, finerank; print([name for name in {HEAVY} if name in sys.modules])"
    assert output_of(code) == (0, "[]\n", "")


def test_python_dash_m_is_the_command() -> None:
    command = [sys.executable, "-m", "finerank.cli", "rerank", "q"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith("error: no documents")


def test_control_c_ends_at_once_and_quietly_even_within_a_long_batch() -> None:
    assert output_of(WITH_FAKE_MODEL, "rerank", "slow", "d", "--model", "m") == (130, "", "")


@pytest.mark.parametrize("form", [(), ("--jsonl",)])
def test_a_terminal_that_cannot_show_a_text_still_gets_the_ranking(form: tuple[str, ...]) -> None:
    code = "import sys; sys.stdout.reconfigure(encoding='ascii')\n" + WITH_FAKE_MODEL
    status, out, err = output_of(code, "rerank", "q", "漢字 q", "bad \udcff byte", "--model", "m", *form)
    assert status == 0, err
    assert ("\\u6f22" if form else "#####.....") in out


@pytest.mark.parametrize("form", [(), ("--jsonl",), ("--json",)])
def test_a_reader_that_has_gone_is_no_error(form: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = python(WITH_FAKE_MODEL, "rerank", "q", "d", "--model", "m", *form, stdout=writing)
    os.close(writing)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 141
    assert "Traceback" not in err
    assert "BrokenPipe" not in err
