"""Options that more than one command has, with the help they show."""

from typing import Annotated, Any, Final

import typer

from ..client.providers import PROVIDERS
from ..models.hub import Hub
from ..types import LongDocuments, SelfTestMode

MODEL_PANEL: Final = "Model"
PROVIDER_PANEL: Final = "Instead of a model on this machine"
OUTPUT_PANEL: Final = "Output"
INDEX_PANEL: Final = "Index"


def model_option(*names: str, **more: Any) -> Any:
    """An option of how the model is loaded."""
    return typer.Option(*names, rich_help_panel=MODEL_PANEL, **more)


Model = Annotated[
    str | None,
    model_option(
        "--model",
        "-m",
        help="Hub id such as Qwen/Qwen3-Reranker-0.6B, or a local folder.",
        show_default="the small English model that comes with finerank",
    ),
]
ProviderName = Annotated[
    str | None,
    typer.Option(
        "--provider",
        help=f"Ask a rerank API for the --model: {', '.join(PROVIDERS)}. Its key comes from the environment "
        "(SILICONFLOW_API_KEY and so on).",
        show_default=False,
        rich_help_panel=PROVIDER_PANEL,
    ),
]
BaseUrl = Annotated[
    str | None,
    typer.Option(
        "--base-url",
        metavar="URL",
        help="Where the provider's API is.",
        show_default="the provider's own",
        rich_help_panel=PROVIDER_PANEL,
    ),
]
Revision = Annotated[
    str | None, model_option("--revision", help="Commit, tag or branch on the hub.", show_default="newest")
]
HubName = Annotated[Hub, model_option("--hub", help="Where to fetch models from.")]
Device = Annotated[str, model_option("--device", help="auto, cpu, cuda, cuda:1 or mps.")]
Dtype = Annotated[
    str, model_option("--dtype", help="auto, float32, bfloat16 or float16. auto is bfloat16 where that is native.")
]
MaxLength = Annotated[int, model_option("--max-length", min=16, max=32_768, help="Tokens of a whole prompt.")]
LongDocumentsMode = Annotated[
    LongDocuments,
    model_option("--long-documents", help="truncate cuts the end; chunk scores windows and keeps the best."),
]
PromptFormName = Annotated[
    str, model_option("--prompt-form", help="readme (the model card's) or evaluation (the official script's).")
]
Deterministic = Annotated[
    bool, model_option("--deterministic", help="The same score to the last bit in any company; slower.")
]
TrustRemoteCode = Annotated[
    bool, model_option("--trust-remote-code", help="Run Python code that a checkpoint brings along.")
]
SelfTest = Annotated[
    SelfTestMode, model_option("--self-test", help="Check on a few known texts that the model ranks sensibly.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.", rich_help_panel=OUTPUT_PANEL)]

DEFAULT_DB: Final = "finerank.db"
Db = Annotated[
    str,
    typer.Option(
        "--db",
        metavar="FILE_OR_URI",
        help="The index: a path that ends with .db (Milvus Lite), or a Milvus server as http://host:19530.",
        rich_help_panel=INDEX_PANEL,
    ),
]
Collection = Annotated[
    str, typer.Option("--collection", "-c", help="Name of the collection.", rich_help_panel=INDEX_PANEL)
]
MilvusToken = Annotated[
    str | None,
    typer.Option(
        "--milvus-token",
        envvar="MILVUS_TOKEN",
        help="user:password or API key of a Milvus server.",
        show_default=False,
        rich_help_panel=INDEX_PANEL,
    ),
]
EmbeddingModel = Annotated[
    str | None,
    model_option(
        "--embedding-model",
        help="Hub id such as Qwen/Qwen3-Embedding-0.6B, a local folder, or openai:MODEL.",
        show_default="the small English model that comes with finerank",
    ),
]
Dimensions = Annotated[
    int | None,
    model_option("--dimensions", min=1, help="Keep so many of a vector's numbers.", show_default="all"),
]
EmbeddingUrl = Annotated[
    str | None,
    model_option(
        "--embedding-url", metavar="URL", help="Where an openai: model is.", show_default="the provider's own"
    ),
]
