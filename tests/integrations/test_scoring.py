"""One scorer over a model, a client and an asynchronous client."""

import math

import httpx
import pytest

from finerank import AsyncClient, Client, FinerankWarning, InputError, Reranker
from finerank.integrations.scoring import Scorer
from finerank.server.app import create_app
from finerank.settings import Settings
from tests.cli.fake_model import FakeLoader, FakeModel
from tests.client.loopback import Loopback, Say, results

from .conftest import LONG, QUERY, TEXTS, best_first

NUMBERED = ["a 100", "b 900", "c 500"]


def test_the_order_is_that_of_rank(reranker: Reranker) -> None:
    ranked = Scorer(reranker).rank(QUERY, TEXTS)
    assert [each.index for each in ranked] == best_first(reranker)
    assert [each.score for each in ranked] == [each.score for each in reranker.rank(QUERY, TEXTS)]


def test_options_reach_the_model(reranker: Reranker, model: FakeModel) -> None:
    model.instructions.clear()
    scorer = Scorer(reranker, instruction="find it", top_n=2, min_score=0.3)
    assert [each.index for each in scorer.rank(QUERY, TEXTS)] == best_first(reranker, top_n=2, min_score=0.3)
    assert len(scorer.rank(QUERY, TEXTS, top_n=1)) == 1
    assert model.instructions[0] == "find it"


def test_nothing_for_nothing(reranker: Reranker) -> None:
    assert list(Scorer(reranker).rank(QUERY, [])) == []
    assert list(Scorer(reranker).assess([])) == []


def test_failed_documents_come_last_and_are_counted(reranker: Reranker) -> None:
    with pytest.warns(FinerankWarning, match="2 documents have no score and come last; number 0"):
        ranked = Scorer(reranker, top_n=1).rank(QUERY, ["broken", "mars", None])
    assert [each.index for each in ranked] == [1, 0, 2]
    assert ranked[2].error is not None
    assert "must be a string" in ranked[2].error


async def test_a_client_serves_calls_with_and_without_a_loop(client: Client, server: Loopback) -> None:
    scorer = Scorer(client, instruction="find it", top_n=2, min_score=0.2)
    expected = [(1, pytest.approx(0.9)), (2, pytest.approx(0.5))]
    assert [(each.index, each.score) for each in scorer.rank("q", NUMBERED)] == expected
    assert [(each.index, each.score) for each in await scorer.arank("q", NUMBERED)] == expected
    assert server.bodies[0]["instruction"] == "find it"
    pairs = [("q", "a 100"), ("r", "b 900"), ("q", "c 500")]
    for judged in (scorer.assess(pairs), await scorer.aassess(pairs)):
        assert [(each.index, round(each.score, 3)) for each in judged] == [(0, 0.1), (1, 0.9), (2, 0.5)]


async def test_an_async_client_is_awaited(async_client: AsyncClient) -> None:
    async with async_client:
        scorer = Scorer(async_client, top_n=2)
        assert [each.index for each in await scorer.arank("q", NUMBERED)] == [1, 2]
        judged = await scorer.aassess([("q", "a 100"), ("r", "b 900")])
        assert [round(each.score, 3) for each in judged] == [0.1, 0.9]
        with pytest.raises(InputError, match=r"give a finerank\.Client"):
            scorer.rank("q", NUMBERED)


async def test_finerank_s_own_server(reranker: Reranker) -> None:
    transport = httpx.ASGITransport(create_app(Settings(), reranker))
    async with AsyncClient(transport=transport) as client:
        with pytest.warns(FinerankWarning, match="1 documents have no score"):
            ranked = await Scorer(client).arank(QUERY, [*TEXTS, LONG, "broken"])
        judged = await Scorer(client).aassess([(QUERY, TEXTS[1]), ("hot venus", TEXTS[0])])
    expected = reranker.rank(QUERY, [*TEXTS, LONG, "broken"])
    assert [(each.index, each.log_odds, each.is_truncated) for each in ranked[:-1]] == [
        (each.index, each.log_odds, each.is_truncated) for each in expected[:-1]
    ]
    assert ranked[-1].error is not None
    assert [each.log_odds for each in judged] == [2.0, 1.0]


def test_a_server_that_leaves_a_document_out_is_not_believed(client: Client, server: Loopback) -> None:
    server.script = lambda heard: scored_without_the_last(heard.body["documents"])
    with pytest.raises(Exception, match="came back"):
        Scorer(client).rank("q", NUMBERED)


def scored_without_the_last(documents: list[str]) -> object:
    return Say(results(*[0.5] * (len(documents) - 1)))


def test_a_named_model_is_loaded_once_and_ended(loader: FakeLoader) -> None:
    scorer = Scorer("some/model", loading={"dtype": "float32"})
    assert (scorer.name, loader.name) == ("some/model", None)
    scorer.rank(QUERY, TEXTS)
    assert (loader.name, loader.options) == ("some/model", {"dtype": "float32"})
    loader.name = None
    scorer.rank(QUERY, TEXTS)
    assert loader.name is None
    scorer.close()
    scorer.load()
    assert loader.name == "some/model"
    scorer.close()


def test_what_was_given_is_not_ended(reranker: Reranker) -> None:
    scorer = Scorer(reranker)
    scorer.close()
    assert best_first(reranker)


def test_options_that_cannot_be_used(reranker: Reranker, client: Client) -> None:
    with pytest.raises(InputError, match="top_n is 0"):
        Scorer(reranker, top_n=0)
    with pytest.raises(InputError, match="dtype: loading options"):
        Scorer(reranker, loading={"dtype": "float32"})
    with pytest.raises(InputError, match="batch_size is 4"):
        Scorer(client, batch_size=4)
    with pytest.raises(InputError, match="no calibration"):
        Scorer(client, min_score="calibrated")
    with pytest.raises(InputError, match="no calibration"):
        Scorer(reranker, min_score="calibrated").rank(QUERY, TEXTS)
    with pytest.raises(InputError, match="model is a float"):
        Scorer(math.pi)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="the query is empty"):
        Scorer(reranker).rank(" ", TEXTS)


def test_truncation_is_told(reranker: Reranker) -> None:
    assert [each.is_truncated for each in Scorer(reranker).rank(QUERY, [LONG, "mars"])] == [True, False]
