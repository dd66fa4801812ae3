"""Before a run: its data read, what it is measured on set aside, all of it checked."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ..evaluation.labelled import PairFields
from .checking import check
from .data_report import DataReport
from .examples import Example, texts_of
from .heldout import HeldOut, from_beir, from_examples
from .losses import NEEDS_TEACHER
from .options import TrainingOptions
from .sources import TrainingData, read_training_data
from .splitting import split as split_examples
from .splitting import without_leaks

_DEV_SPLIT: Final = Path("qrels") / "dev.tsv"


@dataclass(slots=True)
class Prepared:
    """examples: to train on.   documents: to draw negatives from, besides those of the examples.

    notes: what was odd and how it was taken, for the card too.
    """

    examples: list[Example]
    documents: list[str]
    held_out: HeldOut
    report: DataReport
    facts: dict[str, object]
    notes: list[str] = field(default_factory=list)


def prepare(
    data: Sequence[str | Path],
    folder: Path,
    options: TrainingOptions,
    *,
    split: str | None = None,
    dev: str | Path | None = None,
    dev_split: str | None = None,
    fields: PairFields | None = None,
) -> Prepared:
    """folder: where what it is measured on is written.   Other arguments: as for `train`. The report is not judged yet.

    Raises InputError for data that cannot be read, TrainingError if nothing can be held out.
    """
    read = read_training_data(list(data), split=split, fields=fields)
    examples, notes = read.examples, list(read.warnings)
    dev = _own_dev_split(data) if dev is None else Path(dev).expanduser()
    if dev is not None and dev.is_dir():
        held_out = from_beir(
            dev, dev_split, folder, num_queries=options.eval_queries, depth=options.eval_depth, seed=options.seed
        )
        set_aside = read_training_data(dev, split=held_out.dataset.split).examples
        notes += held_out.dataset.warnings
    else:
        if dev is None:
            halves = split_examples(examples, seed=options.seed)
            examples, set_aside = halves.train, halves.dev
            notes.append(halves.sentence)
        else:
            set_aside = read_training_data(dev, fields=fields).examples
        documents = read.documents or texts_of([*examples, *set_aside])
        held_out = from_examples(
            _drawn(set_aside, options), documents, folder, num_candidates=options.eval_depth, seed=options.seed
        )
    examples, said = without_leaks(examples, set_aside)
    notes += [said] if said else []
    report = check(
        examples,
        {"dev": set_aside},
        has_documents=bool(read.documents),
        needs_teacher=options.loss in NEEDS_TEACHER,
        seed=options.seed,
    )
    notes += [each.sentence for each in report.warnings]
    return Prepared(examples, read.documents, held_out, report, _facts(read, report, held_out), notes)


def _drawn(examples: list[Example], options: TrainingOptions) -> list[Example]:
    """At most so many of those that can be measured on."""
    able = [each for each in examples if each.positives]
    return random.Random(f"{options.seed} drawn").sample(able, min(len(able), options.eval_queries))


def _own_dev_split(data: Sequence[str | Path]) -> Path | None:
    """The folder itself if the data is one BEIR folder with such a split."""
    folders = [Path(each).expanduser() for each in data]
    return folders[0] if len(folders) == 1 and (folders[0] / _DEV_SPLIT).is_file() else None


def _facts(read: TrainingData, report: DataReport, held_out: HeldOut) -> dict[str, object]:
    """What the card says of the data; names of files and folders without where they lie."""
    return {
        "from": ", ".join(f"{Path(path).name} ({number:,} examples)" for path, number in read.num_examples.items()),
        "format": read.format,
        "trained_on": f"{report.num_examples:,} examples, {report.num_positives:,} positives, "
        f"{report.num_negatives:,} negatives of their own",
        "measured_on": f"{len(held_out.dataset.qrels):,} queries of {held_out.dataset.name}",
    }
