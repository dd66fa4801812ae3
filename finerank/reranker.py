"""`Reranker`: the one object that every front calls.

    texts -> checks -> (windows) -> PairModel.encode -> Engine -> log-odds -> ranking

What is loaded, and how, is in models/loading.py; how batches are made, in engine/.
"""

import asyncio
import time
import weakref
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Self

from .calls import PairsCall, RankCall, Work
from .engine.job import Job, Progress
from .engine.loop import Engine
from .engine.planner import Planner
from .errors import InputError
from .models.base import EncodedPair, PairModel
from .models.hub import Hub
from .models.loading import LoadOptions, load_model
from .ranking import check_options
from .scores import FloatArray, probability
from .selftest import SelfTestReport, run_self_test
from .texts import Window, check_text
from .types import Document, LongDocuments, ModelInfo, Pair, Ranking, SelfTestMode

_MOST_TOKENS = 32_768


class Reranker:
    """Ranks documents by how well they answer a query.

    >>> from finerank import Reranker
    >>> with Reranker(self_test="off") as reranker:
    ...     ranking = reranker.rank("red planet", ["Venus is hot.", "Mars is called the red planet."])
    >>> ranking[0].index
    1

    model: a hub id or a local folder; None = the embedded English model, which needs no network.
    revision: a commit, tag or branch of the hub.   hub: "huggingface" or "modelscope".
    device: "auto", "cpu", "cuda", "cuda:1", "mps".
    dtype: "auto", "float32", "bfloat16", "float16" (or fp32, bf16, fp16); auto is bf16 where it is native.
    max_length: tokens of a whole prompt, at most 32,768; models that read less keep their own limit.
    long_documents: "truncate" cuts a document's end; "chunk" scores overlapping windows and keeps the best.
    chunk_tokens, chunk_overlap: size of such a window (None = as much as fits) and the share that the next repeats.
    prompt_form: "readme" (the model card's) or "evaluation" (the official evaluation script's).
    parse_control_tokens: read `<|im_end|>` and its like in users' texts as control tokens, as the reference does.
    deterministic: a pair's score is the same to the last bit in any company, at a cost in speed.
    batch_tokens: budget of a packed batch; None = by device.   prefix_cache_bytes: kept keys and values.
    trust_remote_code: run Python code that a checkpoint brings (classic models only).
    self_test: "warn" and "require" check that the loaded model ranks a few known texts sensibly; "off" does not.

    Methods may be called from any thread; calls share batches. Raises ModelError (and its kinds) if the model
    cannot be used, SettingsError for an option that cannot, SelfTestError if the self-test is required and fails.
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
        long_documents: LongDocuments = "truncate",
        chunk_tokens: int | None = None,
        chunk_overlap: float = 0.125,
        prompt_form: str = "readme",
        parse_control_tokens: bool = False,
        deterministic: bool = False,
        batch_tokens: int | None = None,
        prefix_cache_bytes: int = 256 << 20,
        trust_remote_code: bool = False,
        self_test: SelfTestMode = "warn",
    ) -> None:
        self._long_documents = _check_long_documents(long_documents, chunk_tokens, chunk_overlap)
        options = LoadOptions(
            revision=revision,
            hub=hub,
            device=device,
            dtype=dtype,
            max_length=_check_max_length(max_length),
            prompt_form=prompt_form,
            parse_control_tokens=parse_control_tokens,
            is_deterministic=deterministic,
            prefix_cache_bytes=prefix_cache_bytes,
            trust_remote_code=trust_remote_code,
        )
        loaded = load_model(model, options)
        self._start(loaded.model, Planner(batch_tokens or loaded.batch_tokens, int(deterministic)), self_test)

    @classmethod
    def from_model(
        cls, model: PairModel, *, batch_tokens: int = 2048, long_documents: LongDocuments = "truncate"
    ) -> Self:
        """Over a model that is in hand already: your own PairModel, or a test's."""
        self = cls.__new__(cls)
        self._long_documents = _check_long_documents(long_documents, None, 0.125)
        self._start(model, Planner(batch_tokens), "off")
        return self

    def _start(self, model: PairModel, planner: Planner, self_test: SelfTestMode) -> None:
        self._model = model
        self._engine = Engine(model, planner)
        self._finalizer = weakref.finalize(self, self._engine.close)
        self.self_test_report: SelfTestReport | None = run_self_test(self, self_test)

    @property
    def info(self) -> ModelInfo:
        """Which model this is; every answer carries it too."""
        return self._model.info

    @property
    def model(self) -> PairModel:
        return self._model

    def close(self) -> None:
        """Ends the engine's thread after the batch in hand; calls still waiting get an EngineError."""
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def rank(
        self,
        query: str,
        documents: Sequence[Document],
        *,
        instruction: str | None = None,
        top_n: int | None = None,
        min_score: float | None = None,
        batch_size: int = 0,
        on_progress: Progress | None = None,
    ) -> Ranking:
        """The documents, best first; ties in input order, documents that failed last.

        instruction: what "relevant" means, in a sentence; None = the web-search default.
        top_n, min_score: keep only so many, only those of at least this probability.
        batch_size: most documents in one packed batch, 0 = by token budget.
        on_progress: called with (documents or windows done, in all) from another thread.
        Raises InputError if the query, the list or an option cannot be used; trouble with one document is in its
        `error`.
        """
        call = self._begin(query, documents, instruction, top_n, min_score, batch_size, on_progress)
        return call.ranking(_wait(call.job))

    async def arank(
        self,
        query: str,
        documents: Sequence[Document],
        *,
        instruction: str | None = None,
        top_n: int | None = None,
        min_score: float | None = None,
        batch_size: int = 0,
    ) -> Ranking:
        """`rank`, awaitable. A call that is cancelled leaves the queue."""
        call = await asyncio.to_thread(self._begin, query, documents, instruction, top_n, min_score, batch_size)
        return call.ranking(await _await(call.job))

    def log_odds(self, pairs: Sequence[Pair], *, instruction: str | None = None) -> FloatArray:
        """log P(relevant) - log P(not) of each (query, document), (N,) fp32 in input order.

        A pair that cannot be scored is NaN, and a FinerankWarning says why.
        """
        call = self._begin_pairs(pairs, instruction)
        return call.log_odds(_wait(call.job))

    async def alog_odds(self, pairs: Sequence[Pair], *, instruction: str | None = None) -> FloatArray:
        """`log_odds`, awaitable."""
        call = await asyncio.to_thread(self._begin_pairs, pairs, instruction)
        return call.log_odds(await _await(call.job))

    def score(self, pairs: Sequence[Pair], *, instruction: str | None = None) -> FloatArray:
        """Probability of relevance of each (query, document), (N,) fp32 in [0, 1] in input order; else as log_odds."""
        return probability(self.log_odds(pairs, instruction=instruction))

    async def ascore(self, pairs: Sequence[Pair], *, instruction: str | None = None) -> FloatArray:
        """`score`, awaitable."""
        return probability(await self.alog_odds(pairs, instruction=instruction))

    def _begin(
        self,
        query: str,
        documents: Sequence[Document],
        instruction: str | None,
        top_n: int | None,
        min_score: float | None,
        batch_size: int,
        on_progress: Progress | None = None,
    ) -> RankCall:
        check_options(top_n, min_score, batch_size)
        _check_query(query)
        _check_instruction(instruction)
        _check_list(documents, "documents")
        started = time.perf_counter()
        work = Work()
        texts = [work.text_of(document, index) for index, document in enumerate(documents)]
        self._encode(query, texts, instruction, work)
        job = self._engine.submit(work.pairs, max_pairs=batch_size, on_progress=on_progress)
        return RankCall(self.info, documents, texts, instruction, work, job, started, top_n, min_score)

    def _begin_pairs(self, pairs: Sequence[Pair], instruction: str | None) -> PairsCall:
        _check_list(pairs, "pairs")
        _check_instruction(instruction)
        work = Work()
        for query, indices in _by_query(pairs).items():
            _check_query(query)
            texts: list[str | None] = [None] * len(pairs)
            for index in indices:
                texts[index] = work.text_of(pairs[index][1], index)
            self._encode(query, texts, instruction, work)
        return PairsCall(len(pairs), work, self._engine.submit(work.pairs))

    def _encode(self, query: str, texts: Sequence[str | None], instruction: str | None, work: Work) -> None:
        """Adds the pairs of all `texts` that are not None; equal texts are one pair, so that they tie exactly."""
        owners: dict[str, list[int]] = {}
        for index, text in enumerate(texts):
            if text is not None:
                owners.setdefault(text, []).append(index)
        encoded = self._model.encode(query, list(owners), instruction)
        for (text, indices), pair in zip(owners.items(), encoded, strict=True):
            work.add(indices, pair, self._windows(query, text, pair, instruction))

    def _windows(
        self, query: str, text: str, whole: EncodedPair, instruction: str | None
    ) -> tuple[list[Window], list[EncodedPair]] | None:
        """Spans of a long document and their pairs; None if it is scored in one piece."""
        if self._long_documents is None:
            return None
        chunk_tokens, overlap = self._long_documents
        if not whole.is_truncated and (chunk_tokens is None or whole.num_tokens <= chunk_tokens):
            return None
        spans = self._model.windows(query, text, instruction, chunk_tokens, overlap)
        return spans, self._model.encode(query, [text[start:end] for start, end in spans], instruction)


def _wait(job: Job) -> Job:
    """Blocks until the job is done; an interrupted wait takes the job out of the queue."""
    try:
        return job.future.result()
    except BaseException:
        job.cancel()
        raise


async def _await(job: Job) -> Job:
    future: Future[Job] = job.future
    return await asyncio.wrap_future(future)


def _by_query(pairs: Sequence[Pair]) -> dict[str, list[int]]:
    """Indices of the pairs of each query, so that a query is encoded once."""
    indices: dict[str, list[int]] = {}
    for index, pair in enumerate(pairs):
        if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
            raise InputError(f"pair {index} is {type(pair).__name__}; each pair is (query, document)")
        _check_query(pair[0])
        indices.setdefault(pair[0], []).append(index)
    return indices


def _check_query(query: object) -> None:
    if not check_text(query, "the query").strip():
        raise InputError("the query is empty; give the text to rank the documents for")


def _check_instruction(instruction: object) -> None:
    if instruction is not None:
        check_text(instruction, "the instruction")


def _check_list(items: object, what: str) -> None:
    if isinstance(items, str | bytes | Mapping) or not isinstance(items, Sequence):
        raise InputError(f"{what} must be a list, not {type(items).__name__}")
    if not items:
        raise InputError(f"{what} is empty; give at least one")


def _check_max_length(max_length: int) -> int:
    if isinstance(max_length, bool) or not isinstance(max_length, int) or not 16 <= max_length <= _MOST_TOKENS:
        raise InputError(f"max_length is {max_length!r}; give a whole number of tokens from 16 to {_MOST_TOKENS:,}")
    return max_length


def _check_long_documents(
    mode: LongDocuments, chunk_tokens: int | None, overlap: float
) -> tuple[int | None, float] | None:
    """(window size, overlap) for "chunk", None for "truncate"."""
    if mode not in ("truncate", "chunk"):
        raise InputError(f"long_documents is {mode!r}; give 'truncate' or 'chunk'")
    if chunk_tokens is not None and chunk_tokens < 8:
        raise InputError(f"chunk_tokens is {chunk_tokens}; a window needs at least 8 tokens")
    if not 0.0 <= overlap < 1.0:
        raise InputError(f"chunk_overlap is {overlap}; give a share from 0 to below 1")
    return (chunk_tokens, overlap) if mode == "chunk" else None
