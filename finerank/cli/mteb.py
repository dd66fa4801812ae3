"""`finerank mteb`: the benchmark's own tasks, a first stage and then the reranker, side by side."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from ..errors import InputError
from ..integrations.mteb_groups import GROUPS
from ..integrations.mteb_instructions import read_instructions
from ..integrations.mteb_outcome import as_record, means_of
from ..models.embedded import ADVICE
from . import options
from .console import (
    OnProgress,
    advise,
    complain,
    heard_warnings,
    is_watched,
    on_one_line,
    progress_bar,
    show,
    to_json,
    warn,
)
from .evaluation_options import load_embedder
from .failures import FAILED
from .option_groups import Loading, grouped, provider_source, refuse_loading

if TYPE_CHECKING:
    from ..integrations.mteb_outcome import TaskOutcome
    from ..integrations.scoring import Source

_FIRST_STAGE_PANEL: Final = "First stage"
_FOUND_BY_MTEB: Final = "mteb:"
_BM25: Final = "mteb/baseline-bm25s"
"""MTEB's name for BM25 by bm25s, with stop words and a stemmer of the task's language."""

Tasks = Annotated[
    list[str],
    typer.Argument(
        metavar="TASK...",
        help=f"Names of MTEB's retrieval and reranking tasks, of groups ({', '.join(GROUPS)}), or MODULE:CLASS for a "
        "task of your own.",
    ),
]
FirstStage = Annotated[
    str,
    typer.Option(
        "--first-stage",
        help="dense (the --embedding-model), bm25 (MTEB's, by bm25s) or mteb:NAME, an encoder that MTEB knows.",
        rich_help_panel=_FIRST_STAGE_PANEL,
    ),
]
EmbeddingModel = Annotated[
    str | None,
    typer.Option(
        "--embedding-model",
        help="Hub id or local folder of the model that finds the candidates.",
        show_default="the small English model that comes with finerank",
        rich_help_panel=_FIRST_STAGE_PANEL,
    ),
]
TopK = Annotated[
    int,
    typer.Option("--top-k", min=1, help="Candidates a query that are reranked.", rich_help_panel=_FIRST_STAGE_PANEL),
]
Instructions = Annotated[
    Path | None,
    typer.Option(
        "--instructions",
        metavar="FILE",
        help='JSON, {"task": "instruction", ...}, for models that take one; other tasks get the default instruction.',
        show_default=False,
    ),
]
Results = Annotated[
    Path | None,
    typer.Option(
        "--results",
        metavar="FOLDER",
        help="Where results and first-stage rankings are kept; a later run continues there.",
        show_default="MTEB's cache",
        rich_help_panel=options.OUTPUT_PANEL,
    ),
]
BatchSize = Annotated[int, typer.Option("--batch-size", min=0, help="Most documents at once; 0 = automatic.")]


@grouped
def mteb(
    tasks: Tasks,
    *,
    first_stage: FirstStage = "dense",
    embedding_model: EmbeddingModel = None,
    top_k: TopK = 100,
    instructions: Instructions = None,
    results: Results = None,
    batch_size: BatchSize = 0,
    model: options.Model = None,
    loading: Loading,
    provider: options.ProviderName = None,
    base_url: options.BaseUrl = None,
    as_json: options.AsJson = False,
) -> None:
    """Run tasks of the benchmark MTEB: a first stage, then the reranker on its best candidates."""
    told = read_instructions(instructions) if instructions is not None else {}
    if embedding_model is not None and first_stage != "dense":
        raise InputError(f"--embedding-model is for --first-stage dense, not {first_stage}; leave one of them out")
    source = _source(model, provider, base_url, loading)
    _quiet_unless_watched()
    from ..integrations.mteb import FinerankCrossEncoder
    from ..integrations.mteb_run import TwoStages
    from ..integrations.mteb_tasks import tasks_of

    wanted = tasks_of(tasks)
    steps = _Steps()
    outcomes = []
    with heard_warnings(), steps:
        finder = _first_stage(first_stage, embedding_model, loading, steps.on_progress)
        reranker = FinerankCrossEncoder(source, batch_size=batch_size, on_progress=steps.on_progress, **loading.given)
        info = reranker.info
        if told and info.default_instruction is None:
            warn(f"{info.name} takes no instruction; --instructions has no effect on it")
        stages = TwoStages(reranker, finder, instructions=told, top_k=top_k, cache_folder=results, on_step=steps.begin)
        for task in wanted:
            outcomes.append(stages.run(task))
            steps.end()
            _remark(outcomes[-1])
    found_by, folder = stages.first_stage_name, str(stages.cache_folder)
    if as_json:
        typer.echo(to_json(as_record(outcomes, model=info, first_stage=found_by, top_k=top_k, folder=folder), indent=2))
    else:
        who = f"{info.name} ({info.dtype}) on the best {top_k} of {found_by}"
        show(_table(outcomes), on_one_line(who), f"results: {folder}")
    if info.is_default:
        advise(ADVICE)
    if any(each.error is not None for each in outcomes):
        raise typer.Exit(FAILED)


class _Steps:
    """Says what is being done, with a bar of its own for each step."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._bar: OnProgress | None = None

    def begin(self, step: str) -> None:
        self.end()
        advise(step)
        self._bar = self._stack.enter_context(progress_bar("texts"))

    def end(self) -> None:
        self._bar = None
        self._stack.close()

    def on_progress(self, done: int, total: int) -> None:
        if self._bar is not None:
            self._bar(done, total)

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None:
        self.end()


def _quiet_unless_watched() -> None:
    """The libraries below MTEB draw bars of their own; read when they are imported."""
    if not is_watched():
        os.environ.setdefault("TQDM_DISABLE", "1")
        os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")


def _source(model: str | None, provider: str | None, base_url: str | None, loading: Loading) -> "Source":
    """A client of the provider that was named, else the model's name."""
    source = provider_source(model, provider, base_url)
    if source is None:
        return model
    refuse_loading(list(loading.given), source)
    from ..client import Client

    return Client(source, base_url=base_url)


def _first_stage(name: str, embedding_model: str | None, loading: Loading, on_progress: OnProgress) -> Any:
    """An encoder, or what MTEB knows of one that it loads itself."""
    if name == "dense":
        from ..integrations.mteb_encoder import FinerankEncoder

        return FinerankEncoder(load_embedder(embedding_model, loading), on_progress=on_progress)
    if name == "bm25":
        return _known_to_mteb(_BM25)
    if name.startswith(_FOUND_BY_MTEB):
        return _known_to_mteb(name.removeprefix(_FOUND_BY_MTEB))
    raise InputError(f"--first-stage is {name!r}; give dense, bm25 or mteb:NAME")


def _known_to_mteb(name: str) -> Any:
    import mteb as library

    try:
        return library.get_model_meta(name, fetch_from_hf=False)
    except KeyError as error:
        raise InputError(f"MTEB knows no model {name!r}: {error.args[0]}") from None


def _remark(outcome: "TaskOutcome") -> None:
    if outcome.error is not None:
        complain(outcome.error if outcome.error.startswith(outcome.task) else f"{outcome.task}: {outcome.error}")
    elif outcome.num_failed:
        warn(f"{outcome.task}: {outcome.num_failed:,} pairs have no score and were ranked last")


def _table(outcomes: Sequence["TaskOutcome"]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("task")
    for heading in ("metric", "first stage", "reranked", "gain"):
        table.add_column(heading, justify="right", no_wrap=True)
    for each in outcomes:
        table.add_row(on_one_line(each.task), each.metric, *_figures(each.first_stage, each.reranked))
    means = means_of(outcomes)
    if len(outcomes) > 1 and means.num_tasks:
        table.add_section()
        table.add_row(f"mean of {means.num_tasks}", "", *_figures(means.first_stage, means.reranked))
    return table


def _figures(first: float | None, reranked: float | None) -> tuple[str, str, str]:
    if reranked is None:
        return "", "failed", ""
    if first is None:
        return "its own", f"{reranked:.4f}", ""
    return f"{first:.4f}", f"{reranked:.4f}", f"{reranked - first:+.4f}"
