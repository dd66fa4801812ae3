"""`finerank index`: files into an index."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import options
from .console import advise, is_watched, progress_bar, show, to_json, warn
from .failures import FAILED

if TYPE_CHECKING:
    from ..retrieval.index_report import IndexReport

_MOST_SHOWN = 20
_MOST_KINDS = 8
Language = Annotated[
    str | None,
    typer.Option(
        "--language",
        help="Of most texts, as en, de or zh, for stemming.",
        show_default="guessed from some of the files",
        rich_help_panel=options.INDEX_PANEL,
    ),
]


def index(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH...", help="Folders and files: txt, md, html, pdf, docx, csv, jsonl.")
    ],
    db: options.Db = options.DEFAULT_DB,
    collection: options.Collection = "finerank",
    token: options.MilvusToken = None,
    embedding_model: options.EmbeddingModel = None,
    dimensions: options.Dimensions = None,
    embedding_url: options.EmbeddingUrl = None,
    hub: options.HubName = "huggingface",
    trust_remote_code: options.TrustRemoteCode = False,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    chunk_tokens: Annotated[
        int | None,
        typer.Option(
            "--chunk-tokens",
            min=32,
            help="Most tokens of a chunk, by the embedding model's tokenizer.",
            show_default="512, or what the model reads",
            rich_help_panel=options.INDEX_PANEL,
        ),
    ] = None,
    overlap: Annotated[
        int | None,
        typer.Option(
            "--overlap",
            min=0,
            help="Tokens of a chunk that the next one repeats.",
            show_default="an eighth",
            rich_help_panel=options.INDEX_PANEL,
        ),
    ] = None,
    language: Language = None,
    name: Annotated[
        str | None,
        typer.Option(
            "--as",
            help="Name of the folder in the index; say it also when a folder has moved.",
            show_default="the folder's own",
            rich_help_panel=options.INDEX_PANEL,
        ),
    ] = None,
    prune: Annotated[
        bool,
        typer.Option(
            "--prune", help="Remove files that are gone even if most of them are.", rich_help_panel=options.INDEX_PANEL
        ),
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Make an index hold the files of PATH as they are now; safe to kill and to run again."""
    from ..embedder import Embedder
    from ..retrieval.indexer import Indexer

    if is_watched():
        advise(f"loading {embedding_model or 'the embedded model'} ...")
    with (
        Embedder(
            embedding_model,
            hub=hub,
            trust_remote_code=trust_remote_code,
            device=device,
            dtype=dtype,
            dimensions=dimensions,
            base_url=embedding_url,
        ) as embedder,
        Indexer.open(
            db,
            embedder,
            collection=collection,
            chunk_tokens=chunk_tokens,
            overlap=overlap,
            language=language,
            paths=[Path(path) for path in paths],
            token=token,
        ) as indexer,
    ):
        with progress_bar("indexing") as on_file:
            report = indexer.index(paths, name=name, prune=prune, on_file=on_file)
        num_chunks = indexer.store.count()
    if as_json:
        show_json(report, num_chunks)
    else:
        _show(report, db, num_chunks)
    if report.num_files and len(report.unreadable) == report.num_files:
        raise typer.Exit(FAILED)


def show_json(report: "IndexReport", num_chunks: int) -> None:
    from dataclasses import asdict

    typer.echo(to_json({**asdict(report), "chunks_in_index": num_chunks}))


def _skipped(skipped: Mapping[str, int]) -> str:
    """12 .doc, 1 linked folder, 40 of other kinds."""
    shown = dict([*skipped.items()][:_MOST_KINDS])
    if others := sum(skipped.values()) - sum(shown.values()):
        shown["of other kinds"] = others
    return ", ".join(f"{number:,} {_plural(kind, number)}" for kind, number in shown.items())


def _plural(kind: str, number: int) -> str:
    return f"{kind}s" if kind == "linked folder" and number > 1 else kind


def _show(report: "IndexReport", db: str, num_chunks: int) -> None:
    show(
        f"{db}: {num_chunks:,} chunks. {report.num_files:,} files: {report.num_new:,} new, {report.num_changed:,} "
        f"changed, {report.num_unchanged:,} unchanged, {report.num_removed:,} removed, "
        f"{len(report.unreadable):,} unreadable; {report.num_chunks:,} chunks added in {report.seconds:.1f} s"
    )
    if not report.num_files:
        warn("there is no file that can be read; txt, md, html, pdf, docx, csv and jsonl can")
    if report.skipped:
        show(f"left out: {_skipped(report.skipped)}; what is named by itself is indexed")
    if report.num_missing:
        warn(
            f"{report.num_missing:,} files of the index are gone, more than half of all; nothing was removed, as a "
            "disk may be missing; say --prune to remove them"
        )
    for messages in ([why for _, why in report.unreadable], report.notes):
        for message in messages[:_MOST_SHOWN]:
            warn(message)
        if len(messages) > _MOST_SHOWN:
            warn(f"... and {len(messages) - _MOST_SHOWN:,} more; --json has all")
