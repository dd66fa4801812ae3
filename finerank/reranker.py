"""`Reranker`: the one object that every front calls.

    texts -> checks -> (windows) -> PairModel.encode -> Engine -> log-odds -> ranking

What is loaded, and how, is in models/loading.py; how batches are made, in engine/.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Self

from .calls import Call, Work, log_odds_of, scores_of
from .engine.job import Job, Progress
from .engine.planner import Planner
from .engine.result_cache import ResultCache
from .engine.wakeup import finished
from .models.base import PairModel
from .models.hub import Hub
from .models.loading import load_model
from .models.source import LoadOptions
from .pair_encoder import PairEncoder
from .ranking import MinScore, check_options
from .reading import Reading, by_query, check_long_documents, check_max_length
from .running_model import RunningModel, is_quick, wait_for
from .scores import FloatArray
from .selftest import SelfTestReport, run_self_test
from .texts import check_list, check_query
from .types import Document, LongDocuments, ModelInfo, Pair, Ranking, SelfTestMode

if TYPE_CHECKING:
    from .evaluation.calibration import Calibration


class Reranker(RunningModel[PairModel]):
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
        self.result_cache = None
        self.calibration = None
        self._run(model, planner)
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
    def windows(self) -> tuple[int | None, float] | None:
        """(tokens, overlap) of the windows that long documents are read in, tokens None = as many as fit; None if
        their end is cut.
        """
        return self._long_documents

    def effective_instruction(self, instruction: str | None) -> str | None:
        """What the model sees for it: None if it takes none."""
        return self.info.effective_instruction(instruction)

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
        job = wait_for(call.job)
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
        job = wait_for(call.job)
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
        return log_odds_of(self.assess(pairs, instruction=instruction))

    async def alog_odds(self, pairs: Sequence[Pair], *, instruction: str | None = None) -> FloatArray:
        """`log_odds`, awaitable."""
        return log_odds_of(await self.aassess(pairs, instruction=instruction))

    def score(self, pairs: Sequence[Pair], *, instruction: str | None = None) -> FloatArray:
        """Probability of relevance of each (query, document), (N,) fp32 in [0, 1] in input order; else as log_odds."""
        return scores_of(self.assess(pairs, instruction=instruction))

    async def ascore(self, pairs: Sequence[Pair], *, instruction: str | None = None) -> FloatArray:
        """`score`, awaitable."""
        return scores_of(await self.aassess(pairs, instruction=instruction))

    def _is_quick(self, query: object, documents: object) -> bool:
        """Is encoding them too little work to change threads for?"""
        if self.result_cache is not None and not self.result_cache.is_fast:
            return False
        if self._long_documents is not None or not isinstance(documents, list) or not isinstance(query, str):
            return False
        texts = (document.get("text") if isinstance(document, dict) else document for document in documents)
        return is_quick(chain((query,), texts))

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
        return self._submitted({query: range(len(documents))}, documents, reading, batch_size, started, on_progress)

    def _begin_pairs(self, pairs: Sequence[tuple[str, Document]], reading: Reading, batch_size: int) -> Call:
        started = time.perf_counter()
        check_list(pairs, "pairs")
        self._check(reading)
        asked = by_query(pairs)
        return self._submitted(asked, [document for _, document in pairs], reading, batch_size, started)

    def _submitted(
        self,
        asked: Mapping[str, Sequence[int]],
        documents: Sequence[Document],
        reading: Reading,
        batch_size: int,
        started: float,
        on_progress: Progress | None = None,
    ) -> Call:
        """asked: query -> indices of its documents."""
        cache, calibration, work = self.result_cache, self.calibration, Work()
        texts = [work.text_of(document, index) for index, document in enumerate(documents)]
        # A provider may change what is behind a name at any time, so its scores are not kept.
        encoder = PairEncoder(self._model, self._long_documents, cache if self.info.kind != "remote" else None)
        for query, indices in asked.items():
            encoder.add(work, query, [(index, texts[index]) for index in indices], reading)
        if not reading.truncate:
            work.refuse_truncated(f"there is room for with max_length {self.info.max_length:,}")
        encode_s = time.perf_counter() - started
        job = self._engine.submit(work.pairs, max_pairs=batch_size, on_progress=on_progress)
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
