"""`finerank rerank`: documents in, the same documents out, best first."""

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ..errors import InputError
from ..instructions import PRESETS, resolve_instruction
from ..models.embedded import ADVICE
from . import options
from .console import advise, heard_warnings, is_watched, progress_bar, warn
from .documents import Documents, Format, gather_documents
from .failures import FAILED
from .ranking_json import print_json, print_json_lines
from .ranking_table import facts_line, print_table

if TYPE_CHECKING:
    from ..types import Ranking

_DOCUMENTS_PANEL: Final = "Documents"
_RANKING_PANEL: Final = "Ranking"

File = Annotated[
    str | None,
    typer.Option(
        "--file",
        "-f",
        help="Documents in UTF-8: text (one a line), .jsonl or .csv with a header; - is standard input.",
        show_default=False,
        rich_help_panel=_DOCUMENTS_PANEL,
    ),
]
FormatName = Annotated[
    Format | None,
    typer.Option("--format", help="What the file is.", show_default="by its suffix", rich_help_panel=_DOCUMENTS_PANEL),
]
Field = Annotated[
    str,
    typer.Option("--field", help="JSON key or CSV column that holds the text.", rich_help_panel=_DOCUMENTS_PANEL),
]
Instruction = Annotated[
    str | None,
    typer.Option(
        "--instruction",
        "-i",
        help='What "relevant" means, in an English sentence (models that take one).',
        show_default="web search",
        rich_help_panel=_RANKING_PANEL,
    ),
]
Preset = Annotated[
    str | None,
    typer.Option(
        "--preset",
        help=f"An instruction by name: {', '.join(PRESETS)}.",
        show_default=False,
        rich_help_panel=_RANKING_PANEL,
    ),
]
TopN = Annotated[
    int | None,
    typer.Option(
        "--top-n", "-n", min=1, help="Keep only the best N.", show_default="all", rich_help_panel=_RANKING_PANEL
    ),
]
MinScore = Annotated[
    float | None,
    typer.Option(
        "--min-score",
        min=0.0,
        max=1.0,
        help="Keep only documents of at least this probability.",
        show_default="all",
        rich_help_panel=_RANKING_PANEL,
    ),
]
BatchSize = Annotated[
    int,
    typer.Option("--batch-size", min=0, help="Most documents at once; 0 = automatic.", rich_help_panel=_RANKING_PANEL),
]
AsJsonLines = Annotated[
    bool, typer.Option("--jsonl", help="Print one JSON object a document.", rich_help_panel=options.OUTPUT_PANEL)
]


def rerank(
    query: Annotated[str, typer.Argument(help="What the documents should answer.")],
    documents: Annotated[
        list[str] | None, typer.Argument(metavar="DOC", help="The documents.", show_default=False)
    ] = None,
    file: File = None,
    form: FormatName = None,
    field: Field = "text",
    instruction: Instruction = None,
    preset: Preset = None,
    top_n: TopN = None,
    min_score: MinScore = None,
    batch_size: BatchSize = 0,
    model: options.Model = None,
    revision: options.Revision = None,
    hub: options.HubName = "huggingface",
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    max_length: options.MaxLength = 8192,
    long_documents: options.LongDocumentsMode = "truncate",
    prompt_form: options.PromptFormName = "readme",
    deterministic: options.Deterministic = False,
    trust_remote_code: options.TrustRemoteCode = False,
    self_test: options.SelfTest = "warn",
    as_json: options.AsJson = False,
    as_json_lines: AsJsonLines = False,
) -> None:
    """Rank documents by how well they answer QUERY."""
    if as_json and as_json_lines:
        raise InputError("--json and --jsonl were both given; give one of them")
    asked = {
        "instruction": resolve_instruction(instruction, preset),
        "top_n": top_n,
        "min_score": min_score,
        "batch_size": batch_size,
    }
    gathered = gather_documents(documents or [], file, text_field=field, form=form)
    loading = {
        "revision": revision,
        "hub": hub,
        "device": device,
        "dtype": dtype,
        "max_length": max_length,
        "long_documents": long_documents,
        "prompt_form": prompt_form,
        "deterministic": deterministic,
        "trust_remote_code": trust_remote_code,
        "self_test": self_test,
    }
    ranking, warnings = _rank(query, gathered, model, loading, asked)
    if as_json:
        print_json(ranking, gathered.originals, warnings)
    elif as_json_lines:
        print_json_lines(ranking, gathered.originals)
        advise(facts_line(ranking.facts))
    else:
        print_table(ranking)
    _finish(ranking)


def _rank(
    query: str, documents: Documents, model: str | None, loading: dict[str, Any], asked: dict[str, Any]
) -> tuple["Ranking", list[str]]:
    """The ranking, and every warning on the way to it; each has been shown."""
    for message in documents.warnings:
        warn(message)
    if is_watched():
        advise(f"loading {model or 'the embedded model'} ...")
    with heard_warnings() as heard:
        from ..reranker import Reranker

        # Not closed: closing waits for the batch in hand, and Ctrl-C should not.
        reranker = Reranker(model, **loading)
        with progress_bar("ranking") as on_progress:
            texts = [text if isinstance(text, str) else {"text": text} for text in documents.texts]
            ranking = reranker.rank(query, texts, on_progress=on_progress, **asked)
    for message in ranking.facts.warnings:
        warn(message)
    return ranking, [*documents.warnings, *heard, *ranking.facts.warnings]


def _finish(ranking: "Ranking") -> None:
    if ranking.facts.model.is_default:
        advise(ADVICE)
    if ranking and all(each.error is not None for each in ranking):
        raise typer.Exit(FAILED)
