"""`finerank models`: which models there are, what they need, and what is on this machine already."""

from typing import Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from ..models.catalog import (
    ADVICE,
    BYTES_PER_NUMBER,
    CARDS,
    KNOWN_MODELS,
    CardAdvice,
    KnownModel,
    bytes_on_this_machine,
    memory_bytes,
)
from . import options
from .console import show, to_json


def models(as_json: options.AsJson = False) -> None:
    """List known models, the memory they need, and advice on batch sizes."""
    here = {model.name: bytes_on_this_machine(model) for model in KNOWN_MODELS}
    if as_json:
        typer.echo(to_json(_record(here), indent=2))
        return
    show(
        _need_table(here),
        "GB is about what ranking takes in memory with the default limits. here: already downloaded.",
        _read_table(),
        f"{_names('takes_instruction')}: follow an --instruction.",
        f"{_names('needs_remote_code')}: needs --trust-remote-code.",
        _card_table(),
        *ADVICE,
    )


def _record(here: dict[str, int | None]) -> dict[str, Any]:
    return {
        "models": [_model_record(model, here[model.name]) for model in KNOWN_MODELS],
        "cards": [
            {"card": each.card, "batch_size": list(each.batch_size), "documents": list(each.documents)}
            for each in CARDS
        ],
        "advice": list(ADVICE),
    }


def _model_record(model: KnownModel, num_bytes: int | None) -> dict[str, Any]:
    return {
        "name": model.name,
        "parameters": model.parameters,
        "languages": model.languages,
        "max_length": model.max_length,
        "licence": model.licence,
        "takes_instruction": model.takes_instruction,
        "needs_trust_remote_code": model.needs_remote_code,
        "is_default": model.is_default,
        "memory_bytes": {dtype: memory_bytes(model, dtype) for dtype in BYTES_PER_NUMBER},
        "cached_bytes": num_bytes,
    }


def _need_table(here: dict[str, int | None]) -> Table:
    """Two tables of models, so that names stay whole in 80 columns."""
    table = _table("model", "size", "bf16 GB", "fp32 GB", "here")
    for model in KNOWN_MODELS:
        num_bytes = here[model.name]
        table.add_row(
            f"{model.name} (default)" if model.is_default else model.name,
            _millions(model.parameters),
            *(f"{memory_bytes(model, dtype) / 1e9:.1f}" for dtype in BYTES_PER_NUMBER),
            "no" if num_bytes is None else f"{num_bytes / 1e9:.2f} GB",
        )
    return table


def _read_table() -> Table:
    table = _table("model", "languages", "tokens", "licence")
    for model in KNOWN_MODELS:
        table.add_row(model.name, model.languages, f"{model.max_length:,}", model.licence)
    return table


def _card_table() -> Table:
    table = _table("machine", "batch size", "documents a call")
    for advice in CARDS:
        table.add_row(advice.card, *_ranges(advice))
    return table


def _table(*headings: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in headings:
        table.add_column(heading, no_wrap=heading == "model")
    return table


def _names(trait: str) -> str:
    return ", ".join(model.name for model in KNOWN_MODELS if getattr(model, trait))


def _ranges(advice: CardAdvice) -> tuple[str, str]:
    (fewest, most), (few, many) = advice.batch_size, advice.documents
    return (str(most) if fewest == most else f"{fewest} to {most}"), f"{few} to {many}"


def _millions(parameters: int) -> str:
    return f"{parameters / 1e9:.1f}B" if parameters >= 1e9 else f"{round(parameters / 1e6)}M"
