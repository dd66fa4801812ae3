"""`finerank train`: fine-tune a reranker on data of one's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer
from rich.text import Text

from ..errors import InputError
from ..models.embedded import NAME as _EMBEDDED
from . import options
from .calibrate import DocumentField, LabelField, QueryField
from .console import advise, bars, heard_warnings, is_watched, show, to_json, warn
from .evaluation_progress import progress_bars
from .failures import FAILED
from .options import HubName, PromptFormName, TrustRemoteCode

if TYPE_CHECKING:
    from ..training.options import TrainingOptions
    from ..training.run import Outcome
    from ..training.run_state import Progress
    from ..training.trainer import Observer

_DATA: Final = "Data"
_LEARNING: Final = "Learning"
_LORA: Final = "LoRA"
_COST: Final = "Cost"
_SMOOTHED: Final = 20
"""Steps whose mean loss is shown."""


def _option(panel: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, rich_help_panel=panel, **more)


def train(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="Hub id such as Qwen/Qwen3-Reranker-0.6B, a folder, or all-MiniLM-L6-v2."),
    ],
    data: Annotated[
        list[str],
        _option(
            _DATA,
            "--data",
            help="JSONL of query, positives, negatives; ms-swift's; a BEIR folder; labelled pairs. Repeatable.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A new folder, or that of a run that was killed.", show_default=False),
    ] = None,
    split: Annotated[str | None, _option(_DATA, "--split", help="Of BEIR folders.", show_default="train")] = None,
    dev: Annotated[
        str | None,
        _option(
            _DATA, "--dev", help="What it is measured on.", show_default="the folder's dev split, or a tenth held out"
        ),
    ] = None,
    dev_split: Annotated[
        str | None, _option(_DATA, "--dev-split", help="Of a BEIR folder.", show_default="dev, else test")
    ] = None,
    query_field: QueryField = "query",
    document_field: DocumentField = "document",
    label_field: LabelField = "label",
    check: Annotated[bool, _option(_DATA, "--check", help="Only say what is wrong with the data.")] = False,
    method: Annotated[
        Literal["lora", "full"], _option(_LEARNING, "--method", help="lora trains small updates, full every weight.")
    ] = "lora",
    loss: Annotated[
        Literal["likelihood", "group", "margin_mse", "distill"] | None,
        _option(
            _LEARNING,
            "--loss",
            help="likelihood of yes and no; group: softmax over a query's documents; others: a teacher's scores.",
            show_default="likelihood for Qwen3, group for classic ones",
        ),
    ] = None,
    learning_rate: Annotated[
        float | None,
        _option(_LEARNING, "--learning-rate", "--lr", help="Its highest.", show_default="1e-4 or 5e-4; 1e-5 with full"),
    ] = None,
    epochs: Annotated[float, _option(_LEARNING, "--epochs", help="How often each positive is seen.")] = 1.0,
    max_steps: Annotated[int | None, _option(_LEARNING, "--max-steps", min=1, show_default="none")] = None,
    groups: Annotated[
        int, _option(_LEARNING, "--groups", min=1, help="Positives of a step, each with negatives.")
    ] = 16,
    negatives: Annotated[int, _option(_LEARNING, "--negatives", min=0, help="Of the query's own, for a positive.")] = 7,
    random_negatives: Annotated[
        int, _option(_LEARNING, "--random-negatives", min=0, help="From anywhere, besides those.")
    ] = 1,
    warmup: Annotated[float, _option(_LEARNING, "--warmup", min=0.0, max=0.99, help="Share of the steps.")] = 0.1,
    weight_decay: Annotated[float, _option(_LEARNING, "--weight-decay", min=0.0)] = 0.0,
    evaluate_every: Annotated[
        int | None, _option(_LEARNING, "--evaluate-every", min=1, help="Steps.", show_default="a tenth of all, or more")
    ] = None,
    patience: Annotated[
        int, _option(_LEARNING, "--patience", min=0, help="Evaluations without a gain that end the run; 0 never does.")
    ] = 3,
    eval_queries: Annotated[
        int, _option(_LEARNING, "--eval-queries", min=1, help="Held-out ones to measure on.")
    ] = 100,
    eval_depth: Annotated[int, _option(_LEARNING, "--eval-depth", min=2, help="Documents of each of them.")] = 20,
    seed: Annotated[int, _option(_LEARNING, "--seed", min=0)] = 0,
    rank: Annotated[int, _option(_LORA, "--rank", "-r", min=1)] = 16,
    alpha: Annotated[float, _option(_LORA, "--alpha", help="Updates count alpha / rank.")] = 32.0,
    targets: Annotated[
        str, _option(_LORA, "--targets", help="Linear layers, separated by commas.", show_default="all of them")
    ] = "",
    dropout: Annotated[float, _option(_LORA, "--dropout", min=0.0, max=0.9)] = 0.0,
    max_length: Annotated[int, _option(_COST, "--max-length", min=16, max=32_768, help="Tokens of a prompt.")] = 1024,
    batch_tokens: Annotated[
        int | None,
        _option(
            _COST,
            "--batch-tokens",
            min=64,
            help="At once; fewer need less memory, nothing else.",
            show_default="by device",
        ),
    ] = None,
    gradient_checkpointing: Annotated[
        bool | None,
        _option(
            _COST,
            "--gradient-checkpointing/--no-gradient-checkpointing",
            help="Less memory, a third slower.",
            show_default="on for Qwen3",
        ),
    ] = None,
    save_every: Annotated[
        int | None, _option(_COST, "--save-every", min=1, help="Steps.", show_default="a tenth of all")
    ] = None,
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
    from ..training.options import TrainingOptions
    from ..training.run import check_output
    from ..training.run import train as learn

    chosen = TrainingOptions(
        method=method,
        loss=loss,
        rank=rank,
        alpha=alpha,
        targets=tuple(name.strip() for name in targets.split(",") if name.strip()),
        dropout=dropout,
        epochs=epochs,
        max_steps=max_steps,
        negatives=negatives,
        random_negatives=random_negatives,
        groups=groups,
        batch_tokens=batch_tokens,
        max_length=max_length,
        learning_rate=learning_rate,
        warmup=warmup,
        weight_decay=weight_decay,
        seed=seed,
        gradient_checkpointing=gradient_checkpointing,
        evaluate_every=evaluate_every,
        save_every=save_every,
        patience=patience or None,
        eval_queries=eval_queries,
        eval_depth=eval_depth,
    )
    fields = PairFields(query_field, document_field, label_field)
    if check:
        _check(data, chosen, as_json=as_json, split=split, dev=dev, dev_split=dev_split, fields=fields)
        return
    if output is None:
        raise InputError("there is no place for what is learned; give --output FOLDER")
    loading = LoadOptions(
        hub=hub, device=device, dtype=dtype, max_length=max_length, prompt_form=prompt_form,
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
