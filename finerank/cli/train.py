"""`finerank train`: fine-tune a reranker on data of one's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.text import Text

from ..errors import InputError
from ..models.embedded import NAME as _EMBEDDED
from . import options
from .calibrate import DocumentField, LabelField, QueryField
from .console import advise, bars, heard_warnings, is_watched, show, to_json, warn
from .evaluation_progress import progress_bars
from .failures import FAILED
from .option_groups import grouped
from .options import HubName, PromptFormName, TrustRemoteCode
from .training_options import DATA_PANEL, Learning, option

if TYPE_CHECKING:
    from ..training.options import TrainingOptions
    from ..training.run import Outcome
    from ..training.run_state import Progress
    from ..training.trainer import Observer

_SMOOTHED: Final = 20
"""Steps whose mean loss is shown."""


@grouped
def train(
    *,
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="Hub id such as Qwen/Qwen3-Reranker-0.6B, a folder, or all-MiniLM-L6-v2."),
    ],
    data: Annotated[
        list[str],
        option(
            DATA_PANEL,
            "--data",
            help="JSONL of query, positives, negatives; ms-swift's; a BEIR folder; labelled pairs. Repeatable.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A new folder, or that of a run that was killed.", show_default=False),
    ] = None,
    split: Annotated[str | None, option(DATA_PANEL, "--split", help="Of BEIR folders.", show_default="train")] = None,
    dev: Annotated[
        str | None,
        option(
            DATA_PANEL,
            "--dev",
            help="What it is measured on.",
            show_default="the folder's dev split, or a tenth held out",
        ),
    ] = None,
    dev_split: Annotated[
        str | None, option(DATA_PANEL, "--dev-split", help="Of a BEIR folder.", show_default="dev, else test")
    ] = None,
    query_field: QueryField = "query",
    document_field: DocumentField = "document",
    label_field: LabelField = "label",
    check: Annotated[bool, option(DATA_PANEL, "--check", help="Only say what is wrong with the data.")] = False,
    learning: Learning,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    hub: HubName = "huggingface",
    prompt_form: PromptFormName = "readme",
    trust_remote_code: TrustRemoteCode = False,
    as_json: options.AsJson = False,
) -> None:
    """Fine-tune a reranker on your own data, and say plainly whether it helped.

    A run that was killed goes on when the same command is given again. Several GPUs: accelerate launch -m finerank.cli
    train ...
    """
    from ..evaluation.labelled import PairFields
    from ..models.source import LoadOptions
    from ..training.run import check_output
    from ..training.run import train as learn

    chosen = learning.options
    fields = PairFields(query_field, document_field, label_field)
    if check:
        _check(data, chosen, as_json=as_json, split=split, dev=dev, dev_split=dev_split, fields=fields)
        return
    if output is None:
        raise InputError("there is no place for what is learned; give --output FOLDER")
    loading = LoadOptions(
        hub=hub, device=device, dtype=dtype, max_length=chosen.max_length, prompt_form=prompt_form,
        trust_remote_code=trust_remote_code,
    )  # fmt: skip
    check_output(output.expanduser())
    with heard_warnings(), _watching() as observer, progress_bars() as on_progress:
        outcome = learn(
            None if model == _EMBEDDED else model,
            data,
            output,
            chosen,
            loading=loading,
            split=split,
            dev=dev,
            dev_split=dev_split,
            fields=fields,
            observer=observer,
            on_progress=on_progress,
        )
    if outcome is not None:
        _show(outcome, as_json=as_json)


def _check(data: list[str], chosen: "TrainingOptions", *, as_json: bool, **more: Any) -> None:
    """Exit code 1 if training would be refused."""
    from ..training.preparation import prepare

    with TemporaryDirectory() as folder:
        prepared = prepare(data, Path(folder), chosen, **more)
    report = prepared.report
    if as_json:
        typer.echo(to_json(asdict(report), indent=2))
    else:
        show(*(Text(line) for line in report.lines()))
    if report.errors:
        raise typer.Exit(FAILED)


@contextmanager
def _watching() -> "Iterator[Observer]":
    """A bar with loss and dev score; only warnings where nobody is looking."""
    from ..training.trainer import Observer

    class Watcher(Observer):
        def warned(self, message: str) -> None:
            warn(message)

    class BarWatcher(Watcher):
        def began(self, progress: "Progress", num_steps: int) -> None:
            shown.update(task, completed=progress.step, total=num_steps)
            if progress.step:
                advise(f"going on after step {progress.step:,} of {num_steps:,}")

        def stepped(self, progress: "Progress", num_steps: int) -> None:
            losses = [each["loss"] for each in progress.history[-_SMOOTHED:]]
            dev = f", dev nDCG@10 {progress.scores[-1][1]:.4f}" if progress.scores else ""
            shown.update(task, completed=progress.step, description=f"loss {sum(losses) / len(losses):.4f}{dev}")

    if not is_watched():
        yield Watcher()
        return
    with bars() as shown:
        task = shown.add_task("reading", total=None)
        yield BarWatcher()


def _show(outcome: "Outcome", *, as_json: bool) -> None:
    for note in outcome.notes:
        warn(note)
    if as_json:
        typer.echo((outcome.output / "training.json").read_text(encoding="utf-8"), nl=False)
        return
    from .evaluation_table import print_comparison

    print_comparison(outcome.evaluation)
    show(Text(outcome.verdict, "bold"))
    typer.echo(f"{outcome.output}: use it with finerank rerank --model {outcome.output}; report.html shows more")
