"""`finerank serve`: the HTTP server and its web page.

The defaults live in settings.py, which needs the server extra; the help only repeats them, and a test compares.
A flag that was not given is None, so that the file and the environment keep their say.
"""

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ..errors import SettingsError
from ..models.hub import Hub
from ..types import LongDocuments, SelfTestMode
from . import options

_SERVER_PANEL: Final = "Server"
_EXTRA: Final = ("fastapi", "gradio", "pydantic", "pydantic_settings", "starlette", "uvicorn")


def _server_option(name: str, default: str, description: str, **more: Any) -> Any:
    return typer.Option(name, help=description, show_default=default, rich_help_panel=_SERVER_PANEL, **more)


Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help="TOML file of settings. Flags win over FINERANK_... variables, which win over the file.",
        show_default="none",
    ),
]
Host = Annotated[str | None, _server_option("--host", "127.0.0.1", "Address to listen on; 0.0.0.0 for all.")]
Port = Annotated[int | None, _server_option("--port", "7860", "Port to listen on; 0 = any free one.")]
MaxDocuments = Annotated[int | None, _server_option("--max-documents", "1000", "Most documents in a request.")]
MaxBodyBytes = Annotated[
    int | None, _server_option("--max-body-bytes", "33554432", "Most bytes of a request's body (32 MiB).")
]
Threads = Annotated[int | None, _server_option("--threads", "torch's own choice", "CPU threads.")]
HubName = Annotated[
    Hub | None, options.model_option("--hub", help="Where to fetch models.", show_default="huggingface")
]
Device = Annotated[
    str | None, options.model_option("--device", help="auto, cpu, cuda, cuda:1 or mps.", show_default="auto")
]
Dtype = Annotated[
    str | None, options.model_option("--dtype", help="auto, float32, bfloat16 or float16.", show_default="auto")
]
MaxLength = Annotated[
    int | None, options.model_option("--max-length", help="Tokens of a whole prompt, 16 to 32768.", show_default="8192")
]
LongDocumentsMode = Annotated[
    LongDocuments | None,
    options.model_option("--long-documents", help="Cut the end, or keep the best window.", show_default="truncate"),
]
PromptFormName = Annotated[
    str | None, options.model_option("--prompt-form", help="readme or evaluation.", show_default="readme")
]
Deterministic = Annotated[
    bool | None,
    options.model_option(
        "--deterministic/--no-deterministic",
        help="The same score to the last bit in any company; slower.",
        show_default="no-deterministic",
    ),
]
ParseControlTokens = Annotated[
    bool | None,
    options.model_option(
        "--parse-control-tokens/--no-parse-control-tokens",
        help="Read <|im_end|> and its like in texts as control tokens, as the reference does. Open to injection.",
        show_default="no-parse-control-tokens",
    ),
]
BatchTokens = Annotated[
    int | None, options.model_option("--batch-tokens", help="Tokens of a packed batch.", show_default="by device")
]
TrustRemoteCode = Annotated[
    bool | None,
    options.model_option(
        "--trust-remote-code/--no-trust-remote-code",
        help="Run Python code that a checkpoint brings along.",
        show_default="no-trust-remote-code",
    ),
]
SelfTest = Annotated[
    SelfTestMode | None,
    options.model_option("--self-test", help="Check that the model ranks known texts sensibly.", show_default="warn"),
]


def serve(
    config: Config = None,
    host: Host = None,
    port: Port = None,
    model: options.Model = None,
    revision: options.Revision = None,
    hub: HubName = None,
    device: Device = None,
    dtype: Dtype = None,
    max_length: MaxLength = None,
    long_documents: LongDocumentsMode = None,
    prompt_form: PromptFormName = None,
    deterministic: Deterministic = None,
    parse_control_tokens: ParseControlTokens = None,
    batch_tokens: BatchTokens = None,
    trust_remote_code: TrustRemoteCode = None,
    self_test: SelfTest = None,
    max_documents: MaxDocuments = None,
    max_body_bytes: MaxBodyBytes = None,
    threads: Threads = None,
) -> None:
    """Start the server: the rerank API that clients of Jina and Cohere speak, and a web page."""
    flags = {name: value for name, value in locals().items() if name != "config"}
    try:
        from ..server.serve import serve as serve_settings
        from ..settings import load_settings

        serve_settings(load_settings(config, **flags))
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in _EXTRA:
            raise
        raise SettingsError(f"the server needs {error.name}: pip install 'finerank[server]'") from error
