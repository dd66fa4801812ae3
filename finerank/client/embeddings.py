"""`EmbeddingClient`: vectors from an API of OpenAI's shape, with the same patience as the rerank client.

texts -> calls of a size the provider takes -> transport -> vectors, checked -> one array
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import httpx
import numpy as np

from ..errors import InputError, ProviderError
from ..scores import FloatArray
from .answers import UnusableAnswerError
from .blocking import BlockingClient, same_options
from .keys import find_key
from .limits import RateLimits, estimate_tokens
from .providers import EMBEDDING_PROVIDERS, Provider, split_name
from .transport import Retry, Transport, all_of
from .vectors import Vectors, read_vectors

_BASE_URL: Final = "OPENAI_BASE_URL"
"""The variable that OpenAI's own clients read."""
_OTHERS_TEXTS: Final = 32
"""Most texts in a call to an address other than OpenAI's: what TEI takes by default, and SiliconFlow at all."""
_OWN_TEXTS: Final = 256
"""To OpenAI itself, which takes 2,048: a smaller call that fails costs less."""
_ABOUT_TEXTS: Final = frozenset({400, 413, 422})
"""Refusals that may be about one text of many, such as one that is too long."""


class AsyncEmbeddingClient:
    """For one event loop; end it with `close`.

    name: `openai:MODEL`.   base_url: of a server with the same API, with or without `/v1`; None = OPENAI_BASE_URL,
    else OpenAI's own.   api_key: None = OPENAI_API_KEY, which only OpenAI itself insists on.
    max_texts_per_call: longer lists are asked for in several calls; None = 256 for OpenAI, 32 for others.
    Other options: as for `AsyncClient`. Raises InputError for an option that cannot be used, AuthenticationError for a
    missing or impossible key.
    """

    def __init__(
        self,
        name: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        retry: Retry | None = None,
        timeout_s: float = 60.0,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        max_concurrency: int = 4,
        max_texts_per_call: int | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        provider, self.model = _provider_and_model(name)
        self.base_url = base_url or None
        base_url = base_url or os.environ.get(_BASE_URL, "").strip() or None
        if base_url is not None:
            provider = replace(provider, is_hosted=False)  # a server of one's own may ask for no key
        self.provider = provider
        self.url = provider.endpoint(base_url)[0]
        self._max_texts = _check_max_texts(max_texts_per_call, provider)
        self._transport = Transport(
            provider,
            self.url,
            find_key(provider, api_key),
            retry=retry if retry is not None else Retry(),
            timeout_s=timeout_s,
            limits=RateLimits(requests_per_minute, tokens_per_minute),
            max_concurrency=max_concurrency,
            transport=transport,
        )

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """One vector a text, in order. A text that the provider refuses alone is in `errors`.

        Raises ProviderError and its kinds for what is not about a text; the first failure ends all calls.
        """
        return _joined(await all_of(self._ask(part) for part in self._split(texts)), self._unusable)

    async def close(self) -> None:
        """Ends the connections."""
        await self._transport.close()

    async def _ask(self, texts: Sequence[str]) -> Vectors:
        """A call that is refused for what may be one of its texts is asked again in halves, to find that one."""
        body = {"model": self.model, "input": list(texts), "encoding_format": "float"}
        try:
            reply = await self._transport.post(body, sum(map(estimate_tokens, texts)))
            return read_vectors(reply.body, len(texts))
        except UnusableAnswerError as error:
            raise self._unusable(error) from None
        except ProviderError as error:
            if error.status not in _ABOUT_TEXTS:
                raise
            if len(texts) == 1:
                return Vectors(np.full((1, 0), np.nan, dtype=np.float32), {0: str(error)})
        middle = len(texts) // 2
        halves = [await self._ask(half) for half in (texts[:middle], texts[middle:])]
        return _joined(halves, self._unusable)

    def _unusable(self, error: UnusableAnswerError) -> ProviderError:
        return self._transport.unusable(error, 200)

    def _split(self, texts: Sequence[str]) -> Iterator[Sequence[str]]:
        start = num_tokens = 0
        for position, text in enumerate(texts):
            cost = estimate_tokens(text)
            most = self.provider.max_tokens
            is_full = position - start == self._max_texts or (most is not None and num_tokens + cost > most)
            if position > start and is_full:
                yield texts[start:position]
                start, num_tokens = position, 0
            num_tokens += cost
        if texts:
            yield texts[start:]


class EmbeddingClient(BlockingClient[AsyncEmbeddingClient]):
    """`AsyncEmbeddingClient` for code without an event loop; the options are the same.

    Runs on a thread of its own and may be used from several. End it with `close` or `with`.
    """

    @same_options(AsyncEmbeddingClient)
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(AsyncEmbeddingClient(*args, **options))

    @property
    def model(self) -> str:
        return self._client.model

    @property
    def provider(self) -> Provider:
        return self._client.provider

    @property
    def base_url(self) -> str | None:
        """As it was given; None if it was not."""
        return self._client.base_url

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `AsyncEmbeddingClient.embed`. An interrupted call ends its requests."""
        return self._wait(self._start(partial(self._client.embed, texts)))


def _provider_and_model(name: str) -> tuple[Provider, str]:
    found = split_name(name, EMBEDDING_PROVIDERS)
    if found is None or found[1] is None:
        known = ", ".join(f"{each.name}:{each.example}" for each in EMBEDDING_PROVIDERS.values())
        raise InputError(f"{name!r} names no embedding model behind an API; give PROVIDER:MODEL, such as {known}")
    return EMBEDDING_PROVIDERS[found[0]], found[1]


def _check_max_texts(given: int | None, provider: Provider) -> int:
    if given is None:
        return _OWN_TEXTS if provider.is_hosted else _OTHERS_TEXTS
    if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= provider.max_documents:
        raise InputError(
            f"max_texts_per_call is {given!r}; give a whole number from 1 to {provider.max_documents:,}, or None"
        )
    return given


def _joined(parts: Sequence[Vectors], unusable: Callable[[UnusableAnswerError], ProviderError]) -> Vectors:
    """Raises ProviderError if two calls were answered with vectors of different length."""
    lengths = {each.vectors.shape[1] for each in parts if each.vectors.shape[1]}
    if len(lengths) > 1:
        said = ", ".join(map(str, sorted(lengths)))
        raise unusable(UnusableAnswerError(f"vectors of different lengths came back: {said}"))
    length = lengths.pop() if lengths else 0
    rows: list[FloatArray] = []
    errors: dict[int, str] = {}
    start = 0
    for each in parts:
        count = len(each.vectors)
        filled = each.vectors.shape[1] == length
        rows.append(each.vectors if filled else np.full((count, length), np.nan, dtype=np.float32))
        errors |= {start + index: error for index, error in each.errors.items()}
        start += count
    vectors = np.concatenate(rows) if rows else np.empty((0, length), dtype=np.float32)
    model = next((each.model for each in parts if each.model), None)
    return Vectors(vectors, errors, sum(each.prompt_tokens for each in parts), model)
