"""The client needs neither torch nor anything else of the extras."""

import subprocess
import sys

from .loopback import Loopback, scored

EXTRAS = ["torch", "numpy", "tokenizers", "safetensors", "transformers", "sentence_transformers", "huggingface_hub",
          "pydantic_settings", "fastapi", "starlette", "uvicorn", "gradio"]  # fmt: skip
COMMAND = "from finerank.cli import main; sys.argv[0] = 'finerank'; main()"


def run(code: str, *arguments: str, without: list[str]) -> "subprocess.CompletedProcess[str]":
    """`code` in a process that can import none of `without`."""
    block = f"import sys; sys.modules.update(dict.fromkeys({without})); "
    return subprocess.run([sys.executable, "-c", block + code, *arguments], capture_output=True, text=True, timeout=60)


def test_the_client_ranks_without_the_extras(server: Loopback) -> None:
    server.script = scored
    code = (
        "import asyncio\n"
        "from finerank import AsyncClient, Client\n"
        "from finerank.client import Retry\n"
        "with Client('vllm', base_url=sys.argv[1], template='never') as client:\n"
        "    print([each.index for each in client.rerank('q', ['d 1', 'd 2'])])\n"
        "Client(base_url=sys.argv[1])  # not closed: the exit must not hang\n"
        "PromptTemplate = __import__('finerank.client.template', fromlist=['x']).PromptTemplate()\n"
        "print(len(PromptTemplate.query_side('q', None)) > 99)\n"
    )
    done = run(code, server.url, without=[*EXTRAS, "pydantic", "typer", "rich"])
    assert (done.stdout, done.stderr, done.returncode) == ("[1, 0]\nTrue\n", "", 0)


def test_the_providers_names_cost_no_http() -> None:
    done = run("from finerank.client import PROVIDERS; print(len(PROVIDERS))", without=["httpx", "anyio", "tenacity"])
    assert done.stdout == "9\n", done.stderr


def test_the_command_asks_a_provider_without_the_extras(server: Loopback) -> None:
    server.script = scored
    arguments = ("rerank", "q", "d 1", "d 2", "--provider", "finerank", "--base-url", server.url, "--json")
    done = run(COMMAND, *arguments, without=EXTRAS)
    assert (done.stderr, done.returncode) == ("", 0)
    assert '"score": 0.002' in done.stdout


def test_a_missing_extra_is_one_sentence() -> None:
    done = run(COMMAND, "rerank", "q", "d", without=EXTRAS)
    assert (done.stdout, done.returncode) == ("", 2)
    assert done.stderr == "error: models on this machine need torch: pip install 'finerank[models]'\n"
