"""`finerank merge`: an adapter and its base as one checkpoint."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from . import options
from .console import progress_bar, to_json

Adapter = Annotated[
    str, typer.Argument(metavar="ADAPTER", help="Folder or hub id of a LoRA adapter, such as finerank train makes.")
]
Output = Annotated[
    Path, typer.Option("--output", "-o", help="The new folder; nothing is overwritten.", rich_help_panel="Output")
]
WeightsDtype = Annotated[
    str | None,
    typer.Option(
        "--dtype",
        help="Of the weights: float32, bfloat16 or float16.",
        show_default="the base's",
        rich_help_panel="Output",
    ),
]


def merge(
    adapter: Adapter,
    *,
    output: Output,
    dtype: WeightsDtype = None,
    revision: options.Revision = None,
    hub: options.HubName = "huggingface",
    as_json: options.AsJson = False,
) -> None:
    """Merge an adapter into its base: one checkpoint, loadable by transformers, with the same scores."""
    from ..models.source import LoadOptions
    from ..training.merge import merge as run

    with progress_bar("merging") as on_progress:
        merged = run(
            adapter,
            output,
            dtype=dtype,
            options=LoadOptions(revision=revision, hub=hub, device="cpu"),
            on_progress=on_progress,
        )
    if as_json:
        typer.echo(to_json(asdict(merged) | {"folder": str(merged.folder)}, indent=2))
        return
    typer.echo(
        f"{merged.folder}: {merged.num_tensors:,} tensors, {merged.num_bytes / 1e6:,.1f} MB of {merged.dtype}, "
        f"{merged.num_changed:,} of them changed by the adapter over {merged.base}"
    )
    typer.echo(f"use it with finerank rerank --model {merged.folder}")
