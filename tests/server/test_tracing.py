"""Spans: what they say, whose trace they continue, and that a collector's troubles are its own."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest

from finerank.errors import SettingsError
from finerank.reranker import Reranker
from finerank.server import app as app_module
from finerank.server.app import create_app
from finerank.server.tracing import Tracer, open_tracer
from finerank.settings import Settings
from tests.server.calling import BODY, calling

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """What an application with a trace_endpoint sends."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(app_module, "open_tracer", lambda endpoint: Tracer(provider))
    return exporter


def by_name(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


async def test_a_request_is_a_span_with_parts(reranker: Reranker, spans: InMemorySpanExporter) -> None:
    async with calling(reranker, trace_endpoint="http://x", api_keys=("alice=k",)) as client:
        headers = {"traceparent": PARENT, "X-API-Key": "k", "X-Request-Id": "mine"}
        before = time.time_ns()
        await client.post("/v1/rerank", json=BODY, headers=headers)
        await client.get("/health")
        after = time.time_ns()
    found = by_name(spans)
    assert list(found) == ["encode", "queue", "compute", "POST /v1/rerank"]
    span = found["POST /v1/rerank"]
    assert span.context is not None
    assert span.parent is not None
    assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, "00f067aa0ba902b7")
    assert span.kind == SpanKind.SERVER
    assert dict(span.attributes or {}) == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "url.path": "/v1/rerank",
        "finerank.dialect": "finerank",
        "finerank.request_id": "mine",
        "finerank.caller": "alice",
        "finerank.documents": 3,
        "finerank.model": "fake/overlap",
        "finerank.tokens": 5,
        "finerank.computed_tokens": 5,
        "finerank.cached_tokens": 0,
        "finerank.truncated": 0,
        "finerank.errors": 0,
    }
    parts = [found[name] for name in ("encode", "queue", "compute")]
    edges = [before, span.start_time]
    for part in parts:
        assert part.parent is not None
        assert part.parent.span_id == span.context.span_id
        edges += [part.start_time, part.end_time]
    edges += [span.end_time, after]
    times = [edge for edge in edges if edge is not None]
    assert len(times) == len(edges)
    assert times == sorted(times)


async def test_a_request_that_no_trace_asked_for_starts_its_own(
    reranker: Reranker, spans: InMemorySpanExporter
) -> None:
    async with calling(reranker, trace_endpoint="http://x") as client:
        for traceparent in (None, "nonsense"):
            headers = {} if traceparent is None else {"traceparent": traceparent}
            await client.post("/v1/rerank", json=BODY, headers=headers)
        await client.post("/v1/rerank", json=BODY, headers={"traceparent": PARENT.removesuffix("1") + "0"})
    roots = [span for span in spans.get_finished_spans() if span.kind == SpanKind.SERVER]
    assert [span.parent for span in roots] == [None, None]


async def test_failures_are_marked(reranker: Reranker, spans: InMemorySpanExporter) -> None:
    async with calling(reranker, trace_endpoint="http://x", max_documents=2) as client:
        await client.post("/v1/rerank", json=BODY)
        await client.post("/v1/rerank", json=BODY | {"documents": ["a"]}, headers={"X-Request-Timeout": "1e-9"})
    refused, late = spans.get_finished_spans()
    assert (refused.attributes or {})["error.type"] == "invalid_request_error"
    assert refused.status.status_code == StatusCode.UNSET
    assert ((late.attributes or {})["error.type"], late.status.status_code) == ("deadline_exceeded", StatusCode.ERROR)


async def test_the_log_names_the_trace(
    reranker: Reranker, spans: InMemorySpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    async with calling(reranker, trace_endpoint="http://x") as client:
        with caplog.at_level("INFO", "finerank.requests"):
            await client.post("/v1/rerank", json=BODY, headers={"traceparent": PARENT})
    assert vars(caplog.records[-1])["trace_id"] == TRACE


def test_without_the_extra_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(SettingsError, match=r"pip install 'finerank\[otel\]'"):
        create_app(Settings(trace_endpoint="http://localhost:4318/v1/traces"))


@pytest.mark.parametrize("endpoint", ["localhost:4318", "ftp://x/", "http://", "/v1/traces"])
def test_an_endpoint_that_is_no_url_is_refused(endpoint: str) -> None:
    with pytest.raises(SettingsError, match=r"--trace-endpoint is .*; give a URL such as"):
        open_tracer(endpoint)


class Collector(BaseHTTPRequestHandler):
    """Of OTLP over HTTP; keeps what it gets."""

    received: list[tuple[str, bytes]]

    def do_POST(self) -> None:
        self.received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def collecting() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """(URL, what was received)."""
    received: list[tuple[str, bytes]] = []
    handler = type("Handler", (Collector,), {"received": received})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", received
        server.shutdown()
        thread.join()


async def test_spans_reach_a_collector(reranker: Reranker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with collecting() as (url, received):
        tracer = open_tracer(url)
        monkeypatch.setattr(app_module, "open_tracer", lambda endpoint: tracer)
        async with calling(reranker, trace_endpoint=url) as client:
            await client.post("/v1/rerank", json=BODY)
        tracer.close()
    ((path, body),) = received
    (resource,) = ExportTraceServiceRequest.FromString(body).resource_spans
    assert path == "/v1/traces"
    assert {item.key: item.value.string_value for item in resource.resource.attributes}["service.name"] == "finerank"
    assert [span.name for span in resource.scope_spans[0].spans][-1] == "POST /v1/rerank"


async def test_a_collector_that_is_gone_costs_spans_only(reranker: Reranker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    tracer = open_tracer("http://127.0.0.1:9/v1/traces")
    monkeypatch.setattr(app_module, "open_tracer", lambda endpoint: tracer)
    async with calling(reranker, trace_endpoint="http://127.0.0.1:9/v1/traces") as client:
        started = time.monotonic()
        for _ in range(3):
            response: httpx.Response = await client.post("/v1/rerank", json=BODY)
            assert response.status_code == 200
        assert time.monotonic() - started < 2
    started = time.monotonic()
    tracer.close()
    assert time.monotonic() - started < 5
