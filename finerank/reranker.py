"""`Reranker`: the one object that every front calls.

    texts -> checks -> (windows) -> PairModel.encode -> Engine -> log-odds -> ranking

What is loaded, and how, is in models/loading.py; how batches are made, in engine/.
"""

import asyncio
import time
import warnings
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from .calls import Call, Work, cut_pair
from .engine.facts import BatchFacts
from .engine.job import Job, Progress
from .engine.loop import Engine
from .engine.planner import Planner
from .engine.result_cache import ResultCache, cache_keys
from .engine.wakeup import finished
from .errors import FinerankWarning
from .models.base import EncodedPair, PairModel
from .models.hub import Hub
from .models.loading import LoadOptions, load_model
from .ranking import MinScore, check_options
from .reading import Reading, by_query, check_long_documents, check_max_length
from .scores import FloatArray
from .selftest import SelfTestReport, run_self_test
from .texts import Window, check_list, check_query
from .types import Document, LongDocuments, ModelInfo, Pair, Ranking, SelfTestMode

if TYPE_CHECKING:
    from .evaluation.calibration import Calibration

_INLINE_CHARS: Final = 10_000
"""Texts up to here are encoded in the event loop itself: some 2 ms, and a change of threads costs as much."""


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
    result_cache: scores computed before, of this and other models; None = every call computes.
    calibration: of `finerank calibrate`, or its file: scores are then its probabilities; the order and the log-odds
    stay. It is bound to this model and to one instruction; calls with another are refused.

    Methods may be called from any thread; calls share batches. Raises ModelError (and its kinds) if the model
    cannot be used, SettingsError for an option that cannot, SelfTestError if the self-test is required and fails.
    """

    result_cache: ResultCache | None
    calibration: "Calibration | None"
    self_test_report: SelfTestReport | None

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
        result_cache: ResultCache | None = None,
        calibration: "Calibration | str | Path | None" = None,
    ) -> None:
        self._long_documents = check_long_documents(long_documents, chunk_tokens, chunk_overlap)
        options = LoadOptions(
            revision=revision,
            hub=hub,
            device=device,
            dtype=dtype,
            max_length=check_max_length(max_length),
            prompt_form=prompt_form,
            parse_control_tokens=parse_control_tokens,
            is_deterministic=deterministic,
            prefix_cache_bytes=prefix_cache_bytes,
            trust_remote_code=trust_remote_code,
        )
        loaded = load_model(model, options)
        self._start(loaded.model, Planner(batch_tokens or loaded.batch_tokens, int(deterministic)), self_test)
        self.result_cache = result_cache  # from here on: a self-test must compute
        self._take(calibration)

    @classmethod
    def from_model(
        cls,
        model: PairModel,
        *,
        batch_tokens: int = 2048,
        long_documents: LongDocuments = "truncate",
        result_cache: ResultCache | None = None,
        calibration: "Calibration | str | Path | None" = None,
    ) -> Self:
        """Over a model that is in hand already: your own PairModel, or a test's."""
        self = cls.__new__(cls)
        self._long_documents = check_long_documents(long_documents, None, 0.125)
        self._start(model, Planner(batch_tokens), "off")
        self.result_cache = result_cache
        self._take(calibration)
        return self

    def _start(self, model: PairModel, planner: Planner, self_test: SelfTestMode) -> None:
        self.batch_tokens = planner.max_tokens
        self.result_cache = None
        self.calibration = None
        self._model = model
        self._engine = Engine(model, planner)
        self._finalizer = weakref.finalize(self, self._engine.close)
        self.self_test_report = run_self_test(self, self_test)

    def _take(self, calibration: "Calibration | str | Path | None") -> None:
        """After the self-test, which asks in its own words."""
        if calibration is None:
            return
        from .evaluation.calibration import load_calibration

        try:
            self.calibration = load_calibration(calibration)
            self.calibration.check_model(self.info, self.windows)
        except BaseException:
            self.close()
            raise

    @property
    def info(self) -> ModelInfo:
        """Which model this is; every answer carries it too."""
        return self._model.info

    @property
    def model(self) -> PairModel:
        return self._model

    @property
    def windows(self) -> tuple[int | None, float] | None:
        """(tokens, overlap) of the windows that long documents are read in, tokens None = as many as fit; None if
        their end is cut.
        """
        return self._long_documents

    def effective_instruction(self, instruction: str | None) -> str | None:
        """What the model sees for it: None if it takes none."""
        default = self.info.default_instruction
        return None if default is None else instruction if instruction is not None else default

    @property
    def on_batch(self) -> Callable[[BatchFacts], None] | None:
        """Called from the engine's thread after every batch."""
        return self._engine.on_batch

    @on_batch.setter
    def on_batch(self, on_batch: Callable[[BatchFacts], None] | None) -> None:
        self._engine.on_batch = on_batch

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
        min_score: MinScore | None = None,
        batch_size: int = 0,
        truncate: bool = True,
        max_document_tokens: int | None = None,
        on_progress: Progress | None = None,
    ) -> Ranking:
        """The documents, best first; ties in input order, documents that failed last.

        instruction: what "relevant" means, in a sentence; None = the web-search default.
        top_n, min_score: keep only so many, only those of at least this probability; min_score "calibrated" is the
        threshold that the calibration found for its precision.
        batch_size: most documents in one packed batch, 0 = by token budget.
        truncate: False raises TooLongError if a document does not fit, instead of cutting its end.
        max_document_tokens: read no more than so many tokens of each document.
        on_progress: called with (documents or windows done, in all) from another thread.
        Raises InputError if the query, the list or an option cannot be used; trouble with one document is in its
        `error`.
        """
        check_options(top_n, min_score, batch_size, self.calibration)
        reading = Reading(instruction, truncate, max_document_tokens)
        call = self._begin(query, documents, reading, batch_size, on_progress)
        job = _wait(call.job)
        call.remember(job)
        return call.ranking(job, top_n=top_n, min_score=min_score)

    async def arank(
        self,
        query: str,
        documents: Sequence[Document],
        *,
        instruction: str | None = None,
        top_n: int | None = None,
        min_score: MinScore | None = None,
        batch_size: int = 0,
        truncate: bool = True,
        max_document_tokens: int | None = None,
    ) -> Ranking:
        """`rank`, awaitable. A call that is cancelled leaves the queue."""
        check_options(top_n, min_score, batch_size, self.calibration)
        reading = Reading(instruction, truncate, max_document_tokens)
        if self._is_quick(query, documents):
            call = self._begin(query, documents, reading, batch_size)
        else:
            call = await asyncio.to_thread(self._begin, query, documents, reading, batch_size)
        job = await self._finish(call)
        return call.ranking(job, top_n=top_n, min_score=min_score)

    def assess(
        self,
        pairs: Sequence[tuple[str, Document]],
        *,
        instruction: str | None = None,
        batch_size: int = 0,
        truncate: bool = True,
        max_document_tokens: int | None = None,
    ) -> Ranking:
        """The document of each (query, document) with its score, in input order; options as in `rank`."""
        call = self._begin_pairs(pairs, Reading(instruction, truncate, max_document_tokens), batch_size)
        job = _wait(call.job)
        call.remember(job)
        return call.assessment(job)

    async def aassess(
        self,
        pairs: Sequence[tuple[str, Document]],
        *,
        instruction: str | None = None,
        batch_size: int = 0,
        truncate: bool = True,
        max_document_tokens: int | None = None,
    ) -> Ranking:
        """`assess`, awaitable. A call that is cancelled leaves the queue."""
        reading = Reading(instruction, truncate, max_document_tokens)
        call = await asyncio.to_thread(self._begin_pairs, pairs, reading, batch_size)
        return call.assessment(await self._finish(call))

    def log_odds(self, pairs: Sequence[Pair], *, instruction: str | None = None) -> FloatArray:
        """log P(relevant) - log P(not) of each (query, document), (N,) fp32 in input order.

        A pair that cannot be scored is NaN, and a FinerankWarning says why.
        """
        return _log_odds(self.assess(pairs, instruction=instruction))

    async def alog_odds(self, pairs: Sequence[Pair], *, instruction: str | None = None) -> FloatArray:
        """`log_odds`, awaitable."""
        return _log_odds(await self.aassess(pairs, instruction=instruction))

    def score(self, pairs: Sequence[Pair], *, instruction: str | None = None) -> FloatArray:
        """Probability of relevance of each (query, document), (N,) fp32 in [0, 1] in input order; else as log_odds."""
        return _scores(self.assess(pairs, instruction=instruction))

    async def ascore(self, pairs: Sequence[Pair], *, instruction: str | None = None) -> FloatArray:
        """`score`, awaitable."""
        return _scores(await self.aassess(pairs, instruction=instruction))

    def _is_quick(self, query: object, documents: object) -> bool:
        """Is encoding them too little work to change threads for?"""
        if self.result_cache is not None and not self.result_cache.is_fast:
            return False
        if self._long_documents is not None or not isinstance(documents, list) or not isinstance(query, str):
            return False
        room = _INLINE_CHARS - len(query)
        for document in documents:
            text = document.get("text") if isinstance(document, dict) else document
            room -= len(text) if isinstance(text, str) else 0
            if room < 0:
                return False
        return True

    def _check(self, reading: Reading) -> None:
        reading.check()
        if self.calibration is not None:
            self.calibration.check_instruction(self.effective_instruction(reading.instruction))

    def _begin(
        self,
        query: str,
        documents: Sequence[Document],
        reading: Reading,
        batch_size: int,
        on_progress: Progress | None = None,
    ) -> Call:
        started = time.perf_counter()
        check_query(query)
        self._check(reading)
        check_list(documents, "documents")
        work = Work()
        texts = [work.text_of(document, index) for index, document in enumerate(documents)]
        self._encode(query, texts, reading, work)
        return self._submitted(documents, texts, reading, work, batch_size, started, on_progress)

    def _begin_pairs(self, pairs: Sequence[tuple[str, Document]], reading: Reading, batch_size: int) -> Call:
        started = time.perf_counter()
        check_list(pairs, "pairs")
        self._check(reading)
        work = Work()
        texts: list[str | None] = [None] * len(pairs)
        for query, indices in by_query(pairs).items():
            check_query(query)
            of_query: list[str | None] = [None] * len(pairs)
            for index in indices:
                texts[index] = of_query[index] = work.text_of(pairs[index][1], index)
            self._encode(query, of_query, reading, work)
        documents = [document for _, document in pairs]
        return self._submitted(documents, texts, reading, work, batch_size, started, None)

    def _submitted(
        self,
        documents: Sequence[Document],
        texts: Sequence[str | None],
        reading: Reading,
        work: Work,
        batch_size: int,
        started: float,
        on_progress: Progress | None,
    ) -> Call:
        if not reading.truncate:
            work.refuse_truncated(f"there is room for with max_length {self.info.max_length:,}")
        encode_s = time.perf_counter() - started
        job = self._engine.submit(work.pairs, max_pairs=batch_size, on_progress=on_progress)
        cache, calibration = self.result_cache, self.calibration
        return Call(self.info, documents, texts, reading.instruction, work, job, started, encode_s, cache, calibration)

    async def _finish(self, call: Call) -> Job:
        job = await finished(call.job)
        if call.cache is not None and call.work.keys:
            if call.cache.is_fast:
                call.remember(job)
            else:
                # Not awaited: the answer need not wait for a disk.
                asyncio.get_running_loop().run_in_executor(None, call.remember, job)
        return job

    def _encode(self, query: str, texts: Sequence[str | None], reading: Reading, work: Work) -> None:
        """Adds the pairs of all `texts` that are not None; equal texts are one pair, so that they tie exactly."""
        owners: dict[str, list[int]] = {}
        for index, text in enumerate(texts):
            if text is not None:
                owners.setdefault(text, []).append(index)
        # A provider may change what is behind a name at any time, so its scores are not kept.
        if self.result_cache is not None and self.info.kind != "remote":
            self._take_known(query, owners, reading, work, self.result_cache)
        if not owners:
            return
        encoded = self._model.encode(query, list(owners), reading.instruction)
        for (text, indices), whole in zip(owners.items(), encoded, strict=True):
            limit = reading.max_document_tokens
            if limit is not None and whole.num_tokens > limit:
                ((_, end), *_) = self._model.windows(query, text, reading.instruction, limit, 0.0)
                (cut,) = self._model.encode(query, [text[:end]], reading.instruction)
                work.add(indices, cut_pair(whole, cut), None)
            else:
                work.add(indices, whole, self._windows(query, text, whole, reading.instruction))

    def _take_known(
        self, query: str, owners: dict[str, list[int]], reading: Reading, work: Work, cache: ResultCache
    ) -> None:
        """Moves documents whose score is known out of `owners` into `work`."""
        effective = self.effective_instruction(reading.instruction)
        scope = (self.info.fingerprint, self._long_documents, reading.max_document_tokens, effective)
        keys = cache_keys(scope, query, list(owners))
        known = cache.get_many(keys)
        for key, (text, indices) in zip(keys, list(owners.items()), strict=True):
            if key in known:
                work.known |= dict.fromkeys(indices, known[key])
                del owners[text]
            else:
                work.keys[indices[0]] = key

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


def _log_odds(judged: Ranking) -> FloatArray:
    """Of an assessment; a pair without a score is warned of."""
    _warn_of_failures(judged)
    return np.array([each.log_odds for each in judged], dtype=np.float32)


def _scores(judged: Ranking) -> FloatArray:
    """As `_log_odds`."""
    _warn_of_failures(judged)
    return np.array([each.score for each in judged], dtype=np.float32)


def _warn_of_failures(judged: Ranking) -> None:
    for each in judged:
        if each.error is not None:
            warnings.warn(f"pair {each.index} has no score: {each.error}", FinerankWarning, stacklevel=4)
