"""`Asked`: what a question may say in every dialect, and the several names that dialects have for one thing."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from ...ranking import MinScore
from ...settings import Settings
from ...types import Document
from ..dialect import EMPTY
from ..notices import idle_fields, named, unknown_fields
from ..problems import Problem, ProblemError, bad_request, json_type
from ..service import RerankCall, ScoreCall

T = TypeVar("T")
_HUGE: Final = 2**31


class Body(BaseModel):
    """The body of a request; a field that it does not have is told, or refused.

    idle: fields of the dialect that change nothing here; whoever gives one is told.   quiet: those that need no word.
    """

    model_config = ConfigDict(strict=True, extra="allow")

    idle: ClassVar[frozenset[str]] = frozenset()
    quiet: ClassVar[frozenset[str]] = frozenset()

    def unknown(self) -> list[str]:
        """Names of fields that the dialect does not have."""
        known = self.idle | self.quiet
        return [name for name in self.model_extra or () if name not in known]

    def ineffective(self) -> list[str]:
        """Names of fields that the dialect has and that change nothing here."""
        return [name for name, value in (self.model_extra or {}).items() if name in self.idle and value is not None]

    def notes(self, settings: Settings) -> list[str]:
        """What to say of fields without effect. Raises ProblemError for unknown ones if the settings are strict."""
        unknown = self.unknown()
        if unknown and settings.strict_fields:
            raise bad_request(
                f"unknown fields: {named(unknown)}; leave them out, or start the server without --strict-fields",
                unknown[0],
            )
        return [*unknown_fields(unknown), *idle_fields(self.ineffective())]


class Asked(Body):
    """What a question may say in every dialect. Two names for one thing may both be given only if they agree."""

    model: str | None = Field(None, description="which of the served models; the answer names who answered")
    top_n: int | None = Field(None, description="keep only the best so many")
    top_k: int | None = Field(None, description="another name for top_n")
    instruction: str | None = Field(None, description='what "relevant" means, in a sentence')
    instruct: str | None = Field(None, description="another name for instruction")
    preset: str | None = Field(None, description="a named instruction instead of one of your own")
    min_score: MinScore | None = Field(
        None, description='keep only documents of at least this probability, 0 to 1; "calibrated": of the threshold'
    )
    batch_size: int | None = Field(None, description="most documents in one batch; default and 0: automatic")

    def call(self) -> RerankCall | ScoreCall:
        """What to ask the service. Raises ProblemError."""
        raise NotImplementedError

    def wanted_model(self) -> str | None:
        return self.model or None

    def wanted_top_n(self) -> int | None:
        return one_of(top_n=self.top_n, top_k=self.top_k)

    def wanted_instruction(self) -> str | None:
        return one_of(instruction=self.instruction, instruct=self.instruct)

    def rerank_call(
        self, query: str, documents: Sequence[Any], *, truncate: bool = True, max_document_tokens: int | None = None
    ) -> RerankCall:
        """A call with this request's common fields."""
        return RerankCall(
            query=query,
            documents=documents,
            model=self.wanted_model(),
            top_n=self.wanted_top_n(),
            instruction=self.wanted_instruction(),
            preset=self.preset,
            min_score=self.min_score,
            batch_size=self.batch_size or 0,
            truncate=truncate,
            max_document_tokens=max_document_tokens,
        )

    def score_call(self, pairs: Sequence[tuple[str, Any]], *, max_document_tokens: int | None = None) -> ScoreCall:
        """A call with this request's common fields; all pairs are answered."""
        return ScoreCall(
            pairs=pairs,
            model=self.wanted_model(),
            instruction=self.wanted_instruction(),
            preset=self.preset,
            batch_size=self.batch_size or 0,
            max_document_tokens=max_document_tokens,
        )


def one_of(**names: T | None) -> T | None:
    """The value under whichever name it was given. Raises ProblemError if two names disagree."""
    given = {name: value for name, value in names.items() if value is not None}
    values = list(given.values())
    if any(value != values[0] for value in values):
        said = " and ".join(f"{name} ({value!r})" if isinstance(value, int) else name for name, value in given.items())
        raise bad_request(f"{said} are two names for one thing and differ; give one of them", next(iter(given)))
    return values[0] if values else None


def filled(documents: Sequence[Any], name: str) -> Sequence[Any]:
    """`documents` if there are any; else the complaint names the field as the dialect does."""
    if not documents:
        raise ProblemError(Problem(400, EMPTY, f"{name} is empty; give at least one", name))
    return documents


def by_fields(documents: Sequence[Any], rank_fields: Sequence[str] | None) -> Sequence[Any]:
    """Objects as texts made of the fields named, in that order; the object's own `text` is what ranks without names."""
    if not rank_fields:
        return documents
    return [_joined(each, rank_fields) if isinstance(each, dict) else each for each in documents]


def with_content(documents: Sequence[Any]) -> list[Any]:
    """Documents whose text comes in parts, as in chat messages, with that text in one piece."""
    return [_with_text(each) if isinstance(each, dict) else each for each in documents]


def _joined(document: dict[str, Any], rank_fields: Sequence[str]) -> Document:
    values = [document[name] for name in rank_fields if document.get(name) is not None]
    if not values:
        return document
    return {**document, "text": "\n".join(value if isinstance(value, str) else str(value) for value in values)}


def _with_text(document: dict[str, Any]) -> dict[str, Any]:
    if "text" in document or "content" not in document:
        return document
    text = _text_of_parts(document["content"])
    return document if text is None else {**document, "text": text}


def _text_of_parts(parts: Any) -> str | None:
    """Text of `[{"type": "text", "text": ...}]`; None if anything else is in it, such as an image."""
    if isinstance(parts, str):
        return parts
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        return None
    texts = [part.get("text") for part in parts]
    return "\n".join(texts) if texts and all(isinstance(text, str) for text in texts) else None


def _query_text(value: Any) -> Any:
    """A query as `{"text": ...}` or in parts is its text."""
    if not isinstance(value, Mapping):
        return value
    text = value.get("text", _text_of_parts(value.get("content")))
    if not isinstance(text, str):
        raise bad_request("query must be a string, or an object with text", "query")
    return text


def _listed(value: Any) -> Any:
    """One document alone is a list of one."""
    return [value] if isinstance(value, str | dict) else value


_DOCUMENTS: Final = {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "object"}]}}
Documents = Annotated[list[Any], WithJsonSchema(_DOCUMENTS)]
"""Each is looked at when it is ranked: one that cannot be used fails alone."""
DocumentOrList = Annotated[
    list[Any],
    BeforeValidator(_listed),
    WithJsonSchema({"anyOf": [{"type": "string"}, _DOCUMENTS]}),
]
Query = Annotated[
    str,
    BeforeValidator(_query_text),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object", "properties": {"text": {"type": "string"}}}]}),
]
"""A string, or the same wrapped as dialects with other media do."""


def checked_limit(tokens: int | None, name: str) -> int | None:
    """A limit of tokens where 0 means none. Raises ProblemError for a negative one."""
    if tokens is not None and tokens < 0:
        raise bad_request(f"{name} is {tokens}; give a whole number of at least 1, or 0 for no limit", name)
    return min(tokens, _HUGE) if tokens else None


def texts_of(values: Iterable[Any], name: str) -> list[str]:
    """Queries must all be texts. Raises ProblemError."""
    texts = [_query_text(value) for value in values]
    for text in texts:
        if not isinstance(text, str):
            raise bad_request(f"{name} must be strings, not {json_type(text)}", name)
    return texts
