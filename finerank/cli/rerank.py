"""`finerank rerank`: documents in, the same documents out, best first."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ..errors import InputError
from ..instructions import PRESETS, resolve_instruction
from ..models.embedded import ADVICE
from ..ranking import CALIBRATED, check_options, select
from . import options
from .console import advise, heard_warnings, is_watched, progress_bar, warn
from .documents import Documents, Format, gather_documents
from .failures import FAILED
from .option_groups import Loading, grouped, provider_source, refuse_loading
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


def _min_score(given: str) -> Any:
    """A probability, or the word for a calibration's threshold."""
    if given == CALIBRATED:
        return given
    try:
        value = float(given)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise typer.BadParameter(f"{given!r} is neither a probability from 0 to 1 nor the word {CALIBRATED}")
    return value


MinScore = Annotated[
    Any,
    typer.Option(
        "--min-score",
        parser=_min_score,
        metavar="SCORE",
        help="Keep only documents of at least this probability; "
        f"the word {CALIBRATED} is the threshold of --calibration.",
        show_default="all",
        rich_help_panel=_RANKING_PANEL,
    ),
]
Calibration = Annotated[
    Path | None,
    typer.Option(
        "--calibration",
        metavar="FILE",
        help="What finerank calibrate wrote for this model and instruction: scores become its probabilities.",
        show_default="none",
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


@grouped
def rerank(
    query: Annotated[str, typer.Argument(help="What the documents should answer.")],
    documents: Annotated[
        list[str] | None, typer.Argument(metavar="DOC", help="The documents.", show_default=False)
    ] = None,
    *,
    file: File = None,
    form: FormatName = None,
    field: Field = "text",
    instruction: Instruction = None,
    preset: Preset = None,
    top_n: TopN = None,
    min_score: MinScore = None,
    calibration: Calibration = None,
    batch_size: BatchSize = 0,
    model: options.Model = None,
    loading: Loading,
    provider: options.ProviderName = None,
    base_url: options.BaseUrl = None,
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
    for message in gathered.warnings:
        warn(message)
    source = provider_source(model, provider, base_url)
    with heard_warnings() as heard:
        if source is None:
            ranking = _rank_here(query, gathered, model, loading.options | {"calibration": calibration}, asked)
        else:
            refuse_loading([*loading.given, *([] if calibration is None else ["calibration"])], source)
            ranking = _rank_there(query, gathered, source, base_url, asked)
    for message in ranking.facts.warnings:
        warn(message)
    warnings = [*gathered.warnings, *heard, *ranking.facts.warnings]
    if as_json:
        print_json(ranking, gathered.originals, warnings)
    elif as_json_lines:
        print_json_lines(ranking, gathered.originals)
        advise(facts_line(ranking.facts))
    else:
        print_table(ranking)
    _finish(ranking)


def _rank_here(
    query: str, documents: Documents, model: str | None, loading: dict[str, Any], asked: dict[str, Any]
) -> "Ranking":
    if is_watched():
        advise(f"loading {model or 'the embedded model'} ...")
    from ..reranker import Reranker

    # Not closed: closing waits for the batch in hand, and Ctrl-C should not.
    reranker = Reranker(model, **loading)
    with progress_bar("ranking") as on_progress:
        return reranker.rank(query, _as_documents(documents), on_progress=on_progress, **asked)


def _rank_there(
    query: str, documents: Documents, source: str, base_url: str | None, asked: dict[str, Any]
) -> "Ranking":
    """Needs no torch."""
    from ..client import Client

    if is_watched():
        advise(f"asking {source} ...")
    check_options(asked["top_n"], asked["min_score"], asked["batch_size"])
    with Client(source, base_url=base_url, max_documents_per_call=asked["batch_size"] or None) as client:
        ranking = client.rerank(query, _as_documents(documents), instruction=asked["instruction"])
    kept = select(ranking, top_n=asked["top_n"], min_score=asked["min_score"])
    return type(ranking)(kept, ranking.facts)


def _as_documents(documents: Documents) -> list[Any]:
    """A text that is none becomes its document's error, not the call's."""
    return [text if isinstance(text, str) else {"text": text} for text in documents.texts]


def _finish(ranking: "Ranking") -> None:
    if ranking.facts.model.is_default:
        advise(ADVICE)
    if ranking and all(each.error is not None for each in ranking):
        raise typer.Exit(FAILED)
