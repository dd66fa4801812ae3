"""One settings object out of a file, the environment and flags; whatever is wrong is said, never ignored."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from finerank.errors import SettingsError
from finerank.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith("FINERANK_"):
            monkeypatch.delenv(name)


def toml(folder: Path, text: str) -> Path:
    file = folder / "finerank.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_defaults_are_local_and_embedded() -> None:
    settings = load_settings()
    assert (settings.host, settings.port, settings.model) == ("127.0.0.1", 7860, None)


def test_flags_win_over_environment_and_environment_over_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = toml(tmp_path, 'port = 1\nmax_length = 100\ndtype = "float16"')
    monkeypatch.setenv("FINERANK_PORT", "2")
    monkeypatch.setenv("FINERANK_MAX_LENGTH", "200")
    settings = load_settings(file, port=3)
    assert (settings.port, settings.max_length, settings.dtype) == (3, 200, "float16")


def test_lists_are_written_with_commas_or_as_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINERANK_API_KEYS", "a=1, b=2,")
    settings = load_settings(
        toml(tmp_path, 'model = ["one", "two=/models/2@float32"]\ncors_origins = "https://a.example"')
    )
    assert settings.api_keys == ("a=1", "b=2")
    assert settings.model == ("one", "two=/models/2@float32")
    assert settings.cors_origins == ("https://a.example",)


def test_a_flag_that_is_none_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINERANK_DEVICE", "cpu")
    assert load_settings(device=None, port=None).device == "cpu"


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINERANK_MODEL", "")
    assert load_settings().model is None


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load_settings().port = 1  # type: ignore[misc]


def test_unknown_key_in_the_file_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"unknown key in .*finerank\.toml: max_lenght; did you mean max_length\?"):
        load_settings(toml(tmp_path, "max_lenght = 4096"))


def test_unknown_flag_names_the_nearest() -> None:
    with pytest.raises(SettingsError, match=r"unknown flag: prot; did you mean port\?"):
        load_settings(prot=1)


def test_unknown_key_without_a_near_one_lists_all(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="known are allow_model_changes"):
        load_settings(toml(tmp_path, "zzzzzz = 1"))


def test_unknown_variable_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINERANK_PROT", "1")
    with pytest.raises(SettingsError, match=r"FINERANK_PROT; did you mean FINERANK_PORT\?"):
        load_settings()


@pytest.mark.parametrize("name", ["FINERANK_API_KEY", "FINERANK_DATA", "FINERANK_GOLDEN_MODEL"])
def test_variables_of_other_parts_are_left_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "/somewhere")
    assert load_settings() == load_settings()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("port", 99_999, "--port is 99999; give port to listen on, 0 to 65535"),
        ("port", True, "--port is True"),
        ("hub", "github", "--hub is 'github'; give huggingface or modelscope"),
        ("self_test", "maybe", "--self-test is 'maybe'; give warn, require or off"),
        ("max_length", 40_000, "--max-length is 40000; .*16 to 32768"),
        ("threads", 0, "--threads is 0"),
        ("embedding_dimensions", 0, "--embedding-dimensions is 0; give numbers of a vector, at least 1"),
        ("embedding_model", "", "--embedding-model is ''; give hub id or local folder of an embedder"),
    ],
)
def test_a_bad_flag_is_named_with_its_value_and_remedy(name: str, value: object, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load_settings(**{name: value})


def test_a_bad_variable_is_named_by_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINERANK_PORT", "http")
    with pytest.raises(SettingsError, match="FINERANK_PORT is 'http'; give port"):
        load_settings()


def test_a_bad_value_in_the_file_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"deterministic in .*finerank\.toml is 'perhaps'; give true or false"):
        load_settings(toml(tmp_path, 'deterministic = "perhaps"'))


def test_a_file_that_is_not_there_or_not_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"gone\.toml cannot be read: No such file"):
        load_settings(tmp_path / "gone.toml")
    with pytest.raises(SettingsError, match="is not TOML"):
        load_settings(toml(tmp_path, "port 7"))


def test_every_setting_says_what_to_give() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_settings_know_neither_torch_nor_http() -> None:
    code = "import sys, finerank.settings; print(sorted({'torch', 'fastapi', 'uvicorn', 'httpx'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
