"""MTEB: any finerank model as one of its cross-encoders."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..types import RankedDocument
from .frameworks import needed
from .scoring import Scorer, Source

try:
    from mteb.models.model_meta import ModelMeta
except ModuleNotFoundError as error:
    raise needed(error, "mteb") from None
from .mteb_meta import experiment_name, model_meta

if TYPE_CHECKING:
    from ..scores import FloatArray

PAIRS_AT_ONCE: Final = 2048
"""So many are in memory as tokens; MTEB puts the pairs of one query, some 100, next to each other."""
WITHOUT_SCORE: Final = -1e4
"""Stands for the log-odds of a pair that could not be scored: below any real one, and finite, as MTEB needs."""

Row = tuple[str, str | None, str]
"""(query, instruction, document)."""


class FinerankCrossEncoder:
    """`mteb.evaluate(FinerankCrossEncoder("Qwen/Qwen3-Reranker-0.6B"), task.convert_to_reranking(folder, top_k=100))`.

    model_name: a model's name, a `Reranker` or a `Client`.   revision, device: of a named model.
    instructions: task -> what "relevant" means there. A task with an instruction a query uses that, any other task the
    model's default.   batch_size: most pairs in a batch, 0 = by token budget; MTEB's own option is for its loaders.
    experiment: further facts that tell these results from others of the same model in MTEB's cache.
    on_progress: called with (pairs done, in all).   loading: other options of `Reranker`.

    num_failed: pairs without a score so far; they rank last, and a FinerankWarning says why.
    """

    def __init__(
        self,
        model_name: Source = None,
        revision: str | None = None,
        device: str | None = None,
        *,
        instructions: Mapping[str, str] | None = None,
        batch_size: int = 0,
        experiment: Mapping[str, Any] | None = None,
        on_progress: Callable[[int, int], None] | None = None,
        **loading: Any,
    ) -> None:
        loading |= {name: value for name, value in (("revision", revision), ("device", device)) if value is not None}
        self.instructions = dict(instructions or {})
        self.experiment = dict(experiment or {})
        self.on_progress = on_progress
        self.num_failed = 0
        self._scorer = Scorer(model_name, loading=loading, batch_size=batch_size)
        self.info = self._scorer.info

    @property
    def mteb_model_meta(self) -> ModelMeta:
        is_told = self.info.default_instruction is not None
        told = {"instructions": experiment_name(self.instructions)} if is_told else {}
        return model_meta(self.info, "cross-encoder", told | self.experiment)

    def predict(self, inputs1: Any, inputs2: Any, *, task_metadata: Any, **_: Any) -> "FloatArray":
        """Log-odds of each (query of `inputs1`, document of `inputs2`), (N,) fp32."""
        total, scores = len(inputs2.dataset), np.empty(0, dtype=np.float32)
        rows = zip(self._queries(inputs1, task_metadata.name), _column(inputs2, "text"), strict=True)
        pairs = ((query, instruction, document) for (query, instruction), document in rows)
        while chunk := list(islice(pairs, PAIRS_AT_ONCE)):
            scores = np.append(scores, self._scores(chunk))
            if self.on_progress is not None:
                self.on_progress(len(scores), total)
        return scores

    def close(self) -> None:
        self._scorer.close()

    def _queries(self, inputs: Any, task: str) -> Iterator[tuple[str, str | None]]:
        """Each query and its instruction. MTEB's `text` has both in one, for models that take none."""
        for batch in inputs:
            if self.info.default_instruction is None:
                yield from ((text, None) for text in batch["text"])
            elif "instruction" in batch:
                yield from zip(batch["query"], (text or None for text in batch["instruction"]), strict=True)
            else:
                yield from ((text, self.instructions.get(task)) for text in batch["text"])

    def _scores(self, rows: Sequence[Row]) -> "FloatArray":
        scores = np.full(len(rows), WITHOUT_SCORE, dtype=np.float32)
        groups: dict[str | None, list[int]] = {}
        for position, (query, instruction, _) in enumerate(rows):
            if query.strip():
                groups.setdefault(instruction, []).append(position)
            else:
                self.num_failed += 1  # refused by a Reranker, but one blank query must not end a run
        for instruction, positions in groups.items():
            judged = self._scorer.assess([(rows[at][0], rows[at][2]) for at in positions], instruction=instruction)
            scores[positions] = [self._score(each) for each in judged]
        return scores

    def _score(self, judged: RankedDocument) -> float:
        self.num_failed += judged.error is not None
        return judged.log_odds if judged.error is None else WITHOUT_SCORE


def _column(inputs: Any, name: str) -> Iterator[str]:
    for batch in inputs:
        yield from batch[name]
