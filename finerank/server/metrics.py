"""`Metrics`: the figures of one application for Prometheus, served at `/metrics`; deploy/ has a dashboard for them.

Four sources: requests (watch.py), calls that reached the service, batches of the engines, searches. Most children of a
label are kept here, because prometheus_client looks them up under a lock each time.
"""

import sys
from bisect import bisect_left
from collections import Counter as Counts
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from .. import __version__
from ..engine.facts import BatchFacts
from ..types import Ranking
from .service import Answer, Call, EmbeddingCall, Origin, RerankCall, RerankService, ScoreCall
from .watch import Drain, RequestFacts

if TYPE_CHECKING:
    from ..embedder import Embedder
    from ..reranker import Reranker
    from ..retrieval.types import SearchFacts

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_SHARES: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_PAIRS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
PAGE: Final = "page"


class Metrics:
    """An Observer of calls and a Witness of requests. Belongs to the event loop, but for what engines call."""

    def __init__(self, service: RerankService, drain: Drain) -> None:
        self.registry = CollectorRegistry()
        self._scores = _Scores()
        self.registry.register(self._scores)
        self.registry.register(_State(service, drain))
        ProcessCollector(registry=self.registry)
        self._request = cache(self._counter("requests", "Requests by dialect and status.", "dialect", "status").labels)
        self._request_seconds = cache(
            self._histogram("request_seconds", "From a request to the end of its answer.", _SECONDS, "dialect").labels
        )
        self._refusal = cache(self._counter("refusals", "Requests answered with a problem, by kind.", "reason").labels)
        self._caller_request = cache(self._counter("key_requests", "Requests by name of the key.", "key").labels)
        self._caller_tokens = cache(self._counter("key_tokens", "Prompt tokens by name of the key.", "key").labels)
        self._stage_seconds = cache(
            self._histogram("search_stage_seconds", "Of a stage of a search.", _SECONDS, "stage").labels
        )
        self._calls = cache(self._call_figures())
        self._batches = cache(self._batch_figures())

    def render(self, accept: str) -> tuple[bytes, str]:
        """The text that Prometheus reads, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type

    def follow(self, model: "Reranker | Embedder") -> None:
        """Counts this engine's batches from now on."""
        model.on_batch = self._batches(model.info.name).add

    def request_done(self, facts: RequestFacts) -> None:
        self._request(facts.dialect, str(facts.status)).inc()
        self._request_seconds(facts.dialect).observe(facts.seconds)
        if facts.problem is not None:
            self._refusal(facts.problem).inc()
        if facts.caller is not None:
            self._caller_request(facts.caller).inc()

    def answered(self, origin: Origin, call: Call, answer: Answer) -> None:
        model = answer.facts.model.name
        self._calls(model).add(call, answer)
        if isinstance(answer, Ranking):
            self._scores.add(model, [each.score for each in answer if each.error is None])
        if origin.caller is not None:
            self._caller_tokens(origin.caller).inc(answer.facts.usage.prompt_tokens)
        if origin.dialect == PAGE:
            self._request(PAGE, "200").inc()
            self._request_seconds(PAGE).observe(answer.facts.seconds)

    def searched(self, facts: "SearchFacts") -> None:
        """Stages: embed, dense, bm25, rules, rerank; as many as the search had."""
        for stage, seconds in facts.seconds.items():
            self._stage_seconds(stage).observe(seconds)

    def failed(self, origin: Origin, call: Call, error: BaseException) -> None:
        """Requests are counted by what they were answered; only the page's calls are none."""
        if origin.dialect == PAGE:
            self._request(PAGE, "failed").inc()

    def _call_figures(self) -> "Callable[[str], _CallFigures]":
        counters = {
            "documents": self._counter("documents", "Documents that were asked for.", "model"),
            "prompt_tokens": self._counter("prompt_tokens", "As if each pair had been run alone.", "model"),
            "computed_tokens": self._counter("computed_tokens", "That went through the network.", "model"),
            "cached_tokens": self._counter("cached_tokens", "Saved by shared prefixes and known scores.", "model"),
            "truncated": self._counter("truncated_documents", "Answered, but read in part only.", "model"),
            "failed": self._counter("failed_documents", "Answered with an error instead of a score.", "model"),
            "blank": self._counter("blank_documents", "Answered, but with nothing to read.", "model"),
        }
        return lambda model: _CallFigures({name: counter.labels(model) for name, counter in counters.items()})

    def _batch_figures(self) -> "Callable[[str], _BatchFigures]":
        batches = self._counter("batches", "Batches that went through a network.", "model")
        failed = self._counter("failed_batches", "Batches that brought no result and were tried again.", "model")
        pairs = self._counter("pairs", "Pairs (query, document) that went through a network.", "model")
        seconds = self._histogram("batch_seconds", "Of one batch.", _SECONDS, "model")
        size = self._histogram("batch_pairs", "Pairs in a batch.", _PAIRS, "model")
        fill = self._histogram("batch_fill_ratio", "Tokens of a batch, as a share of its budget.", _SHARES, "model")
        wait = self._histogram("queue_wait_seconds", "Until a call's first pair was computed.", _SECONDS, "model")
        return lambda model: _BatchFigures(
            batches=batches.labels(model),
            failed=failed.labels(model),
            pairs=pairs.labels(model),
            seconds=seconds.labels(model),
            size=size.labels(model),
            fill=fill.labels(model),
            wait=wait.labels(model),
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"finerank_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"finerank_{name}", text, labels, registry=self.registry, buckets=buckets)


class _CallFigures:
    """Of the calls that one model answered."""

    def __init__(self, counters: dict[str, Counter]) -> None:
        self._counters = counters

    def add(self, call: Call, answer: Answer) -> None:
        usage = answer.facts.usage
        self._inc("documents", num_documents(call))
        self._inc("prompt_tokens", usage.prompt_tokens)
        self._inc("computed_tokens", usage.computed_tokens)
        self._inc("cached_tokens", usage.cached_tokens)
        self._inc("truncated", answer.facts.num_truncated)
        self._inc("failed", answer.facts.num_failed)
        self._inc("blank", answer.facts.num_blank)

    def _inc(self, name: str, amount: int) -> None:
        if amount:
            self._counters[name].inc(amount)


@dataclass(frozen=True, slots=True)
class _BatchFigures:
    """Of the batches of one model; called from its engine's thread."""

    batches: Counter
    failed: Counter
    pairs: Counter
    seconds: Histogram
    size: Histogram
    fill: Histogram
    wait: Histogram

    def add(self, facts: BatchFacts) -> None:
        for wait in facts.waits:
            self.wait.observe(wait)
        if facts.is_failed:
            self.failed.inc()
            return
        self.batches.inc()
        self.pairs.inc(facts.num_pairs)
        self.seconds.observe(facts.seconds)
        self.size.observe(facts.num_pairs)
        self.fill.observe(facts.num_tokens / facts.max_tokens)


class _Scores(Collector):
    """How scores are spread, by model. A histogram of our own: a request brings hundreds, and Histogram takes 1 us
    for each.
    """

    def __init__(self) -> None:
        self._counts: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}

    def add(self, model: str, scores: list[float]) -> None:
        counts = self._counts.setdefault(model, [0] * (len(_SHARES) + 1))
        for score in scores:
            counts[bisect_left(_SHARES, score)] += 1
        self._sums[model] = self._sums.get(model, 0.0) + sum(scores)

    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily("finerank_score", "Scores in answers, 0 to 1.", labels=["model"])
        for model, counts in self._counts.items():
            total, buckets = 0, []
            for bound, count in zip([*map(str, _SHARES), "+Inf"], counts, strict=True):
                total += count
                buckets.append((bound, float(total)))
            family.add_metric([model], buckets, self._sums[model])
        yield family


class _State(Collector):
    """What is true at the moment; looked up when Prometheus asks."""

    def __init__(self, service: RerankService, drain: Drain) -> None:
        self._service = service
        self._drain = drain

    def collect(self) -> Iterator[Metric]:
        yield from self._queue()
        yield from self._models()
        yield from self._cache()
        yield from _cuda()

    def _queue(self) -> Iterator[Metric]:
        admission, pool = self._service.admission, self._service.pool
        doors = [admission, *(slot.admission for slot in pool.embedders)]
        is_ready = pool.default.is_ready and not self._drain.is_on
        yield _gauge("ready", "1 if /ready says so.", is_ready)
        tokens, calls = sum(each.tokens for each in doors), sum(each.calls for each in doors)
        yield _gauge("queue_tokens", "Tokens that wait or are computed, as estimated.", tokens)
        yield _gauge("queue_requests", "Requests that wait or are computed.", calls)
        yield _gauge("queue_searches", "Searches whose first stage waits or runs.", self._service.recalls.calls)
        yield _gauge("tokens_per_second", "Computed lately; 0 if not known.", admission.tokens_per_second)

    def _models(self) -> Iterator[Metric]:
        labels = ["model", "fingerprint", "dtype", "device", "version"]
        info = GaugeMetricFamily("finerank_model_info", "Loaded models; always 1.", labels=labels)
        size = GaugeMetricFamily("finerank_model_bytes", "Of the weights of a loaded model.", labels=["model"])
        tested = GaugeMetricFamily("finerank_self_test_passed", "1 if the self-test passed.", labels=["model"])
        for name, slot in list(self._service.pool.slots.items()):
            if slot.is_ready:
                facts, report = slot.reranker.info, slot.reranker.self_test_report
                info.add_metric([facts.name, facts.fingerprint, facts.dtype, facts.device, __version__], 1)
                size.add_metric([name], slot.num_bytes)
                if report is not None:
                    tested.add_metric([name], report.is_passed)
        embedder_bytes: Counts[str] = Counts()
        for embedding in self._service.pool.embedders:
            if embedding.loaded is not None:
                told = embedding.loaded.info
                info.add_metric([told.name, told.fingerprint, told.dtype, told.device, __version__], 1)
                # One model may be loaded with several dimensions.
                embedder_bytes[told.name] += embedding.num_bytes
        for name, num_bytes in embedder_bytes.items():
            size.add_metric([name], num_bytes)
        yield from (info, size, tested)

    def _cache(self) -> Iterator[Metric]:
        cache = self._service.pool.result_cache
        if cache is None:
            return
        yield CounterMetricFamily("finerank_result_cache_hits", "Documents whose score was known.", cache.hits)
        yield CounterMetricFamily("finerank_result_cache_misses", "Documents whose score was not.", cache.misses)
        text = "Reads and writes of the result cache that failed, and damaged entries."
        yield CounterMetricFamily("finerank_result_cache_errors", text, cache.errors + cache.damaged)


def num_documents(call: Call) -> int:
    """That the caller sent."""
    if isinstance(call, RerankCall):
        return len(call.documents)
    if isinstance(call, EmbeddingCall):
        return len(call.texts)
    return len(call.pairs) if isinstance(call, ScoreCall) else 0


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"finerank_{name}", text, value)


def _cuda() -> Iterator[Metric]:
    """Of torch, if a model has brought it in and it has a device; asking must not start CUDA."""
    torch: Any = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return
    families = {
        name: GaugeMetricFamily(f"finerank_cuda_{name}", text, labels=["device"])
        for name, text in (
            ("allocated_bytes", "Memory that tensors take."),
            ("reserved_bytes", "Memory that torch holds."),
            ("utilisation_ratio", "Share of the last moment in which the device computed."),
        )
    }
    for device in range(torch.cuda.device_count()):
        labels = [f"cuda:{device}"]
        families["allocated_bytes"].add_metric(labels, torch.cuda.memory_allocated(device))
        families["reserved_bytes"].add_metric(labels, torch.cuda.memory_reserved(device))
        try:
            families["utilisation_ratio"].add_metric(labels, torch.cuda.utilization(device) / 100)
        except Exception:  # it needs the package nvidia-ml-py, and a driver that tells
            continue
    yield from families.values()
