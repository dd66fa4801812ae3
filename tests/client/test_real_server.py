"""The client in front of finerank's own application, in this process."""

from typing import Any

import httpx
import pytest

from finerank import AsyncClient, ProviderError, Reranker
from finerank.server.app import create_app
from finerank.settings import Settings
from tests.server.fake_model import DEFAULT_INSTRUCTION, FakeModel


async def test_against_the_real_server() -> None:
    with Reranker.from_model(FakeModel()) as reranker:
        transport = httpx.ASGITransport(create_app(Settings(), reranker))
        async with AsyncClient(transport=transport, max_documents_per_call=2) as client:
            given: list[Any] = [{"text": "the red planet mars", "id": 1}, "explode", "red bus", "venus"]
            ranking = await client.rerank("red planet mars", given, instruction="find it", top_n=2)
            assert [(each.index, each.log_odds) for each in ranking[:2]] == [(0, 1.0), (2, -1.0)]
            assert ranking[0].document is given[0]
            assert ranking[0].num_tokens == 4
            assert (ranking[2].index, len(ranking)) == (1, 3)
            assert "could not be computed" in (ranking[2].error or "")
            facts = ranking.facts
            assert (facts.model.name, facts.model.fingerprint) == ("fake/overlap", "0123456789abcdef")
            assert (facts.instruction, facts.usage.prompt_tokens) == ("find it", 8)
            assert facts.warnings == ()
            assert (await client.rerank("q", ["d"])).facts.instruction == DEFAULT_INSTRUCTION
            with pytest.raises(ProviderError, match=r"finerank answered 400 \(the instruction is too long\)"):
                await client.rerank("q", ["d"], instruction="too long")
