"""Who can be asked: each provider as data. A new one is a row in `PROVIDERS`.

Field names, paths and limits are those of the providers' documentation, or of their servers' source.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from ..errors import InputError


@dataclass(frozen=True, slots=True)
class Question:
    """One call: texts as they are sent, the template applied where it is."""

    query: str
    texts: Sequence[str]
    instruction: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """How a wire format names what we say; None for what it has no word for.

    echo: the switch that returns the documents; always off, since the caller has them.
    fixed: what is always said.   sections: the object that a field stands in, if not the outermost.
    """

    documents: str = "documents"
    top: str | None = "top_n"
    echo: str | None = "return_documents"
    instruction: str | None = None
    model: str | None = "model"
    fixed: Mapping[str, Any] = field(default_factory=dict)
    sections: Mapping[str, str] = field(default_factory=dict)

    def of(self, question: Question) -> dict[str, Any]:
        """The JSON body. All scores are asked for: a default limit would hide documents."""
        said: dict[str | None, Any] = {
            self.model: question.model,
            "query": question.query,
            self.documents: list(question.texts),
            self.top: len(question.texts),
            self.echo: False,
            self.instruction: question.instruction,
        }
        body: dict[str, Any] = {}
        for name, value in [*said.items(), *self.fixed.items()]:
            if name is not None and value is not None:
                place = body.setdefault(self.sections[name], {}) if name in self.sections else body
                place[name] = value
        return body


@dataclass(frozen=True, slots=True)
class Route:
    """path: after the host.   body: what is posted there."""

    path: str
    body: Body


@dataclass(frozen=True, slots=True)
class Provider:
    """An API for reranking, or one for embedding.

    routes: the first is the default, another is used where the base URL says so.
    example: a model's name.   key_variables: where a key is looked for, in order.
    api, texts: what it is for, and what it takes many of, in words.
    max_documents: most documents, or texts, in a call.   max_tokens: most tokens in a call, the query counted with each
    document.
    is_hosted: a service with accounts: it must be told a key and a model, and may refuse blank documents.
    needs_template: it joins query and document as they are, so that Qwen3's prompt is ours to write.
    instruction_models: what is in the names of the models that take an instruction, where not all do.
    """

    name: str
    base_url: str
    routes: tuple[Route, ...]
    example: str
    key_variables: tuple[str, ...]
    max_documents: int
    max_tokens: int | None = None
    is_hosted: bool = True
    needs_template: bool = False
    instruction_models: str = ""
    api: str = "rerank"
    texts: str = "documents"

    def endpoint(self, base_url: str | None) -> tuple[str, Route]:
        """The URL to post to, and the route it is.

        base_url: with or without the path of the API, or of a part of it; None for the provider's own.
        Raises InputError for what is no base URL.
        """
        parts = urlsplit(_checked_url(base_url, self) if base_url is not None else self.base_url)
        base = _segments(parts.path)
        route = max(self.routes, key=lambda route: _overlap(base, _segments(route.path)))
        path = _segments(route.path)
        whole = "/".join(["", *base, *path[_overlap(base, path) :]])
        return urlunsplit((parts.scheme, parts.netloc, whole, "", "")), route

    def takes_instruction(self, route: Route, model: str | None) -> bool:
        return route.body.instruction is not None and self.instruction_models in (model or "").lower()


def provider_of(name: str) -> Provider:
    """Raises InputError that lists the known ones."""
    if name not in PROVIDERS:
        raise InputError(f"unknown provider {name!r}; known: {', '.join(PROVIDERS)}")
    return PROVIDERS[name]


def split_name(name: str, providers: "Mapping[str, Provider] | None" = None) -> tuple[str, str | None] | None:
    """("siliconflow", "Qwen/Qwen3-Reranker-8B") of "siliconflow:Qwen/Qwen3-Reranker-8B"; None without a provider.

    providers: those that are known, None for the rerank APIs.
    """
    provider, colon, model = name.partition(":")
    known = PROVIDERS if providers is None else providers
    return (provider, model or None) if colon and provider in known else None


def without_provider(name: str) -> str:
    """Of an embedding model: "text-embedding-3-small" of "openai:text-embedding-3-small"; any other name as it is."""
    found = split_name(name, EMBEDDING_PROVIDERS)
    return name if found is None or found[1] is None else found[1]


def _overlap(base: Sequence[str], path: Sequence[str]) -> int:
    """How many of the path's first segments the base ends with already."""
    return next(
        count for count in range(min(len(base), len(path)), -1, -1) if base[len(base) - count :] == path[:count]
    )


def _segments(path: str) -> list[str]:
    return [segment for segment in path.split("/") if segment]


_URL_TEXT: Final = re.compile(r"[^\s\x00-\x20\x7f]+")


def _checked_url(url: str, provider: Provider) -> str:
    """Never quotes a URL that may hold a password."""
    remedy = f"give one such as {provider.base_url}"
    try:
        parts = urlsplit(url.strip())
        has_host = bool(parts.hostname) and parts.port != 0
    except (ValueError, AttributeError):
        raise InputError(f"base_url is no URL; {remedy}") from None
    if parts.username is not None or parts.password is not None:
        raise InputError("base_url holds a user name or a password; give them as api_key")
    if parts.scheme not in ("http", "https") or not has_host or not _URL_TEXT.fullmatch(url.strip()):
        raise InputError(f"base_url is {url!r}, which does not start with http:// or https:// and a host; {remedy}")
    if parts.query or parts.fragment:
        raise InputError(f"base_url has a query or a fragment; {remedy}")
    return url.strip()


_JINA_LIKE: Final = Body()
_WITH_INSTRUCTION: Final = Body(instruction="instruction")
_VLLM: Final = Body(echo=None, instruction="instruction")
_COHERE: Final = Body(echo=None)
_DASHSCOPE: Final = Body(
    echo=None,  # off by default; not documented for every model
    instruction="instruct",
    sections=MappingProxyType(
        {
            "query": "input",
            "documents": "input",
            "top_n": "parameters",
            "instruct": "parameters",
        }
    ),
)


def _both(body: Body) -> tuple[Route, ...]:
    """With and without the version, as self-made servers have it."""
    return Route("/v1/rerank", body), Route("/rerank", body)


_ALL: Final = (
    Provider(
        name="finerank",
        base_url="http://localhost:7860",
        routes=_both(_WITH_INSTRUCTION),
        example="Qwen/Qwen3-Reranker-0.6B",
        key_variables=("FINERANK_API_KEY",),
        max_documents=1000,  # the server's default
        is_hosted=False,
    ),
    Provider(
        name="siliconflow",
        base_url="https://api.siliconflow.cn",
        routes=_both(_WITH_INSTRUCTION),
        example="Qwen/Qwen3-Reranker-8B",
        key_variables=("SILICONFLOW_API_KEY",),
        max_documents=100,  # not documented; what users are told to keep to
        instruction_models="qwen3",
    ),
    Provider(
        name="dashscope",
        base_url="https://dashscope.aliyuncs.com",
        routes=(
            Route("/api/v1/services/rerank/text-rerank/text-rerank", _DASHSCOPE),
            Route("/compatible-api/v1/reranks", Body(echo=None, instruction="instruct")),
        ),
        example="qwen3-rerank",
        key_variables=("DASHSCOPE_API_KEY",),
        max_documents=500,
        max_tokens=120_000,
        instruction_models="qwen3",
    ),
    Provider(
        name="cohere",
        base_url="https://api.cohere.com",
        routes=(Route("/v2/rerank", _COHERE), Route("/v1/rerank", _COHERE)),
        example="rerank-v3.5",
        key_variables=("COHERE_API_KEY", "CO_API_KEY"),
        max_documents=1000,
    ),
    Provider(
        name="jina",
        base_url="https://api.jina.ai",
        routes=_both(_JINA_LIKE),
        example="jina-reranker-v2-base-multilingual",
        key_variables=("JINA_API_KEY",),
        max_documents=1000,  # not documented
    ),
    Provider(
        name="voyage",
        base_url="https://api.voyageai.com",
        routes=_both(Body(top="top_k", fixed=MappingProxyType({"truncation": True}))),
        example="rerank-2.5",
        key_variables=("VOYAGE_API_KEY",),
        max_documents=1000,
        max_tokens=600_000,
    ),
    Provider(
        name="mixedbread",
        base_url="https://api.mixedbread.com",
        routes=(Route("/v1/reranking", Body(documents="input", top="top_k", echo="return_input")),),
        example="mixedbread-ai/mxbai-rerank-large-v2",
        key_variables=("MXBAI_API_KEY",),
        max_documents=100,  # not documented
    ),
    Provider(
        name="vllm",
        base_url="http://localhost:8000",
        routes=(*_both(_VLLM), Route("/v2/rerank", _VLLM)),
        example="Qwen/Qwen3-Reranker-0.6B",
        key_variables=("VLLM_API_KEY",),
        max_documents=250,  # no limit of its own; keeps a call well within the timeout
        is_hosted=False,
        needs_template=True,
    ),
    Provider(
        name="tei",
        base_url="http://localhost:8080",
        routes=(
            Route(
                "/rerank",
                Body(
                    documents="texts",
                    top=None,
                    echo="return_text",
                    model=None,
                    fixed=MappingProxyType({"truncate": True, "raw_scores": False}),
                ),
            ),
        ),
        example="BAAI/bge-reranker-v2-m3",
        key_variables=("TEI_API_KEY",),
        max_documents=32,  # the default of --max-client-batch-size
        is_hosted=False,
    ),
)

PROVIDERS: Final[Mapping[str, Provider]] = MappingProxyType({provider.name: provider for provider in _ALL})
"""By name."""

EMBEDDING_PROVIDERS: Final[Mapping[str, Provider]] = MappingProxyType(
    {
        "openai": Provider(
            name="openai",
            base_url="https://api.openai.com",
            routes=(Route("/v1/embeddings", Body(documents="input", top=None, echo=None)),),
            example="text-embedding-3-small",
            key_variables=("OPENAI_API_KEY",),
            max_documents=2048,
            max_tokens=300_000,
            api="embeddings",
            texts="texts",
        )
    }
)
"""By name; whoever speaks OpenAI's embeddings API is reached through `base_url`."""
