"""The README of what a run made: what it is, how to use it, on what and how it was trained, whether it helped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..evaluation.types import Evaluation

_FRONT: Final[Mapping[str, str]] = {"library_name": "peft", "pipeline_tag": "text-ranking"}


_USE: Final = """\
```python
from finerank import Reranker

ranking = Reranker("THIS FOLDER").rank("query", ["document", "another"])
```"""


@dataclass(frozen=True, slots=True)
class Card:
    """base: name of the model that was trained.   recipe, data: what to say of them, in order.

    is_adapter: LoRA over the base, not a model of its own.   notes: sentences, such as the checker's warnings.
    """

    name: str
    base: str
    is_adapter: bool
    recipe: Mapping[str, object]
    data: Mapping[str, object]
    evaluation: Evaluation
    notes: Sequence[str] = ()

    def write(self, file: Path) -> None:
        file.write_text(self.text(), encoding="utf-8")

    def text(self) -> str:
        front = [
            f"{key}: {value}"
            for key, value in (_FRONT if self.is_adapter else {"pipeline_tag": "text-ranking"}).items()
        ]
        kind = f"A LoRA adapter over `{self.base}`" if self.is_adapter else f"`{self.base}`, all of its weights trained"
        parts = [
            "\n".join(["---", *front, f"base_model: {self.base}", "tags: [reranker, finerank]", "---"]),
            f"# {self.name}",
            f"{kind}, made by `finerank train`. {helped(self.evaluation)}",
            _USE,
            "## Before and after",
            _figures(self.evaluation),
            "## Data",
            _listed(self.data),
            "## Recipe",
            _listed(self.recipe),
        ]
        if self.notes:
            parts += ["## Worth knowing", "\n".join(f"- {note}" for note in self.notes)]
        return "\n\n".join(parts) + "\n"


def helped(evaluation: Evaluation) -> str:
    """Did training help? In a sentence, by the paired test of the first metric between the two."""
    metric = evaluation.metrics[0]
    before, after = (stage for stage in evaluation.stages if stage.kind == "reranked")
    (test,) = [each for each in evaluation.tests if (each.metric, each.a, each.b) == (metric, before.name, after.name)]
    figures = (
        f"{metric} {before.means[metric]:.4f} before, {after.means[metric]:.4f} after, over "
        f"{len(evaluation.dataset.qrels):,} held-out queries; p = {test.p_decisive:.3g}"
    )
    if not test.is_significant:
        return f"Training made no difference that chance could not make ({figures})."
    return f"Training {'helped' if test.difference > 0 else 'did harm'} ({figures})."


def _figures(evaluation: Evaluation) -> str:
    rows = [("", *evaluation.metrics), ("---", *("---" for _ in evaluation.metrics))]
    for stage in evaluation.stages:
        name = {"first": f"candidates as they came ({stage.name})", "oracle": "best possible order"}.get(
            stage.kind, stage.name
        )
        rows.append((name, *(f"{stage.means[metric]:.4f}" for metric in evaluation.metrics)))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _listed(facts: Mapping[str, object]) -> str:
    return "\n".join(f"- {name.replace('_', ' ')}: {value}" for name, value in facts.items())
