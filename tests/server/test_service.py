"""Limits, deadlines, cancellation and observers, for every dialect alike."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import httpx
import pytest

from finerank.errors import DeadlineError, InputError, OverloadedError, TooLongError
from finerank.reranker import Reranker
from finerank.server.app import create_app
from finerank.server.model_pool import ModelPool
from finerank.server.service import Answer, Call, Origin, RerankCall, RerankService, ScoreCall
from finerank.settings import Settings
from tests.server.fake_model import FakeModel

CALL = RerankCall(query="mars", documents=["venus", "the mars"])


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
async def make(model: FakeModel) -> AsyncIterator[Callable[..., RerankService]]:
    with Reranker.from_model(model) as reranker:
        yield lambda **settings: RerankService(
            ModelPool(Settings(**settings), reranker), Settings(result_cache="off", **settings)
        )
        model.gate.set()


async def test_pairs_are_answered_in_input_order(make: Callable[..., RerankService]) -> None:
    call = ScoreCall(pairs=[("mars", "the mars"), ("venus", "mars"), ("mars", {"text": "explode", "id": 7})])
    judged = await make().score(call)
    assert [(each.index, each.log_odds) for each in judged[:2]] == [(0, -1.0), (1, -2.0)]
    assert judged[2].error is not None
    assert judged[2].document == {"text": "explode", "id": 7}


async def test_a_deadline_takes_the_call_out_of_the_queue(make: Callable[..., RerankService], model: FakeModel) -> None:
    service = make()
    model.gate.clear()
    running = asyncio.create_task(service.rank(CALL))
    await asyncio.sleep(0.05)
    with pytest.raises(DeadlineError, match=r"not done within 0\.05 s"):
        await service.rank(RerankCall(query="late", documents=["late document"]), Origin(timeout_s=0.05))
    assert service.admission.calls == 1
    model.gate.set()
    await running
    await service.rank(CALL)
    assert "late document" not in model.computed


async def test_the_servers_own_limit_bounds_every_deadline(
    make: Callable[..., RerankService], model: FakeModel
) -> None:
    model.gate.clear()
    with pytest.raises(DeadlineError, match=r"not done within 0\.05 s"):
        await make(request_timeout=0.05).rank(CALL, Origin(timeout_s=1000))


async def test_a_full_queue_refuses_and_recovers(make: Callable[..., RerankService], model: FakeModel) -> None:
    service = make(max_queue_tokens=60)
    model.gate.clear()
    first = [asyncio.create_task(service.rank(CALL)) for _ in range(2)]
    await asyncio.sleep(0.05)
    with pytest.raises(OverloadedError):
        await service.rank(CALL)
    model.gate.set()
    assert [len(ranking) for ranking in await asyncio.gather(*first)] == [2, 2]
    assert len(await service.rank(CALL)) == 2
    assert (service.admission.calls, service.admission.tokens) == (0, 0)


async def test_limits_on_documents_and_tokens_of_a_request(make: Callable[..., RerankService]) -> None:
    with pytest.raises(InputError, match="documents has 2 entries and this server takes 1"):
        await make(max_documents=1).rank(CALL)
    long = RerankCall(query="mars", documents=["mars " * 600, "mars"])
    with pytest.raises(InputError, match=r"some 1,02\d tokens and this server takes 100 in a request"):
        await make(max_request_tokens=100).rank(long)


async def test_truncation_can_be_refused_or_asked_for(make: Callable[..., RerankService]) -> None:
    long = RerankCall(query="mars", documents=["mars", "word " * 1200])
    assert [each.is_truncated for each in await make().rank(long)] == [False, True]
    with pytest.raises(TooLongError, match="document 1 has 1,200 tokens"):
        await make().rank(replace(long, truncate=False))


async def test_observers_hear_of_answers_and_failures(make: Callable[..., RerankService]) -> None:
    heard: list[tuple[str, str]] = []

    class Ear:
        def answered(self, origin: Origin, call: Call, answer: Answer) -> None:
            heard.append((origin.dialect, f"{len(answer)} documents"))

        def failed(self, origin: Origin, call: Call, error: BaseException) -> None:
            heard.append((origin.dialect, type(error).__name__))

    service = make(max_documents=2)
    service.observers.append(Ear())
    await service.rank(CALL, Origin(dialect="cohere"))
    with pytest.raises(InputError):
        await service.rank(replace(CALL, documents=["a"] * 3), Origin(dialect="tei"))
    assert heard == [("cohere", "2 documents"), ("tei", "InputError")]


@pytest.fixture
async def client(model: FakeModel) -> AsyncIterator[httpx.AsyncClient]:
    with Reranker.from_model(model) as reranker:
        app = create_app(Settings(max_queue_tokens=60, result_cache="off"), reranker)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://finerank") as made:
            yield made
        model.gate.set()


BODY = {"query": "mars", "documents": ["venus", "the mars"]}


async def test_over_http_a_deadline_is_504(client: httpx.AsyncClient, model: FakeModel) -> None:
    model.gate.clear()
    for value in ("0.05", "50ms", "0.05s"):
        response = await client.post("/v1/rerank", json=BODY, headers={"X-Request-Timeout": value})
        assert (response.status_code, response.json()["error"]["type"]) == (504, "deadline_exceeded")


@pytest.mark.parametrize("value", ["soon", "-1", "0", "nan", "inf", ""])
async def test_over_http_a_deadline_must_be_a_time(client: httpx.AsyncClient, value: str) -> None:
    response = await client.post("/v1/rerank", json=BODY, headers={"X-Request-Timeout": value})
    assert response.status_code == 400
    assert "X-Request-Timeout" in response.json()["error"]["message"]


async def test_over_http_a_full_queue_is_503_with_retry_after(client: httpx.AsyncClient, model: FakeModel) -> None:
    model.gate.clear()
    first = [asyncio.create_task(client.post("/v1/rerank", json=BODY)) for _ in range(2)]
    await asyncio.sleep(0.1)
    refused = await client.post("/v1/rerank", json=BODY)
    assert (refused.status_code, refused.json()["error"]["type"]) == (503, "overloaded")
    assert int(refused.headers["Retry-After"]) >= 1
    model.gate.set()
    assert [response.status_code for response in await asyncio.gather(*first)] == [200, 200]
