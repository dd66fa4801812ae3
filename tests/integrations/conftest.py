"""A model without weights behind the real frameworks, and a server of it in this process."""

import threading
from collections.abc import Iterator, Sequence

import httpx
import pytest

import finerank.reranker
from finerank import AsyncClient, Client, Reranker
from finerank.engine.facts import BatchFacts
from finerank.models.base import BatchResult, EncodedPair
from tests.cli.fake_model import FakeLoader, FakeModel
from tests.client.loopback import Loopback, scored

QUERY = "red planet mars"
TEXTS = ["venus is hot", "mars is the red planet", "the red bus", "jupiter is large", "mars red bars"]
"""The model counts shared words, so two pairs of these tie."""
LONG = "the planet of war " * 4
"""More than the eight words that the model reads."""


class GatedModel(FakeModel):
    """Batches wait while `gate` is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()

    def compute(self, pairs: Sequence[EncodedPair]) -> BatchResult:
        assert self.gate.wait(20)
        return super().compute(pairs)


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
def reranker(model: FakeModel) -> Iterator[Reranker]:
    with Reranker.from_model(model) as reranker:
        yield reranker


@pytest.fixture
def gated_model() -> GatedModel:
    return GatedModel()


@pytest.fixture
def gated(gated_model: GatedModel) -> Iterator[tuple[Reranker, list[BatchFacts]]]:
    """A reranker over `gated_model`, and what its batches were like."""
    batches: list[BatchFacts] = []
    with Reranker.from_model(gated_model) as reranker:
        reranker.on_batch = batches.append
        gated_model.gate.clear()
        yield reranker, batches
        gated_model.gate.set()


@pytest.fixture
def server() -> Iterator[Loopback]:
    """A rerank API on loopback; a document's score is the number at its end divided by 1000."""
    with Loopback().running() as loopback:
        loopback.script = scored
        yield loopback


@pytest.fixture
def client(server: Loopback) -> Iterator[Client]:
    with Client(base_url=server.url) as client:
        yield client


@pytest.fixture
def async_client(server: Loopback) -> AsyncClient:
    return AsyncClient(base_url=server.url, transport=httpx.AsyncHTTPTransport())


def best_first(reranker: Reranker, texts: Sequence[str] = TEXTS, query: str = QUERY, **options: object) -> list[int]:
    """The order that every adapter must give."""
    return [each.index for each in reranker.rank(query, texts, **options)]  # type: ignore[arg-type]


@pytest.fixture
def loader(monkeypatch: pytest.MonkeyPatch) -> FakeLoader:
    """What adapters load when they are given a name."""
    loader = FakeLoader()
    monkeypatch.setattr(finerank.reranker, "Reranker", loader)
    return loader
