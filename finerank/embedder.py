"""`Embedder`: texts to vectors, the first stage of retrieval.

texts -> checks -> TextModel.encode -> Engine, with other callers' texts -> cut, length 1 -> vectors
"""

import asyncio
import time
import warnings
from collections.abc import Sequence
from typing import Self

from .embeddings import EmbeddingCall, Embeddings
from .engine.job import Progress
from .engine.planner import Planner
from .engine.wakeup import finished
from .errors import FinerankWarning, InputError, TooLongError
from .models.base import EncodedPair
from .models.hub import Hub
from .models.source import LoadOptions
from .models.text_loading import load_text_model
from .models.text_model import EmbedderInfo, TextModel, cut_to
from .models.text_prompts import TextKind
from .reading import check_max_length
from .running_model import RunningModel, is_quick, wait_for
from .scores import FloatArray
from .texts import Window, check_text

__all__ = ["Embedder", "EmbedderInfo", "Embeddings", "TextKind"]


class Embedder(RunningModel[TextModel]):
    """Gives texts vectors of length 1 whose dot product is the likeness of their texts.

    >>> from finerank import Embedder
    >>> with Embedder() as embedder:
    ...     query = embedder.embed_queries(["red planet"])
    ...     documents = embedder.embed_documents(["Venus is hot.", "Mars is called the red planet."])
    >>> int((query @ documents.T).argmax())
    1

    model: a hub id or a local folder of an embedding model: Qwen3-Embedding on the reranker's packed network, on a CPU
    BERTs (MiniLM, BGE, E5 and so on) on one of their own, any other that gives one dense vector through
    sentence-transformers; `openai:MODEL` for an API of OpenAI's shape; None = the embedded English model.
    revision, hub, device, dtype, trust_remote_code: as for `Reranker`.
    max_length: tokens of a text with its prompt, at most 32,768; models that read less keep their own limit.
    dimensions: cut vectors to so many numbers, for models trained to be cut (Qwen3-Embedding: 32 and more); None =
    as many as the model has.
    parse_control_tokens: read `<|endoftext|>` and its like in texts as control tokens, as the reference does.
    deterministic: a text's vector is the same to the last bit in any company, at a cost in speed.
    batch_tokens: budget of a batch; None = by device.   prefix_cache_bytes: kept keys and values of instructions.
    base_url, api_key: of an API; None = OPENAI_BASE_URL and OPENAI_API_KEY, else OpenAI's own.

    Methods may be called from any thread; calls share batches. Raises ModelError (and its kinds) if the model cannot
    be used, SettingsError or InputError for an option that cannot, ProviderError (and its kinds) if an API cannot.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        revision: str | None = None,
        hub: Hub = "huggingface",
        device: str = "auto",
        dtype: str = "auto",
        max_length: int = 8192,
        dimensions: int | None = None,
        parse_control_tokens: bool = False,
        deterministic: bool = False,
        batch_tokens: int | None = None,
        prefix_cache_bytes: int = 64 << 20,
        trust_remote_code: bool = False,
        base_url: str | None = None,
        api_key: str | None = None,
    ) -> None:
        options = LoadOptions(
            revision=revision,
            hub=hub,
            device=device,
            dtype=dtype,
            max_length=check_max_length(max_length),
            parse_control_tokens=parse_control_tokens,
            is_deterministic=deterministic,
            prefix_cache_bytes=prefix_cache_bytes,
            trust_remote_code=trust_remote_code,
        )
        loaded = load_text_model(model, options, base_url=base_url, api_key=api_key)
        wanted = loaded.dimensions if dimensions is None else dimensions
        self._start(loaded.model, Planner(batch_tokens or loaded.batch_tokens, int(deterministic)), wanted)

    @classmethod
    def from_model(cls, model: TextModel, *, batch_tokens: int = 2048, dimensions: int | None = None) -> Self:
        """Over a model that is in hand already: your own TextModel, or one behind a client with options of its own."""
        self = cls.__new__(cls)
        self._start(model, Planner(batch_tokens), dimensions)
        return self

    def _start(self, model: TextModel, planner: Planner, dimensions: int | None) -> None:
        try:
            self.info = cut_to(model.info, _checked_dimensions(dimensions, model.info))
        except BaseException:
            model.close()
            raise
        self._run(model, planner)

    info: EmbedderInfo
    """Which model this is."""

    def embed_queries(
        self, queries: Sequence[str], *, instruction: str | None = None, on_progress: Progress | None = None
    ) -> FloatArray:
        """(N, D) fp32, each of length 1.

        instruction: what is looked for, in a sentence; None = the model's default.
        A text that has no vector is a row of NaN, and a FinerankWarning says why.
        """
        return _vectors(self.embed(queries, "query", instruction=instruction, on_progress=on_progress))

    def embed_documents(self, documents: Sequence[str], *, on_progress: Progress | None = None) -> FloatArray:
        """(N, D) fp32, each of length 1; else as `embed_queries`.

        on_progress: called with (texts done, texts in all) from another thread.
        """
        return _vectors(self.embed(documents, "document", on_progress=on_progress))

    async def aembed_queries(self, queries: Sequence[str], *, instruction: str | None = None) -> FloatArray:
        """`embed_queries`, awaitable."""
        return _vectors(await self.aembed(queries, "query", instruction=instruction))

    async def aembed_documents(self, documents: Sequence[str]) -> FloatArray:
        """`embed_documents`, awaitable."""
        return _vectors(await self.aembed(documents, "document"))

    def embed(
        self,
        texts: Sequence[str],
        kind: TextKind = "document",
        *,
        instruction: str | None = None,
        dimensions: int | None = None,
        normalize: bool = True,
        truncate: bool = True,
        on_progress: Progress | None = None,
    ) -> Embeddings:
        """Vectors with what they cost and what was odd about their texts.

        kind: "query" or "document", which decides over the prompt; "plain" for no prompt.
        dimensions: fewer than the embedder's own, for this call.
        normalize: False leaves the length that the model gives them.
        truncate: False raises TooLongError if a text does not fit, instead of cutting its end.
        Raises InputError if the list or an option cannot be used; trouble with one text is in `errors`.
        """
        call = self._begin(texts, kind, instruction, dimensions, normalize, truncate, on_progress)
        return call.embeddings(wait_for(call.job))

    async def aembed(
        self,
        texts: Sequence[str],
        kind: TextKind = "document",
        *,
        instruction: str | None = None,
        dimensions: int | None = None,
        normalize: bool = True,
        truncate: bool = True,
    ) -> Embeddings:
        """`embed`, awaitable. A call that is cancelled leaves the queue."""
        if isinstance(texts, list) and is_quick(texts):
            call = self._begin(texts, kind, instruction, dimensions, normalize, truncate)
        else:
            call = await asyncio.to_thread(self._begin, texts, kind, instruction, dimensions, normalize, truncate)
        return call.embeddings(await finished(call.job))

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without special ones and without a limit; estimates if `info.counts_tokens` is False."""
        return self._model.count_tokens(texts)

    def token_offsets(self, text: str) -> list[Window]:
        """Characters of each token of `text`."""
        return self._model.token_offsets(text)

    def _begin(
        self,
        texts: Sequence[str],
        kind: TextKind,
        instruction: str | None,
        dimensions: int | None,
        normalize: bool,
        truncate: bool,
        on_progress: Progress | None = None,
    ) -> EmbeddingCall:
        started = time.perf_counter()
        if isinstance(texts, str | bytes) or not isinstance(texts, Sequence):
            raise InputError(f"texts must be a list, not {type(texts).__name__}")
        if instruction is not None:
            check_text(instruction, "the instruction")
        wanted = self.info.dimensions if dimensions is None else _checked_dimensions(dimensions, self.info)
        good, errors = _checked(texts)
        items = self._model.encode([text for _, text in good], kind, instruction)
        places = [index for index, _ in good]
        if not truncate:
            self._refuse_truncated(places, items)
        job = self._engine.submit(items, on_progress=on_progress)
        effective = self._effective(kind, instruction)
        blank = tuple(index for index, text in good if not text or text.isspace())
        encode_s = time.perf_counter() - started
        return EmbeddingCall(
            self.info, len(texts), places, job, errors, blank, effective, wanted, normalize, started, encode_s
        )

    def _refuse_truncated(self, places: Sequence[int], items: Sequence[EncodedPair]) -> None:
        for index, item in zip(places, items, strict=True):
            if item.is_truncated:
                raise TooLongError(
                    f"text {index} has {item.num_tokens:,} tokens, more than {self.info.name} reads of a text "
                    f"({self.info.max_length:,} with its prompt); shorten it, or allow truncation"
                )

    def _effective(self, kind: TextKind, instruction: str | None) -> tuple[str | None, tuple[str, ...]]:
        """(the instruction that the model sees, warnings)."""
        default = self.info.default_instruction
        if kind == "query" and default is not None:
            return (default if instruction is None else instruction), ()
        if instruction is None:
            return None, ()
        why = "only queries take one" if kind != "query" else f"{self.info.name} takes none"
        return None, (f"the instruction was ignored: {why}",)


def _vectors(found: Embeddings) -> FloatArray:
    for index, error in found.errors.items():
        warnings.warn(f"text {index} has no vector: {error}", FinerankWarning, stacklevel=3)
    for warning in found.facts.warnings:
        warnings.warn(warning, FinerankWarning, stacklevel=3)
    return found.vectors


def _checked(texts: Sequence[object]) -> tuple[list[tuple[int, str]], dict[int, str]]:
    """(index and text of what can be embedded, index -> why not)."""
    good: list[tuple[int, str]] = []
    errors: dict[int, str] = {}
    for index, text in enumerate(texts):
        try:
            good.append((index, check_text(text, "the text")))
        except InputError as error:
            errors[index] = str(error)
    return good, errors


def _checked_dimensions(dimensions: int | None, info: EmbedderInfo) -> int:
    if dimensions is None:
        return info.dimensions
    if isinstance(dimensions, bool) or not isinstance(dimensions, int) or not 1 <= dimensions <= info.dimensions:
        raise InputError(
            f"dimensions is {dimensions!r}; {info.name} has vectors of {info.dimensions:,}, give 1 to that"
        )
    return dimensions
