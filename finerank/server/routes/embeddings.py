"""`POST /v1/embeddings` as OpenAI's clients ask, and what all routes share that give vectors."""

import asyncio
import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, NotRequired, TypeVar

from fastapi import APIRouter
from pydantic import Field, WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response
from typing_extensions import TypedDict

from ...models.text_prompts import TextKind
from ..dialect import EMPTY, Dialect, openai_answer
from ..exchange import ask_for_vectors
from ..notices import DocumentError, embedding_headers
from ..problems import Problem, ProblemError, bad_request, json_type
from ..service import EmbeddingCall, RerankService, notes_of
from .asked import Body, one_of
from .endpoint import DOCUMENTS, BaseEndpoint, plain_router, serve
from .usage import Usage

if TYPE_CHECKING:
    from ...embedder import Embeddings
    from ...types import AnswerFacts

OPENAI: Final = Dialect("openai", openai_answer)

TEXTS_SCHEMA: Final = {
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}],
}
Texts = Annotated[Any, WithJsonSchema(TEXTS_SCHEMA)]
"""One text or several. Looked at in `texts_of_input`, which can say more than a type."""

_MANY_NUMBERS: Final = 50_000
"""An answer of more is written in a thread: a million numbers take some 0.2 s, in which nobody else would be heard."""

_KINDS: Final[Mapping[str, TextKind]] = {
    "query": "query",
    "search_query": "query",
    "document": "document",
    "search_document": "document",
    "passage": "document",
}
"""Words of several APIs for the two sides of a search."""


class EmbeddingBody(Body):
    """A question that is answered with vectors."""

    def call(self) -> EmbeddingCall:
        """What to ask the service. Raises ProblemError."""
        raise NotImplementedError


class EmbeddingRequest(EmbeddingBody):
    """OpenAI's embeddings. Texts are documents unless `input_type` or an instruction says that they are queries."""

    idle: ClassVar[frozenset[str]] = frozenset({"truncate_prompt_tokens"})
    quiet: ClassVar[frozenset[str]] = frozenset({"user", "priority", "request_id", "add_special_tokens"})

    input: Texts = Field(description="a text, or a list of texts; token ids are refused")
    model: str | None = Field(None, description="name of the embedding model; the answer names who answered")
    encoding_format: str | None = Field(None, description="float (default), or base64 of little-endian 32-bit numbers")
    dimensions: int | None = Field(None, description="cut vectors to so many numbers, for models trained to be cut")
    input_type: str | None = Field(None, description="query or document (default), which decides over the prompt")
    instruction: str | None = Field(None, description="what queries look for, in a sentence; makes the texts queries")
    instruct: str | None = Field(None, description="another name for instruction")
    preset: str | None = Field(None, description="a named instruction instead of one of your own")
    truncate: bool | None = Field(None, description="cut what does not fit; false refuses the call; default true")

    def call(self) -> EmbeddingCall:
        if self.encoding_format not in (None, "float", "base64"):
            raise bad_request("encoding_format must be float or base64", "encoding_format")
        instruction = one_of(instruction=self.instruction, instruct=self.instruct)
        return EmbeddingCall(
            texts=texts_of_input(self.input, "input"),
            kind=self._kind(has_instruction=bool(self.preset or (instruction and instruction.strip()))),
            model=self.model or None,
            instruction=instruction,
            preset=self.preset,
            dimensions=self.dimensions,
            truncate=self.truncate is not False,
        )

    def _kind(self, *, has_instruction: bool) -> TextKind:
        if self.input_type is None:
            return "query" if has_instruction else "document"
        if self.input_type.lower() not in _KINDS:
            raise bad_request("input_type must be query or document", "input_type")
        return _KINDS[self.input_type.lower()]


class Embedding(TypedDict):
    """embedding: empty for a text that failed, so that the others keep their places; `errors` says why."""

    object: str
    index: int
    embedding: list[float] | str


class EmbeddingAnswer(TypedDict):
    object: str
    model: str
    data: list[Embedding]
    usage: Usage
    errors: NotRequired[list[DocumentError]]
    fingerprint: str
    warnings: NotRequired[list[str]]


@dataclass(slots=True)
class Embedded:
    """An answer of the service before it has a shape.   notes: warnings for the caller."""

    found: "Embeddings"
    notes: list[str]

    @property
    def facts(self) -> "AnswerFacts":
        return self.found.facts

    @property
    def tokens(self) -> int:
        return self.found.facts.usage.prompt_tokens

    def vectors(self) -> list[list[float]]:
        """Empty for a text without one."""
        rows: list[list[float]] = self.found.vectors.tolist()
        for index in self.found.errors:
            rows[index] = []
        return rows

    def encoded(self) -> list[str]:
        """Base64 of little-endian fp32; "" for a text without one."""
        rows = self.found.vectors.astype("<f4", copy=False)
        return ["" if index in self.found.errors else _base64(row.tobytes()) for index, row in enumerate(rows)]


B = TypeVar("B", bound=EmbeddingBody)


@dataclass(frozen=True, slots=True)
class EmbeddingEndpoint(BaseEndpoint[B, Embedded]):
    """Answers with vectors."""

    async def respond(self, request: Request, service: RerankService, body: Mapping[str, Any]) -> Response:
        asked = self.asked.model_validate(body)
        notes = asked.notes(service.settings)
        call = asked.call()
        found = await ask_for_vectors(request, service, call, self.dialect)
        _refuse_all_failed(found)
        embedded = Embedded(found, [*notes, *notes_of(call, found)])
        headers = embedding_headers(found, embedded.notes)
        if found.vectors.size > _MANY_NUMBERS:
            return await asyncio.to_thread(self.response, asked, embedded, headers)
        return self.response(asked, embedded, headers)

    def example_answer(self) -> Any:
        asked = self.asked.model_validate(self.example)
        return self.answer(asked, Embedded(_example_embeddings(asked.call().texts), []))


def texts_of_input(value: Any, name: str) -> list[str]:
    """The texts to embed. Raises ProblemError for anything but a text or texts."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        raise bad_request(f"{name} must be a string or a list of strings, not {json_type(value)}", name)
    if not value:
        raise ProblemError(Problem(400, EMPTY, f"{name} is empty; give at least one text", name))
    for index, text in enumerate(value):
        if isinstance(text, bool) or not isinstance(text, int | list | str):
            raise bad_request(f"{name}[{index}] must be a string, not {json_type(text)}", name)
        if not isinstance(text, str):
            raise bad_request(
                f"{name} holds token ids, and nobody can tell whose: clients that count with OpenAI's vocabulary send "
                "numbers that mean other words here; send texts (LangChain: check_embedding_ctx_length=False)",
                name,
            )
    return value


def embeddings_router(service: RerankService) -> APIRouter:
    router = plain_router("embeddings")
    serve(router, service, EMBEDDINGS, "/v1/embeddings", "/embeddings", "/vllm/v1/embeddings", "/tei/v1/embeddings")
    return router


def _answer(asked: EmbeddingRequest, embedded: Embedded) -> EmbeddingAnswer:
    rows: Sequence[list[float] | str] = embedded.encoded() if asked.encoding_format == "base64" else embedded.vectors()
    answer: EmbeddingAnswer = {
        "object": "list",
        "model": embedded.facts.model.name,
        "data": [{"object": "embedding", "index": index, "embedding": row} for index, row in enumerate(rows)],
        "usage": {"prompt_tokens": embedded.tokens, "total_tokens": embedded.tokens},
        "fingerprint": embedded.facts.model.fingerprint,
    }
    if embedded.found.errors:
        answer["errors"] = [{"index": index, "message": error} for index, error in embedded.found.errors.items()]
    if embedded.notes:
        answer["warnings"] = embedded.notes
    return answer


EMBEDDINGS: Final = EmbeddingEndpoint(
    OPENAI,
    EmbeddingRequest,
    _answer,
    EmbeddingAnswer,
    {"input": DOCUMENTS, "encoding_format": "float"},
    "Vectors of texts, each of length 1",
)


def _refuse_all_failed(found: "Embeddings") -> None:
    """An answer without a single vector is none."""
    if len(found) and len(found.errors) == len(found):
        index, error = next(iter(found.errors.items()))
        raise ProblemError(Problem(422, "model_error", f"no text has a vector; text {index}: {error}"))


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _example_embeddings(texts: Sequence[str]) -> "Embeddings":
    import numpy as np

    from ...embedder import Embeddings
    from ...types import AnswerFacts, ModelInfo, Usage

    info = ModelInfo("Qwen/Qwen3-Embedding-0.6B", "bi_encoder", "5d1c04a9be27f638", "bfloat16", "cpu", 8192)
    facts = AnswerFacts(info, None, Usage(8 * len(texts), 8 * len(texts)), 0.021, 0.001)
    vectors = np.tile(np.array([0.6, -0.8], dtype=np.float32), (len(texts), 1))
    return Embeddings(vectors, facts, num_tokens=[8] * len(texts))
