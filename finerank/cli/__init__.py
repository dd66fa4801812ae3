"""`finerank`: one thin command a file, each calls public functions.

Nothing heavy is imported here: `finerank --help` must not wait for torch. Errors and exits are in failures.py.
"""

import os
import sys
from typing import Annotated

import typer

from .. import __version__
from . import (
    calibrate,
    compare,
    doctor,
    evaluate,
    evidence,
    index,
    merge,
    mine,
    models,
    mteb,
    rerank,
    search,
    serve,
    train,
)
from .failures import INTERRUPTED, FriendlyGroup

app = typer.Typer(
    name="finerank",
    cls=FriendlyGroup,
    help="Rerank documents with Qwen3-Reranker and classic cross-encoders, on your own machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    rerank.rerank,
    index.index,
    search.search,
    compare.compare,
    calibrate.calibrate,
    mine.mine,
    train.train,
    mteb.mteb,
    merge.merge,
    serve.serve_command(),
    models.models,
    doctor.doctor,
    evidence.evidence,
):
    app.command()(command)
app.command("eval")(evaluate.evaluate)


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"finerank {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None: ...


def main() -> None:
    """Entry point of the `finerank` command."""
    try:
        app(prog_name="finerank")
    except SystemExit as end:
        if end.code == INTERRUPTED:
            # A normal exit would first wait for the engine's batch in hand, which can take half a minute on a CPU.
            sys.stderr.flush()
            os._exit(INTERRUPTED)
        raise
