"""MTEB: `finerank.Embedder` as one of its encoders, the first stage of `finerank mteb`."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..embedder import Embedder
from .frameworks import needed

try:
    from mteb.models.abs_encoder import AbsEncoder
    from mteb.models.model_meta import ModelMeta
    from mteb.types import PromptType
except ModuleNotFoundError as error:
    raise needed(error, "mteb") from None
from .mteb_meta import experiment_name, model_meta

if TYPE_CHECKING:
    from ..scores import FloatArray


class FinerankEncoder(AbsEncoder):  # type: ignore[misc]
    """`mteb.evaluate(FinerankEncoder(embedder), task, prediction_folder=folder)`.

    instructions: task -> instruction of its queries, where the model takes one; None = the model's default.
    on_progress: called with (texts done, in all) for each list of texts.

    num_failed: texts without a vector so far; they are like nothing, and a FinerankWarning says why.
    """

    def __init__(
        self,
        embedder: Embedder,
        *,
        instructions: Mapping[str, str] | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.instructions = dict(instructions or {})
        self.on_progress = on_progress
        self.num_failed = 0
        self._embedder = embedder
        self._takes_instruction = embedder.info.default_instruction is not None

    @property
    def mteb_model_meta(self) -> ModelMeta:
        told = {"instructions": experiment_name(self.instructions)} if self._takes_instruction else {}
        return model_meta(self._embedder.info, "dense", told)

    def encode(
        self, inputs: Any, *, task_metadata: Any, prompt_type: PromptType | None = None, **_: Any
    ) -> "FloatArray":
        """(N, D) fp32, each of length 1; 0 throughout for a text without a vector."""
        texts = [text for batch in inputs for text in batch["text"]]
        if prompt_type == PromptType.query:
            instruction = self.instructions.get(task_metadata.name) if self._takes_instruction else None
            return self._finite(self._embedder.embed_queries(texts, instruction=instruction))
        return self._finite(self._embedder.embed_documents(texts, on_progress=self.on_progress))

    def _finite(self, vectors: "FloatArray") -> "FloatArray":
        """(N, D) fp32. MTEB sorts by torch.topk, which puts NaN before every number."""
        self.num_failed += int(np.isnan(vectors).any(axis=1).sum())
        return np.nan_to_num(vectors)
