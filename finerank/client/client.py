"""`AsyncClient`, and `Client` for code without an event loop: rerank at a finerank server or any known provider.

documents -> checks -> calls of a size the provider takes -> transport -> answers, checked -> one ranking
"""

import hashlib
import json
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeAlias

import httpx

from ..errors import InputError
from ..instructions import DEFAULT_INSTRUCTION
from ..ranking import check_options, select
from ..types import AnswerFacts, Document, ModelInfo, Ranking, Usage
from .answers import Answer, UnusableAnswerError, read_answer
from .blocking import BlockingClient, same_options
from .call import Documents, checked_question, has_raw_scores, split
from .keys import find_key
from .limits import RateLimits
from .providers import Provider, Question, Route, provider_of, split_name
from .template import PromptTemplate, spelled_out
from .transport import Retry, Transport, all_of

Template: TypeAlias = Literal["auto", "always", "never"]

_TEMPLATES: Final = ("auto", "always", "never")


class AsyncClient:
    """Reranks over HTTP. For one event loop; end it with `close` or `async with`.

    >>> async with AsyncClient("siliconflow:Qwen/Qwen3-Reranker-8B") as client:  # doctest: +SKIP
    ...     ranking = await client.rerank("red planet", ["Venus is hot.", "Mars is called the red planet."])

    provider: finerank, siliconflow, dashscope, cohere, jina, voyage, mixedbread, vllm or tei, or PROVIDER:MODEL.
    base_url: of another server with the same API, with or without its path (`/v1`); None = the provider's own.
    api_key: None = from the environment (`SILICONFLOW_API_KEY` and so on). Never logged and never shown.
    model: hosted providers must be told one.
    template: whether Qwen3's prompt is written here: "auto" for vllm alone, which does not, "always" or "never".
    retry: what is done about 429, 5xx, timeouts and cut connections.
    timeout_s: seconds that one try may take.
    requests_per_minute, tokens_per_minute: most that is asked, None = no limit; tokens are estimated, rather high.
    max_concurrency: most requests under way at once.
    max_documents_per_call: longer lists are asked for in several calls; None = the provider's limit.
    transport: an httpx transport in place of the network, for tests.

    Proxies are those of the environment. Redirects are not followed. Raises InputError for an option that cannot be
    used, AuthenticationError for a missing or impossible key.
    """

    def __init__(
        self,
        provider: str = "finerank",
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        model: str | None = None,
        template: Template = "auto",
        retry: Retry | None = None,
        timeout_s: float = 60.0,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        max_concurrency: int = 4,
        max_documents_per_call: int | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._provider, self._model = _provider_and_model(provider, model)
        self._url, self._route = _endpoint(self._provider, base_url)
        self._max_documents = _check_max_documents(max_documents_per_call, self._provider)
        self._template = _template_for(self._provider, template)
        self._transport = Transport(
            self._provider,
            self._url,
            find_key(self._provider, api_key),
            retry=retry if retry is not None else Retry(),
            timeout_s=timeout_s,
            limits=RateLimits(requests_per_minute, tokens_per_minute),
            max_concurrency=max_concurrency,
            transport=transport,
        )
        self.info = self._info()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.description})"

    @property
    def description(self) -> str:
        """Who is asked, and where; without the key."""
        return f"{self._provider.name!r}, url={self._url!r}, model={self._model!r}"

    async def rerank(
        self,
        query: str,
        documents: Sequence[Document],
        *,
        instruction: str | None = None,
        top_n: int | None = None,
        return_documents: bool = True,
    ) -> Ranking:
        """The documents, best first; ties in input order, documents that failed last.

        documents: texts, or mappings with `text`.   top_n: keep only so many, chosen after all were scored.
        instruction: what "relevant" means, in a sentence; None or blank = the provider's default. A provider that takes
        none is not sent it, and a warning says so.
        return_documents: False leaves the `document` of each result empty; they never travel back in any case.
        Raises InputError if query, list or an option cannot be used, ProviderError and its kinds if no ranking can be
        had; trouble with one document is in its `error`.
        """
        started = time.perf_counter()
        check_options(top_n, None, 0)
        instruction = checked_question(query, instruction)
        refuser = self._provider.name if self._provider.is_hosted and self._template is None else None
        asked = Documents.of(documents, refuser_of_blank=refuser)
        question, warnings = self._question(query, asked.texts, instruction)
        answers = await self._ask(question)
        opinions = [opinion for answer in answers for opinion in answer.opinions]
        is_raw = has_raw_scores(opinions)
        if is_raw:
            warnings.append(
                f"{self._provider.name} gave scores outside 0 to 1; they are taken for log-odds, and score is their "
                "sigmoid"
            )
        kept = select(asked.ranked(opinions, is_raw, return_documents), top_n=top_n)
        return Ranking(kept, self._facts(answers, instruction, warnings, time.perf_counter() - started))

    async def close(self) -> None:
        """Ends the connections."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def _question(self, query: str, texts: list[str], instruction: str | None) -> tuple[Question, list[str]]:
        """What is sent, and what must be said about it."""
        if self._template is not None:
            return self._templated(self._template, query, texts, instruction)
        if instruction is None or self._provider.takes_instruction(self._route, self._model):
            return Question(query, texts, instruction, self._model), self._warnings_untemplated(instruction)
        whose = f"{self._provider.name}'s {self._model}" if self._route.body.instruction else self._provider.name
        return Question(query, texts, None, self._model), [f"{whose} takes no instruction; the one given was not sent"]

    def _warnings_untemplated(self, instruction: str | None) -> list[str]:
        if instruction is None or not self._provider.needs_template:
            return []
        return [
            f"{self._provider.name} follows an instruction only with a chat template for scores; older ones ignore it"
        ]

    def _templated(
        self, template: PromptTemplate, query: str, texts: list[str], instruction: str | None
    ) -> tuple[Question, list[str]]:
        warnings = []
        if "qwen3" not in (self._model or "qwen3").lower():
            warnings.append(
                f"Qwen3's prompt was written around the texts; if {self._model} is another model, use template='never'"
            )
        if any(text != spelled_out(text) for text in (query, instruction or "", *texts)):
            warnings.append("control tokens of Qwen3 in the texts were sent with a space in them")
        sides = [template.document_side(text) for text in texts]
        return Question(template.query_side(query, instruction), sides, None, self._model), warnings

    async def _ask(self, question: Question) -> list[Answer]:
        """Answers that together have an opinion on each text, in order. The first failure ends all calls."""
        most = self._provider.max_tokens
        parts = split(question.texts, question.query, max_documents=self._max_documents, max_tokens=most)
        return await all_of(self._ask_part(replace(question, texts=texts), num_tokens) for texts, num_tokens in parts)

    async def _ask_part(self, question: Question, num_tokens: int) -> Answer:
        reply = await self._transport.post(self._route.body.of(question), num_tokens)
        try:
            return read_answer(reply.body, reply.headers, question.texts)
        except UnusableAnswerError as error:
            raise self._transport.unusable(error, reply.status) from None

    def _facts(
        self, answers: Sequence[Answer], instruction: str | None, warnings: list[str], seconds: float
    ) -> AnswerFacts:
        first = answers[0] if answers else Answer([])
        if any((each.model, each.fingerprint) != (first.model, first.fingerprint) for each in answers):
            warnings = [
                *warnings,
                "the calls of this list were answered by different models; their scores do not compare",
            ]
        said = [warning for answer in answers for warning in answer.warnings]
        model = replace(
            self.info, name=first.model or self.info.name, fingerprint=first.fingerprint or self.info.fingerprint
        )
        usage = Usage(sum(each.prompt_tokens for each in answers), sum(each.computed_tokens for each in answers))
        followed = first.instruction or self._followed(instruction)
        return AnswerFacts(
            model=model,
            instruction=followed,
            usage=usage,
            seconds=seconds,
            warnings=tuple(dict.fromkeys([*warnings, *said])),
        )

    def _followed(self, instruction: str | None) -> str | None:
        """The instruction that the model was told, as far as we know."""
        if self._template is not None:
            return self._template.default_instruction if instruction is None else instruction
        return instruction if self._provider.takes_instruction(self._route, self._model) else None

    def _info(self) -> ModelInfo:
        """What is known before the first answer. dtype and limits are the provider's secret."""
        name = self._model or self._provider.name
        told = [self._provider.name, self._url, self._model, self._template is not None]
        takes_instruction = self._template is not None or self._provider.takes_instruction(self._route, self._model)
        return ModelInfo(
            name=name,
            kind="remote",
            fingerprint=hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16],
            dtype="unknown",
            device=self._provider.name,
            max_length=0,
            default_instruction=DEFAULT_INSTRUCTION if takes_instruction else None,
        )


class Client(BlockingClient[AsyncClient]):
    """`AsyncClient` for code without an event loop; the options are the same.

    >>> with Client("finerank", base_url="http://localhost:7860") as client:  # doctest: +SKIP
    ...     ranking = client.rerank("red planet", ["Venus is hot.", "Mars is called the red planet."])

    Runs on a thread of its own and may be used from several. End it with `close` or `with`.
    """

    @same_options(AsyncClient)
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(AsyncClient(*args, **options))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._client.description})"

    @property
    def info(self) -> ModelInfo:
        """What is known of the model without asking it."""
        return self._client.info

    def rerank(
        self,
        query: str,
        documents: Sequence[Document],
        *,
        instruction: str | None = None,
        top_n: int | None = None,
        return_documents: bool = True,
    ) -> Ranking:
        """See `AsyncClient.rerank`. An interrupted call ends its requests."""
        return self._wait(
            self.submit(query, documents, instruction=instruction, top_n=top_n, return_documents=return_documents)
        )

    def submit(
        self,
        query: str,
        documents: Sequence[Document],
        *,
        instruction: str | None = None,
        top_n: int | None = None,
        return_documents: bool = True,
    ) -> "Future[Ranking]":
        """`rerank` without waiting. Cancelling the future ends its requests."""
        work = partial(
            self._client.rerank,
            query,
            documents,
            instruction=instruction,
            top_n=top_n,
            return_documents=return_documents,
        )
        return self._start(work)


def _provider_and_model(provider: str, model: str | None) -> tuple[Provider, str | None]:
    if not isinstance(provider, str):
        raise InputError(f"provider must be a name, not {type(provider).__name__}")
    name, named = split_name(provider) or (provider, None)
    if named is not None and model is not None and named != model:
        raise InputError(f"the model was named twice, {named!r} and {model!r}; give one of them")
    found, model = provider_of(name), named or model
    if found.is_hosted and not model:
        raise InputError(f"{found.name} must be told a model, such as {found.name}:{found.example}")
    return found, model


def _endpoint(provider: Provider, base_url: str | None) -> tuple[str, Route]:
    url, route = provider.endpoint(base_url)
    try:
        httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InputError(f"base_url is no URL ({error}); give one such as {provider.base_url}") from None
    return url, route


def _check_max_documents(given: int | None, provider: Provider) -> int:
    if given is None:
        return provider.max_documents
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise InputError(f"max_documents_per_call is {given!r}; give a whole number of at least 1, or None")
    return given


def _template_for(provider: Provider, template: Template) -> PromptTemplate | None:
    if template not in _TEMPLATES:
        raise InputError(f"template is {template!r}; give one of {', '.join(_TEMPLATES)}")
    is_written = template == "always" or (template == "auto" and provider.needs_template)
    return PromptTemplate() if is_written else None
