"""What an answer must say beside its scores: documents that failed, were cut or blank; fields that had no effect."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from typing_extensions import TypedDict

from ..types import AnswerFacts, RankedDocument, Ranking
from .json_response import header_text

if TYPE_CHECKING:
    from ..embedder import Embeddings

ERRORS: Final = "X-Finerank-Errors"
WARNINGS: Final = "X-Finerank-Warnings"
TRUNCATED: Final = "X-Finerank-Truncated"
BLANK: Final = "X-Finerank-Blank"
MODEL: Final = "X-Finerank-Model"
FINGERPRINT: Final = "X-Finerank-Fingerprint"
INSTRUCTION: Final = "X-Finerank-Instruction"
NOTICES: Final = (ERRORS, WARNINGS, TRUNCATED, BLANK, MODEL, FINGERPRINT, INSTRUCTION)
_MOST_NAMED: Final = 20
_LONGEST_INSTRUCTION: Final = 500


class DocumentError(TypedDict):
    """Why a document has no score, or a text no vector."""

    index: int
    message: str


def error_list(ranking: Ranking) -> list[DocumentError]:
    """Documents without a score, in input order."""
    return [{"index": each.index, "message": each.error} for each in ranking if each.error is not None]


def named(names: Sequence[str]) -> str:
    """A list for a sentence, not too long."""
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(name[:50] for name in names[:_MOST_NAMED]) + more


def unknown_fields(names: Iterable[str]) -> list[str]:
    """A note for fields that this server does not know."""
    listed = list(names)
    return [f"unknown fields were ignored: {named(listed)}"] if listed else []


def idle_fields(names: Iterable[str]) -> list[str]:
    """A note for fields of the dialect that change nothing here."""
    listed = list(names)
    return [f"fields without effect here: {named(listed)}"] if listed else []


def notice_headers(ranking: Ranking, notes: Iterable[str]) -> dict[str, str]:
    """For clients that read only the fields they know: what the body of a strict dialect has no place for."""
    headers = _fact_headers(ranking.facts)
    failed = [str(each.index) for each in ranking if each.error is not None]
    if failed:
        headers[ERRORS] = f"no score for documents {named(failed)}"
    headers |= notes_header(notes)
    _flag(headers, TRUNCATED, [each for each in ranking if each.is_truncated])
    _flag(headers, BLANK, [each for each in ranking if each.is_blank])
    return headers


def embedding_headers(found: "Embeddings", notes: Iterable[str]) -> dict[str, str]:
    """As `notice_headers`, of texts and their vectors."""
    headers = _fact_headers(found.facts)
    if found.errors:
        headers[ERRORS] = f"no vector for texts {named([str(index) for index in found.errors])}"
    headers |= notes_header(notes)
    for name, indices in ((TRUNCATED, found.truncated), (BLANK, found.blank)):
        if indices:
            headers[name] = f"texts {named([str(index) for index in indices])}"
    return headers


def _fact_headers(facts: AnswerFacts) -> dict[str, str]:
    headers = {MODEL: header_text(facts.model.name), FINGERPRINT: facts.model.fingerprint}
    if facts.instruction:
        headers[INSTRUCTION] = header_text(facts.instruction, _LONGEST_INSTRUCTION)
    return headers


def notes_header(notes: Iterable[str]) -> dict[str, str]:
    warned = header_text("; ".join(notes))
    return {WARNINGS: warned} if warned else {}


def _flag(headers: dict[str, str], name: str, documents: list[RankedDocument]) -> None:
    if documents:
        headers[name] = f"documents {named([str(each.index) for each in documents])}"
