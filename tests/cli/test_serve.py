"""`finerank serve`: flags, file and environment to settings; a missing extra."""

import sys
from inspect import signature
from pathlib import Path

import pytest

import finerank.cli.serve as command

from .conftest import Run

pytest.importorskip("fastapi")

import finerank.server.serve
from finerank.settings import Settings

SECRETS = {"api_keys", "search_token"}


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings that the server was started with."""
    served: list[Settings] = []
    monkeypatch.setattr(finerank.server.serve, "serve", served.append)
    return served


def test_every_setting_has_a_flag_but_secrets() -> None:
    assert set(signature(command.serve_command()).parameters) == {"config", *Settings.model_fields} - SECRETS


def test_the_help_shows_every_flag_with_its_default(run: Run) -> None:
    shown = " ".join(run("serve", "--help").stdout.replace("│", " ").split())
    for name, field in Settings.model_fields.items():
        if name not in SECRETS:
            assert "--" + name.replace("_", "-")[:12] in shown
        if isinstance(field.default, int | str) and not isinstance(field.default, bool):
            assert f"[default: ({field.default})]" in shown, name


def test_models_may_be_given_several_times(run: Run, served: list[Settings]) -> None:
    assert run("serve", "--model", "a/b", "-m", "law=/models/law@float32").exit_code == 0
    assert served[0].model == ("a/b", "law=/models/law@float32")


def test_flags_win_over_the_environment_and_that_over_the_file(
    run: Run, served: list[Settings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "finerank.toml"
    file.write_text('port = 1001\nhost = "10.0.0.1"\nmax_documents = 5\ndeterministic = true\n')
    monkeypatch.setenv("FINERANK_HOST", "10.0.0.2")
    result = run("serve", "--config", str(file), "--max-documents", "7", "--no-deterministic", "--parse-control-tokens")
    assert result.exit_code == 0, result.stderr
    (settings,) = served
    assert (settings.port, settings.host, settings.max_documents) == (1001, "10.0.0.2", 7)
    assert (settings.deterministic, settings.parse_control_tokens) == (False, True)


def test_without_anything_the_defaults_serve(run: Run, served: list[Settings]) -> None:
    assert run("serve").exit_code == 0
    assert served == [Settings()]


def test_a_setting_that_cannot_be_used_is_one_sentence_and_exit_2(
    run: Run, served: list[Settings], tmp_path: Path
) -> None:
    result = run("serve", "--port", "99999")
    assert (result.exit_code, served) == (2, [])
    assert result.stderr.startswith("error: --port is 99999")
    file = tmp_path / "finerank.toml"
    file.write_text("prot = 1\n")
    result = run("serve", "--config", str(file))
    assert (result.exit_code, "did you mean port?" in result.stderr) == (2, True)


def test_a_missing_extra_names_the_command_that_installs_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "finerank.server.serve")
    result = run("serve")
    assert result.exit_code == 2
    assert "pip install 'finerank[server]'" in result.stderr
