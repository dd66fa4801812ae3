"""TEI's `/embed`: bare arrays of numbers. TEI's `/v1/embeddings` is OpenAI's and in embeddings.py."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from fastapi import APIRouter
from pydantic import Field

from ...models.text_prompts import TextKind
from ..problems import bad_request
from ..service import EmbeddingCall, RerankService
from .embeddings import Embedded, EmbeddingBody, EmbeddingEndpoint, Texts, texts_of_input
from .endpoint import DOCUMENTS, plain_router, serve
from .tei import TEI, Truncation, time_headers

_PROMPTS: Final[Mapping[str, TextKind]] = {"query": "query", "document": "document", "passage": "document"}


class TeiEmbedRequest(Truncation, EmbeddingBody):
    """TEI's embeddings. Without `prompt_name` nothing is put before a text: such callers write their own prompt."""

    idle: ClassVar[frozenset[str]] = frozenset({"encoding_format"})

    inputs: Texts = Field(description="a text, or a list of texts; token ids are refused")
    normalize: bool | None = Field(None, description="bring vectors to length 1; default true")
    prompt_name: str | None = Field(None, description="query or document: put the model's own prompt before the texts")
    dimensions: int | None = Field(None, description="cut vectors to so many numbers, for models trained to be cut")

    def call(self) -> EmbeddingCall:
        if self.prompt_name is not None and self.prompt_name not in _PROMPTS:
            raise bad_request("prompt_name must be query or document", "prompt_name")
        return EmbeddingCall(
            texts=texts_of_input(self.inputs, "inputs"),
            kind=_PROMPTS[self.prompt_name] if self.prompt_name is not None else "plain",
            normalize=self.normalize is not False,
            truncate=self.wanted_truncation(),
            dimensions=self.dimensions,
        )


def _answer(asked: TeiEmbedRequest, embedded: Embedded) -> list[list[float]]:
    """A row for each text; an empty one for a text that failed, which a header names."""
    return embedded.vectors()


def _headers(asked: TeiEmbedRequest, embedded: Embedded) -> dict[str, str]:
    texts: list[Any] = [asked.inputs] if isinstance(asked.inputs, str) else asked.inputs
    return time_headers(embedded.facts, sum(map(len, texts)), embedded.tokens)


TEI_EMBED: Final = EmbeddingEndpoint(
    TEI,
    TeiEmbedRequest,
    _answer,
    list[list[float]],
    {"inputs": DOCUMENTS, "normalize": True},
    "Vectors of texts, as bare arrays",
    headers=_headers,
)


def tei_embed_router(service: RerankService) -> APIRouter:
    """`/tei` itself too: clients that are given a server's address post to it."""
    router = plain_router("TEI")
    serve(router, service, TEI_EMBED, "/embed", "/tei/embed", "/tei")
    return router
