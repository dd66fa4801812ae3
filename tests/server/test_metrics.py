"""Figures: what is counted, under which names, and that failures of the figures cost no answer."""

import asyncio
import sys
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from finerank.reranker import Reranker
from finerank.server.metrics import Metrics
from finerank.server.service import Origin, RerankCall
from tests.server.calling import BODY, app_of, calling
from tests.server.fake_model import FakeModel

MODEL = 'model="fake/overlap"'


async def figures_of(client: httpx.AsyncClient) -> dict[str, float]:
    """`name{labels}` -> value."""
    text = (await client.get("/metrics")).text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {_series(sample.name, sample.labels): sample.value for sample in samples}


def _series(name: str, labels: dict[str, str]) -> str:
    listed = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items(), reverse=True))
    return f"{name}{{{listed}}}" if listed else name


async def test_requests_calls_and_batches_are_counted(reranker: Reranker) -> None:
    async with calling(reranker) as client:
        body = {"query": "mars", "documents": ["mars is red", "nan", " ", "word " * 1001], "top_n": 4}
        assert (await client.post("/v1/rerank", json=body)).status_code == 200
        assert (await client.post("/v1/rerank", json=body)).status_code == 200
        assert (await client.post("/tei/rerank", json={"query": "q"})).status_code == 422
        figures = await figures_of(client)
    assert figures['finerank_requests_total{status="200",dialect="finerank"}'] == 2
    assert figures['finerank_requests_total{status="422",dialect="tei"}'] == 1
    assert figures['finerank_request_seconds_count{dialect="finerank"}'] == 2
    assert figures['finerank_refusals_total{reason="invalid_request_error"}'] == 1
    assert figures[f"finerank_documents_total{{{MODEL}}}"] == 8
    assert figures[f"finerank_truncated_documents_total{{{MODEL}}}"] == 2
    assert figures[f"finerank_failed_documents_total{{{MODEL}}}"] == 2
    assert figures[f"finerank_blank_documents_total{{{MODEL}}}"] == 2
    assert figures[f"finerank_prompt_tokens_total{{{MODEL}}}"] == 2 * (3 + 1 + 1 + 1000)
    assert figures[f"finerank_cached_tokens_total{{{MODEL}}}"] == 3 + 1 + 1000
    assert figures[f"finerank_batches_total{{{MODEL}}}"] >= 2
    assert figures[f"finerank_pairs_total{{{MODEL}}}"] == 5
    assert figures[f"finerank_batch_seconds_count{{{MODEL}}}"] == figures[f"finerank_batches_total{{{MODEL}}}"]
    assert figures[f"finerank_queue_wait_seconds_count{{{MODEL}}}"] == 2
    assert figures[f"finerank_failed_batches_total{{{MODEL}}}"] == 0
    assert figures["finerank_result_cache_hits_total"] == 3
    assert figures["finerank_result_cache_misses_total"] == 5


async def test_scores_are_spread_over_buckets_of_a_tenth(reranker: Reranker) -> None:
    async with calling(reranker) as client:
        # Log-odds 0 and -2 are .5 and .12.
        body = {"query": "a b", "documents": ["a b", "c", "d"]}
        await client.post("/v1/rerank", json=body)
        figures = await figures_of(client)
    counts = {le: figures[f'finerank_score_bucket{{{MODEL},le="{le}"}}'] for le in ("0.1", "0.2", "0.4", "0.5", "+Inf")}
    assert counts == {"0.1": 0, "0.2": 2, "0.4": 2, "0.5": 3, "+Inf": 3}
    assert figures[f"finerank_score_count{{{MODEL}}}"] == 3
    assert figures[f"finerank_score_sum{{{MODEL}}}"] == pytest.approx(0.5 + 2 * 0.1192, abs=1e-3)


async def test_what_waits_is_shown_while_it_waits(reranker: Reranker, model: FakeModel, closed_gate: Any) -> None:
    async with calling(reranker) as client:
        asked = asyncio.create_task(client.post("/v1/rerank", json=BODY))
        await asyncio.sleep(0.1)
        figures = await figures_of(client)
        closed_gate()
        await asked
        after = await figures_of(client)
    assert (figures["finerank_queue_requests"], after["finerank_queue_requests"]) == (1, 0)
    assert figures["finerank_queue_tokens"] > 0
    assert after["finerank_queue_tokens"] == 0


async def test_a_batch_that_fails_is_counted(reranker: Reranker) -> None:
    async with calling(reranker) as client:
        await client.post("/v1/rerank", json={"query": "q", "documents": ["explode"]})
        figures = await figures_of(client)
    assert figures[f"finerank_failed_batches_total{{{MODEL}}}"] >= 1
    assert figures[f"finerank_failed_documents_total{{{MODEL}}}"] == 1


async def test_what_runs_is_described(reranker: Reranker) -> None:
    async with calling(reranker) as client:
        figures = await figures_of(client)
        described = next(name for name in figures if name.startswith("finerank_model_info"))
        assert MODEL in described
        assert 'fingerprint="0123456789abcdef"' in described
        assert figures["finerank_ready"] == 1
        assert figures["process_resident_memory_bytes"] > 1e6
        app_of(client).state.drain.is_on = True
        assert (await figures_of(client))["finerank_ready"] == 0


async def test_applications_keep_figures_of_their_own(reranker: Reranker) -> None:
    async with calling(reranker) as first, calling(reranker) as second:
        await first.post("/v1/rerank", json=BODY)
        assert 'finerank_requests_total{status="200",dialect="finerank"}' not in await figures_of(second)


async def test_monitors_and_the_pages_files_are_no_requests(reranker: Reranker) -> None:
    async with calling(reranker) as client:
        for path in ("/health", "/ready", "/", "/nothing.css"):
            await client.get(path)
        assert not [name for name in await figures_of(client) if name.startswith("finerank_requests")]


async def test_calls_of_the_page_are_requests_of_a_dialect_of_its_own(reranker: Reranker) -> None:
    async with calling(reranker) as client:
        service = app_of(client).state.service
        await service.rank(RerankCall(**BODY), Origin(dialect="page"))
        with pytest.raises(ValueError, match="empty"):
            await service.rank(RerankCall(query="", documents=["a"]), Origin(dialect="page"))
        figures = await figures_of(client)
    assert figures['finerank_requests_total{status="200",dialect="page"}'] == 1
    assert figures['finerank_requests_total{status="failed",dialect="page"}'] == 1
    assert figures['finerank_request_seconds_count{dialect="page"}'] == 1


async def test_openmetrics_is_spoken_to_whom_asks_for_it(client: httpx.AsyncClient) -> None:
    plain = await client.get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=")
    accept = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
    response = await client.get("/metrics", headers=accept)
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert response.text.endswith("# EOF\n")


async def test_figures_that_fail_cost_no_answer(
    reranker: Reranker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no figures today")

    monkeypatch.setattr(Metrics, "request_done", fail)
    async with calling(reranker) as client:
        assert (await client.post("/v1/rerank", json=BODY)).status_code == 200
    assert "Metrics failed" in caplog.text


async def test_a_device_is_asked_only_when_it_runs(reranker: Reranker, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(device: int) -> float:
        raise ModuleNotFoundError("pynvml")

    cuda = SimpleNamespace(
        is_available=lambda: True,
        is_initialized=lambda: True,
        device_count=lambda: 1,
        memory_allocated=lambda device: 5,
        memory_reserved=lambda device: 8,
        utilization=unknown,
    )
    async with calling(reranker) as client:
        assert not [name for name in await figures_of(client) if "cuda" in name]
        monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
        figures = await figures_of(client)
        assert figures['finerank_cuda_allocated_bytes{device="cuda:0"}'] == 5
        assert figures['finerank_cuda_reserved_bytes{device="cuda:0"}'] == 8
        cuda.utilization = lambda device: 50
        assert (await figures_of(client))['finerank_cuda_utilisation_ratio{device="cuda:0"}'] == 0.5
