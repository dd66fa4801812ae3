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
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from .errors import SettingsError
from .types import LongDocuments, SelfTestMode

PREFIX: Final = "FINERANK_"
NOT_SETTINGS: Final = frozenset({"FINERANK_API_KEY", "FINERANK_DATA", "FINERANK_GOLDEN_MODEL"})
"""Variables with the prefix that other parts of finerank read."""


def _refuse_bool(value: object) -> object:
    """`port = true` would count as 1."""
    if isinstance(value, bool):
        raise ValueError("true and false are not numbers")
    return value


Number = Annotated[int, BeforeValidator(_refuse_bool)]


def _panel(panel: str) -> Any:
    """A field of Settings with its help, under a heading of `finerank serve --help`."""

    def field(default: Any, description: str, **limits: Any) -> Any:
        return Field(default, description=description, json_schema_extra={"panel": panel}, **limits)

    return field


def _field_without_flag(default: Any, description: str) -> Any:
    return Field(default, description=description)


_server, _model, _limit = _panel("Server"), _panel("Model"), _panel("Limits")
_key, _log_option = _panel("Keys"), _panel("Logs and traces")
_search = _panel("Search")


def _split(value: object) -> object:
    """Lists are written `a,b` in a variable; a file and flags may give real lists."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class Settings(BaseSettings):
    """How to load the models and how to serve them. The descriptions double as help and as remedy in error messages.

    Use `load_settings`: it also reads a file, and says in plain words what is wrong with a value.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True, hide_input_in_errors=True
    )

    host: str = _server("127.0.0.1", "address to listen on; 0.0.0.0 for all of this machine's", min_length=1)
    port: Number = _server(7860, "port to listen on, 0 to 65535 (0 = any free one)", ge=0, le=65_535)
    cors_origins: Names = _server((), "web origins that may call from a browser, such as https://example.org; none")
    drain_seconds: float = _server(30.0, "seconds that a stop waits for requests under way, 0 to 3600", ge=0, le=3600)

    model: Names | None = _model(
        None,
        "hub id or local folder, or NAME=MODEL@DTYPE; may be given several times; leave it out for the embedded one",
    )
    revision: str | None = _model(None, "commit, tag or branch of the hub's (first) model", min_length=1)
    hub: Literal["huggingface", "modelscope"] = _model("huggingface", "huggingface or modelscope")
    device: str = _model("auto", "auto, cpu, cuda, cuda:1 or mps", min_length=1)
    dtype: str = _model("auto", "auto, float32, bfloat16 or float16", min_length=1)
    max_length: Number = _model(8192, "tokens of a whole prompt, 16 to 32768", ge=16, le=32_768)
    long_documents: LongDocuments = _model("truncate", "truncate (cut the end) or chunk (keep the best window)")
    prompt_form: str = _model("readme", "readme (the model card's) or evaluation", min_length=1)
    deterministic: bool = _model(False, "true or false: the same score to the last bit in any company; slower")
    parse_control_tokens: bool = _model(
        False, "true or false: read <|im_end|> in texts as a control token, as the reference does; open to injection"
    )
    batch_tokens: Number | None = _model(None, "tokens of a packed batch; leave it out to fit the device", ge=16)
    trust_remote_code: bool = _model(False, "true or false: run Python code that a checkpoint brings")
    self_test: SelfTestMode = _model("warn", "warn, require or off: does the model rank known texts sensibly?")
    calibration: Path | None = _model(
        None, "file of finerank calibrate for the (first) model: scores become its probabilities"
    )
    threads: Number | None = _model(None, "CPU threads; leave it out for torch's own choice", ge=1, le=1024)
    strict_model: bool = _model(False, "true or false: refuse a request that names another model than those served")
    max_model_memory: float | None = _model(
        None, "GiB of weights in memory at once, embedding models among them; idle rerankers are put away", gt=0
    )
    allow_model_changes: bool | None = _model(
        None, "true or false: load models and adapters over HTTP and from the page; left out: only on this machine"
    )

    embedding_model: str | None = _model(
        None,
        "hub id or local folder of an embedder, or openai:MODEL, for /v1/embeddings and /embed; leave it out for the "
        "embedded one",
        min_length=1,
    )
    embedding_dimensions: Number | None = _model(
        None, "numbers of a vector, at least 1, for embedders trained to be cut; leave it out for all", ge=1
    )

    search_db: str | None = _search(
        None, "index to search: a path that ends with .db, or a Milvus server as http://host:19530; none", min_length=1
    )
    search_collection: str = _search("finerank", "collection that is searched unless a request names another")
    # No flag, as with the keys.
    search_token: str | None = _field_without_flag(None, "user:password or API key of the Milvus server")

    max_documents: Number = _limit(1000, "most documents in a request, at least 1", ge=1)
    max_request_tokens: Number | None = _limit(None, "most tokens in a request; leave it out for no limit", ge=16)
    max_body_bytes: Number = _limit(32 << 20, "most bytes of a request's body, at least 1024", ge=1024)
    max_queue_tokens: Number | None = _limit(
        None, "most tokens that may wait or be computed; leave it out for 128 batches", ge=16
    )
    request_timeout: float = _limit(600.0, "seconds after which a request is given up, more than 0", gt=0)
    strict_fields: bool = _limit(False, "true or false: refuse unknown fields instead of naming them in a header")
    result_cache: str = _limit(
        "memory",
        "memory, off, a folder as disk:/path, or redis://host:port/0",
        pattern=r"^(memory|off|disk:.+|rediss?://.+)$",
    )
    result_cache_mb: Number = _limit(64, "MiB of scores kept in memory or on disk, at least 1", ge=1)

    # No flag: a command line is readable by every user of the machine.
    api_keys: Names = _field_without_flag(
        (), "keys that callers must send, as key or name=key, with commas between; none = no keys"
    )
    api_keys_file: Path | None = _key(None, "file of keys, one a line as key or name=key; read again when it changes")
    key_requests_per_minute: Number | None = _key(None, "requests a minute for each key, at least 1", ge=1)
    key_tokens_per_minute: Number | None = _key(None, "tokens a minute for each key, at least 1", ge=1)

    log_file: Path | None = _log_option(None, "file for one JSON line a request; leave it out for standard error only")
    log_level: Literal["debug", "info", "warning", "error"] = _log_option("info", "debug, info, warning or error")
    log_format: Literal["text", "json"] = _log_option("text", "text or json, on standard error")
    log_texts: bool = _log_option(False, "true or false: write queries and documents into the log")
    trace_endpoint: str | None = _log_option(None, "OpenTelemetry collector, such as http://localhost:4318/v1/traces")


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
