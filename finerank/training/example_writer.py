"""Examples as JSONL: {"query", "positives", "negatives", "instruction"?, "positive_scores"?, "negative_scores"?}."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from ..errors import SettingsError
from .examples import Candidate, Example

_UNFINISHED: Final = ".part"
_DECIMALS: Final = 6


def write_examples(examples: Iterable[Example], file: Path) -> None:
    """All of them or none: written beside `file`, then renamed. Raises SettingsError if that is not possible.

    Scores are the teacher's log-odds, of examples in which every document has some. Grades become 1: what is relevant
    at all is a positive.
    """
    unfinished = file.with_name(file.name + _UNFINISHED)
    try:
        try:
            with unfinished.open("w", encoding="utf-8", newline="\n") as out:
                for example in examples:
                    out.write(json.dumps(record_of(example), ensure_ascii=False, allow_nan=False) + "\n")
            unfinished.replace(file)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise SettingsError(f"{file} cannot be written: {error.strerror}") from None


def record_of(example: Example) -> dict[str, Any]:
    """The object of one line."""
    record: dict[str, Any] = {
        "query": example.query,
        "positives": [each.text for each in example.positives],
        "negatives": [each.text for each in example.negatives],
    }
    if example.instruction is not None:
        record["instruction"] = example.instruction
    if all(each.teacher is not None for each in example.candidates):
        record["positive_scores"] = _scores(example.positives)
        record["negative_scores"] = _scores(example.negatives)
    return record


def _scores(candidates: Sequence[Candidate]) -> list[float]:
    return [round(each.teacher, _DECIMALS) for each in candidates if each.teacher is not None]
