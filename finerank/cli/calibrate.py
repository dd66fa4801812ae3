"""`finerank calibrate`: from labelled pairs, what a model's score is worth."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from ..instructions import resolve_instruction
from . import options
from .console import advise, heard_warnings, is_watched, progress_bar, to_json, warn
from .evaluation_options import CacheFolder, cache_folder, check_outputs
from .option_groups import Loading, grouped
from .rerank import Instruction, Preset

if TYPE_CHECKING:
    from ..evaluation.calibration_study import Study

_DATA_PANEL: Final = "Labelled pairs"
_PROMISE_PANEL: Final = "What to find"
Data = Annotated[
    Path,
    typer.Argument(
        metavar="DATA",
        help="Pairs of query, document and label 0 or 1: .csv with a header, .jsonl, or a list in .json.",
    ),
]
FormatName = Annotated[
    Literal["csv", "jsonl", "json"] | None,
    typer.Option("--format", help="What the file is.", show_default="by its suffix", rich_help_panel=_DATA_PANEL),
]
QueryField = Annotated[
    str, typer.Option("--query-field", help="Column or key of the query.", rich_help_panel=_DATA_PANEL)
]
DocumentField = Annotated[
    str, typer.Option("--document-field", help="Column or key of the document.", rich_help_panel=_DATA_PANEL)
]
LabelField = Annotated[
    str, typer.Option("--label-field", help="Column or key of the label.", rich_help_panel=_DATA_PANEL)
]
Precision = Annotated[
    float | None,
    typer.Option(
        "--precision",
        "-p",
        help="Find the threshold above which at least this share of documents is relevant, such as 0.9.",
        show_default="no threshold",
        rich_help_panel=_PROMISE_PANEL,
    ),
]
Confidence = Annotated[
    float,
    typer.Option("--confidence", help="How sure that promise has to be.", rich_help_panel=_PROMISE_PANEL),
]
MethodName = Annotated[
    Literal["auto", "platt", "isotonic"],
    typer.Option(
        "--method",
        help="The curve: two parameters (platt) or free (isotonic); auto tries the free one from 1,000 pairs of each "
        "label on.",
        rich_help_panel=_PROMISE_PANEL,
    ),
]
Out = Annotated[Path, typer.Option("--out", "-o", help="The calibration.", rich_help_panel=options.OUTPUT_PANEL)]
Report = Annotated[
    Path | None,
    typer.Option(
        "--report",
        help="A page with plots, as one HTML file.",
        show_default="none",
        rich_help_panel=options.OUTPUT_PANEL,
    ),
]


@grouped
def calibrate(
    data: Data,
    *,
    form: FormatName = None,
    query_field: QueryField = "query",
    document_field: DocumentField = "document",
    label_field: LabelField = "label",
    precision: Precision = None,
    confidence: Confidence = 0.95,
    method: MethodName = "auto",
    instruction: Instruction = None,
    preset: Preset = None,
    model: options.Model = None,
    loading: Loading,
    cache: CacheFolder = None,
    out: Out = Path("calibration.json"),
    report: Report = None,
    as_json: options.AsJson = False,
) -> None:
    """Learn from labelled pairs what a model's score is worth: a probability, and a threshold for a precision."""
    check_outputs(out, report)
    from ..evaluation.cache import EvaluationCache
    from ..evaluation.calibration_pairs import read_pairs
    from ..evaluation.calibration_report import write_calibration_report
    from ..evaluation.calibration_study import calibrate as learn
    from ..evaluation.calibration_study import check_pairs
    from ..evaluation.labelled import PairFields

    wanted = resolve_instruction(instruction, preset)
    pairs = read_pairs(data, PairFields(query_field, document_field, label_field), form=form)
    check_pairs(pairs, precision, confidence)
    if is_watched():
        advise(f"loading {model or 'the embedded model'} ...")
    from ..reranker import Reranker

    with heard_warnings(), EvaluationCache(cache_folder(cache)) as known:
        # Not closed: closing waits for the batch in hand, and Ctrl-C should not.
        reranker: Reranker = Reranker(model, **loading.options)
        with progress_bar("scoring") as on_progress:
            study = learn(
                reranker,
                pairs,
                instruction=wanted,
                precision=precision,
                confidence=confidence,
                method=method,
                cache=known,
                on_progress=on_progress,
            )
    for message in study.warnings:
        warn(message)
    study.calibration.save(out.expanduser())
    if report is not None:
        write_calibration_report(study, data.name, report.expanduser())
    _show(study, out, report, as_json=as_json)


def _show(study: "Study", out: Path, report: Path | None, *, as_json: bool) -> None:
    if as_json:
        typer.echo(to_json(study.calibration.as_record(), indent=2))
        return
    from .calibration_table import print_study

    print_study(study)
    typer.echo(f"{out}: use it with finerank rerank --calibration {out}")
    if report is not None:
        typer.echo(f"{report}: the report")
