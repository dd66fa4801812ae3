"""`Settings`: every choice a server is started with, merged from a file, the environment and flags.

Flags win over `FINERANK_*` variables, which win over the TOML file. Nothing is ignored: an unknown key or a value
that cannot be used raises SettingsError. This module knows neither torch nor HTTP.
"""

import os
import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from .errors import SettingsError
from .types import LongDocuments, SelfTestMode

PREFIX: Final = "FINERANK_"
NOT_SETTINGS: Final = frozenset({"FINERANK_DATA", "FINERANK_GOLDEN_MODEL"})
"""Variables with the prefix that other parts of finerank read."""


def _refuse_bool(value: object) -> object:
    """`port = true` would count as 1."""
    if isinstance(value, bool):
        raise ValueError("true and false are not numbers")
    return value


Number = Annotated[int, BeforeValidator(_refuse_bool)]


class Settings(BaseSettings):
    """How to load the model and how to serve it. The descriptions double as the remedy in error messages.

    Use `load_settings`: it also reads a file, and says in plain words what is wrong with a value.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True, hide_input_in_errors=True
    )

    host: str = Field("127.0.0.1", min_length=1, description="address to listen on; 0.0.0.0 for all of this machine's")
    port: Number = Field(7860, ge=0, le=65_535, description="port to listen on, 0 to 65535 (0 = any free one)")

    model: str | None = Field(
        None, min_length=1, description="hub id or local folder of the model; leave it out for the embedded one"
    )
    revision: str | None = Field(None, min_length=1, description="commit, tag or branch of the hub's model")
    hub: Literal["huggingface", "modelscope"] = Field("huggingface", description="huggingface or modelscope")
    device: str = Field("auto", min_length=1, description="auto, cpu, cuda, cuda:1 or mps")
    dtype: str = Field("auto", min_length=1, description="auto, float32, bfloat16 or float16")
    max_length: Number = Field(8192, ge=16, le=32_768, description="tokens of a whole prompt, 16 to 32768")
    long_documents: LongDocuments = Field("truncate", description="truncate (cut the end) or chunk (best window)")
    prompt_form: str = Field("readme", min_length=1, description="readme (the model card's) or evaluation")
    deterministic: bool = Field(False, description="true or false: the same score to the last bit in any company")
    parse_control_tokens: bool = Field(False, description="true or false: read <|im_end|> in texts as a control token")
    batch_tokens: Number | None = Field(None, ge=16, description="tokens of a packed batch; leave it out to fit device")
    trust_remote_code: bool = Field(False, description="true or false: run Python code that a checkpoint brings")
    self_test: SelfTestMode = Field("warn", description="warn, require or off")
    threads: Number | None = Field(None, ge=1, le=1024, description="CPU threads; leave it out for torch's own choice")

    max_documents: Number = Field(1000, ge=1, description="most documents in a request, at least 1")
    max_body_bytes: Number = Field(32 << 20, ge=1024, description="most bytes of a request's body, at least 1024")


def load_settings(config: Path | None = None, **flags: Any) -> Settings:
    """The settings of a TOML file, the environment and `flags`, in rising priority. A flag that is None is not set.

    Raises SettingsError naming an unknown key and the nearest known one, or a bad value and what to give instead.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    written = _read(config) if config is not None else {}
    _check_names(given, "flag")
    _check_names(written, f"key in {config}")
    _check_environment(os.environ)
    in_environment = {name.upper() for name, value in os.environ.items() if value}
    behind = {name: value for name, value in written.items() if f"{PREFIX}{name.upper()}" not in in_environment}
    try:
        return Settings(**{**behind, **given})
    except ValidationError as error:
        raise SettingsError(_sentence(error, given, config)) from None


def _read(config: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(config.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{config} cannot be read: {error.strerror}; name a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{config} is not TOML: {error}") from None


def _check_names(names: Iterable[str], what: str) -> None:
    for name in names:
        if name not in Settings.model_fields:
            raise SettingsError(f"unknown {what}: {name}{_hint(name, Settings.model_fields)}")


def _check_environment(environment: Mapping[str, str]) -> None:
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | NOT_SETTINGS
    for name in sorted(environment):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            raise SettingsError(f"unknown environment variable {name}{_hint(name.upper(), known)}")


def _hint(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else f"; known are {', '.join(sorted(known))}"


def _sentence(error: ValidationError, given: Mapping[str, Any], config: Path | None) -> str:
    """The first trouble: where the value came from, the value, and what to give instead."""
    name = str(error.errors()[0]["loc"][0])
    variable = f"{PREFIX}{name.upper()}"
    remedy = Settings.model_fields[name].description
    if name in given:
        return f"--{name.replace('_', '-')} is {given[name]!r}; give {remedy}"
    if os.environ.get(variable):
        return f"{variable} is {os.environ[variable]!r}; give {remedy}"
    return f"{name} in {config} is {error.errors(include_input=True)[0]['input']!r}; give {remedy}"
