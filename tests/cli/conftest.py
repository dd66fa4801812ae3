"""Runs commands in this process, with a model that needs no weights."""

from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

import finerank.reranker
from finerank.cli import app

from .fake_model import FakeLoader

Run = Callable[..., Any]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run("rerank", "query", ..., stdin=b"")` -> a result with exit_code, stdout and stderr, in 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.setattr("typer.rich_utils.FORCE_TERMINAL", None, raising=False)  # set where CI is

    def run(*arguments: str, stdin: bytes = b"") -> Any:
        result = CliRunner().invoke(app, list(arguments), input=stdin)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return run


@pytest.fixture
def loader(monkeypatch: pytest.MonkeyPatch) -> FakeLoader:
    loader = FakeLoader()
    monkeypatch.setattr(finerank.reranker, "Reranker", loader)
    return loader
