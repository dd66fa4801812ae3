"""BEIR's folders: corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from ..errors import InputError
from .files import json_rows, named
from .types import CorpusDocument

_PREFERRED_SPLITS: Final = ("dev", "test")


def read_corpus(file: Path, warnings: list[str]) -> dict[str, CorpusDocument]:
    """Documents by id, from objects with `_id`, `text` and perhaps `title`; of equal ids the first counts.

    Raises InputError for a line without them and for a file without documents.
    """
    corpus = {
        id_: CorpusDocument(_text(row, "text", place), _text(row, "title", place) if row.get("title") else "")
        for id_, row, place in _records(file, warnings, "documents")
    }
    blank = [id_ for id_, document in corpus.items() if not document.full_text.strip()]
    if blank:
        warnings.append(f"{file}: {len(blank):,} documents have no text: {named(blank)}")
    return corpus


def read_queries(file: Path, warnings: list[str]) -> dict[str, str]:
    """Queries by id, from objects with `_id` and `text`; else as `read_corpus`."""
    return {id_: _text(row, "text", place) for id_, row, place in _records(file, warnings, "queries")}


def choose_split(folder: Path, split: str | None) -> Path:
    """The file of a split; None = dev, else test, else the only one. Raises InputError that lists those there are."""
    qrels = folder / "qrels"
    if not qrels.is_dir():
        raise InputError(
            f"{folder} has no folder qrels; a BEIR folder has corpus.jsonl, queries.jsonl, qrels/SPLIT.tsv"
        )
    splits = sorted(file.stem for file in qrels.glob("*.tsv"))
    if split is None:
        wanted = [name for name in _PREFERRED_SPLITS if name in splits] or (splits if len(splits) == 1 else [])
        if not wanted:
            raise InputError(f"{folder} has the splits {', '.join(splits) or 'none'}; choose one with --split")
        split = wanted[0]
    elif split not in splits:
        raise InputError(f"{folder} has no split {split!r}; its splits are {', '.join(splits) or 'none'}")
    return qrels / f"{split}.tsv"


def _records(file: Path, warnings: list[str], what: str) -> Iterator[tuple[str, dict[str, Any], str]]:
    """(id, object, place) of each line whose id was not there before."""
    seen: set[str] = set()
    again: list[str] = []
    for place, row in json_rows(file, warnings):
        id_ = row.get("_id")
        if isinstance(id_, bool) or not isinstance(id_, str | int) or id_ == "":
            raise InputError(
                f"{place} has no _id; each object needs _id and text, this one has {', '.join(row) or 'nothing'}"
            )
        if str(id_) in seen:
            again.append(str(id_))
            continue
        seen.add(str(id_))
        yield str(id_), row, place
    if not seen:
        raise InputError(f"{file} is empty; it needs one JSON object a line")
    if again:
        warnings.append(
            f"{file}: {len(again):,} {what} have an id that was there before and are left out: {named(again)}"
        )


def _text(row: dict[str, Any], key: str, place: str) -> str:
    text = row.get(key)
    if not isinstance(text, str):
        raise InputError(f"{place}: {key} is {text!r}; it must be a string")
    # A lone surrogate can be written in JSON, but no model can read it.
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
