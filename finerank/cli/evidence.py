"""`finerank evidence`: a report worth publishing: golden values, a small ranking set, self-test, speed."""

from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError, SettingsError
from . import options
from .console import advise, is_watched, warn


def evidence(
    model: Annotated[str, typer.Option("--model", "-m", help="Hub id or local folder.")] = "Qwen/Qwen3-Reranker-0.6B",
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the report goes.")] = Path("evidence.md"),
    revision: options.Revision = None,
    hub: options.HubName = "huggingface",
    device: options.Device = "auto",
    dtype: options.Dtype = "float32",
    trust_remote_code: options.TrustRemoteCode = False,
) -> None:
    """Show that a model runs right here: golden values, a small ranking set, speed, as a Markdown file."""
    if not out.parent.is_dir():
        raise SettingsError(f"--out {out}: there is no folder {out.parent}; make it first")
    from ..evidence import as_markdown, gather
    from ..reranker import Reranker

    if is_watched():
        advise(f"loading {model} and running everything; some minutes on a CPU ...")
    with Reranker(
        model,
        revision=revision,
        hub=hub,
        device=device,
        dtype=dtype,
        trust_remote_code=trust_remote_code,
        self_test="off",
    ) as reranker:
        if reranker.info.kind == "remote":
            raise InputError(f"evidence is of a model on this machine; {model} is computed by its provider")
        found = gather(reranker)
        out.write_text(as_markdown(reranker, found), encoding="utf-8")
    for check in found.checks:
        if not check.is_passed:
            warn(f"{check.name}: {check.detail}")
    typer.echo(f"{out}: right document first in {found.top_1:.0%} of {len(found.ranking)} queries")
