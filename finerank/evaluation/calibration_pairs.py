"""Labelled pairs to calibrate on: a query, a document, and whether it is relevant."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ..errors import InputError
from .labelled import LabelledFormat, LabelledRow, PairFields, labelled_rows

_LABELS: Final = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}
_REMEDY: Final = "; name the right ones with --query-field, --document-field and --label-field"


@dataclass(slots=True)
class LabelledPairs:
    """In the order of the file, every pair once.

    num_repeated: pairs that stood there again with the same label.
    num_contradicted: pairs that stood there with both labels, and were left out.
    warnings: what else was odd in the file and how it was taken.
    """

    queries: list[str] = field(default_factory=list)
    documents: list[str] = field(default_factory=list)
    labels: list[bool] = field(default_factory=list)
    num_repeated: int = 0
    num_contradicted: int = 0
    warnings: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.labels)


def read_pairs(file: Path, fields: PairFields | None = None, *, form: LabelledFormat | None = None) -> LabelledPairs:
    """The pairs of a CSV with a header, of JSON Lines, or of a JSON list of objects.

    form: None = by the file's suffix.   Raises InputError as `labelled_rows` does, and for a label but 0 and 1.
    """
    warnings: list[str] = []
    pairs = _once(labelled_rows(file.expanduser(), warnings, fields, form=form, remedy=_REMEDY))
    pairs.warnings = warnings
    return pairs


def _once(rows: Iterable[LabelledRow]) -> LabelledPairs:
    labels: dict[tuple[str, str], Counter[bool]] = {}
    for row in rows:
        labels.setdefault((row.query, row.document), Counter())[_label(row)] += 1
    pairs = LabelledPairs()
    for (query, document), counts in labels.items():
        if len(counts) > 1:
            pairs.num_contradicted += 1
            continue
        ((label, count),) = counts.items()
        pairs.num_repeated += count - 1
        pairs.queries.append(query)
        pairs.documents.append(document)
        pairs.labels.append(label)
    return pairs


def _label(row: LabelledRow) -> bool:
    label = _LABELS.get(str(row.label).strip().lower())
    if label is None:
        raise InputError(f"{row.place}: the label is {row.label!r}; it must be 1 (relevant) or 0 (not)")
    return label
