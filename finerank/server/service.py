"""The one internal request. Every route and the page make a `RerankCall`; `RerankService.rank` answers it.

What holds for all callers (limits, and later admission and metrics) belongs here; what a dialect looks like does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import InputError
from ..instructions import resolve_instruction
from ..settings import Settings
from ..texts import check_text
from ..types import Document, Ranking
from .model_slot import ModelSlot


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankCall:
    """What a caller wants ranked. The fields mean what they mean in `Reranker.rank`.

    instruction: a blank one means the default, as in forms whose box is left empty.
    model: the name the caller gave, if any.
    """

    query: str
    documents: Sequence[Document]
    instruction: str | None = None
    preset: str | None = None
    top_n: int | None = None
    min_score: float | None = None
    batch_size: int = 0
    model: str | None = None

    @property
    def effective_instruction(self) -> str | None:
        """None for the model's default. Raises InputError."""
        given = check_text(self.instruction, "the instruction") if self.instruction is not None else ""
        return resolve_instruction(given if given.strip() else None, self.preset)


class RerankService:
    """Answers calls with the model in the slot."""

    def __init__(self, slot: ModelSlot, settings: Settings) -> None:
        self.slot = slot
        self.settings = settings

    async def rank(self, call: RerankCall) -> Ranking:
        """Raises NotReadyError, InputError, EngineError. A call that is cancelled leaves the engine's queue."""
        self._check_size(call.documents)
        with self.slot.use() as reranker:
            return await reranker.arank(
                call.query,
                call.documents,
                instruction=call.effective_instruction,
                top_n=call.top_n,
                min_score=call.min_score,
                batch_size=call.batch_size,
            )

    def _check_size(self, documents: Sequence[Document]) -> None:
        limit = self.settings.max_documents
        if len(documents) > limit:
            raise InputError(
                f"documents has {len(documents):,} entries and this server takes {limit:,}; send the best candidates "
                "only, or start the server with a larger --max-documents"
            )


def notes_of(call: RerankCall, ranking: Ranking) -> list[str]:
    """What the caller should know about the answer: the library's warnings, and a model other than the one named."""
    name = ranking.facts.model.name
    notes = list(ranking.facts.warnings)
    if call.model is not None and call.model != name:
        notes.append(f"model {call.model!r} was asked for, {name!r} answered: it is the one this server runs")
    return notes
