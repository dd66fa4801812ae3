"""`Tracer`: a span of OpenTelemetry for each request to the API, sent to a collector. Needs the extra `otel`.

Spans are made when a request has been answered, from what is known then: nothing happens on its way, and a collector
that is slow or gone costs spans, never an answer.
"""

import threading
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from .. import __version__
from ..errors import SettingsError
from .metrics import num_documents
from .watch import RequestFacts

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

_EXTRA: Final = "pip install 'finerank[otel]'"
_EXPORT_S: Final = 5.0
_LAST_EXPORT_S: Final = 3.0
_CARRIED: Final = (b"traceparent", b"tracestate")


class Tracer:
    """A Witness. A request that came with a `traceparent` continues that trace."""

    def __init__(self, provider: "TracerProvider") -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._tracer = provider.get_tracer("finerank", __version__)
        self._propagator = TraceContextTextMapPropagator()

    def request_done(self, facts: RequestFacts) -> None:
        from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

        carrier = {
            str(name, "ascii"): str(value, "latin-1") for name, value in facts.scope["headers"] if name in _CARRIED
        }
        span = self._tracer.start_span(
            f"{facts.method} {facts.path}" if facts.status != 404 else facts.method,
            context=self._propagator.extract(carrier),
            kind=SpanKind.SERVER,
            attributes=_attributes(facts),
            start_time=facts.started_ns,
        )
        facts.trace_id = f"{span.get_span_context().trace_id:032x}"
        if span.is_recording():
            if facts.status >= 500:
                span.set_status(Status(StatusCode.ERROR, facts.problem))
            self._add_parts(facts, set_span_in_context(span))
        span.end(facts.started_ns + _ns(facts.seconds))

    def close(self) -> None:
        """Sends what is left, for a few seconds at most."""
        # The SDK would wait for half a minute.
        thread = threading.Thread(target=self._provider.shutdown, name="finerank-spans", daemon=True)
        thread.start()
        thread.join(_LAST_EXPORT_S)

    def _add_parts(self, facts: RequestFacts, context: Any) -> None:
        """Where the time of a call went: into tokens, waiting, computing."""
        if facts.answer is None:
            return
        answer = facts.answer.facts
        start = facts.answered_ns - _ns(answer.seconds)
        encoded = start + _ns(answer.encode_seconds)
        begun = min(encoded + _ns(answer.queue_seconds), facts.answered_ns)
        ends = {"encode": (start, encoded), "queue": (encoded, begun), "compute": (begun, facts.answered_ns)}
        for name, (first, last) in ends.items():
            part: Span = self._tracer.start_span(name, context=context, start_time=first)
            part.end(last)


def open_tracer(endpoint: str) -> Tracer:
    """Sends to a collector by OTLP over HTTP. Raises SettingsError if the extra is missing or this is no URL."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError:
        raise SettingsError(f"traces need OpenTelemetry: {_EXTRA}") from None
    # shutdown_on_exit: it would wait for a collector that is gone; `close` has its own bound.
    provider = TracerProvider(
        resource=Resource.create({"service.name": "finerank", "service.version": __version__}), shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(_url(endpoint), timeout=_EXPORT_S)))
    return Tracer(provider)


def _url(endpoint: str) -> str:
    """With the usual path if it has none."""
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise SettingsError(f"--trace-endpoint is {endpoint!r}; give a URL such as http://localhost:4318/v1/traces")
    return endpoint if parts.path.strip("/") else f"{endpoint.rstrip('/')}/v1/traces"


def _attributes(facts: RequestFacts) -> dict[str, Any]:
    """Names of OpenTelemetry's conventions where there are any."""
    attributes: dict[str, Any] = {
        "http.request.method": facts.method,
        "http.response.status_code": facts.status,
        "url.path": facts.path,
        "finerank.dialect": facts.dialect,
        "finerank.request_id": facts.request_id,
        "finerank.caller": facts.caller,
        "error.type": facts.problem,
    }
    if facts.call is not None:
        attributes["finerank.documents"] = num_documents(facts.call)
    if facts.answer is not None:
        answer = facts.answer.facts
        attributes |= {
            "finerank.model": answer.model.name,
            "finerank.tokens": answer.usage.prompt_tokens,
            "finerank.computed_tokens": answer.usage.computed_tokens,
            "finerank.cached_tokens": answer.usage.cached_tokens,
            "finerank.truncated": answer.num_truncated,
            "finerank.errors": answer.num_failed,
        }
    return {name: value for name, value in attributes.items() if value is not None}


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)
