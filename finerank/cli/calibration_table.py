"""What `finerank calibrate` found, for people."""

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from ..evaluation.calibration_study import Study
from ..evaluation.calibration_words import held_out_sentence, promise
from .console import show


def print_study(study: Study) -> None:
    """How good the probabilities are, and what the threshold promises."""
    facts = study.calibration.facts
    of_which = f"{facts['num_relevant']:,} of them relevant, {facts['num_queries']:,} queries"
    show(Text(f"{facts['num_pairs']:,} pairs, {of_which}"))
    show(_quality(study))
    for sentence in (promise(study.calibration), held_out_sentence(study.held_out)):
        if sentence:
            show(sentence)


def _quality(study: Study) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("probability")
    table.add_column("Brier score", justify="right")
    table.add_column("calibration error", justify="right")
    for name, quality in (("of the model", study.before), ("calibrated, on unseen queries", study.after)):
        table.add_row(name, f"{quality.brier:.4f}", f"{quality.error:.4f}")
    return table
