"""What `Reranker` and `Embedder` share: the engine's end, and which texts are worth a change of threads."""

import gc
import threading

import pytest

from finerank import Embedder, EngineError, Reranker
from finerank.running_model import is_quick
from tests.server.fake_model import FakeModel
from tests.server.fake_text_model import FakeTextModel


@pytest.mark.parametrize("is_closed", [True, False])
@pytest.mark.parametrize("kind", [Embedder, Reranker])
def test_the_end_of_it_is_the_end_of_its_engine_and_its_model(
    kind: type[Embedder] | type[Reranker], is_closed: bool
) -> None:
    closed: list[str] = []
    model = FakeTextModel() if kind is Embedder else FakeModel()
    model.close = lambda: closed.append("model")  # type: ignore[method-assign]
    before = threading.active_count()
    made = kind.from_model(model)  # type: ignore[arg-type]
    assert (threading.active_count(), closed) == (before + 1, [])
    if is_closed:
        made.close()
    del made
    gc.collect()
    assert (threading.active_count(), closed) == (before, ["model"])


def test_after_the_end_calls_are_refused() -> None:
    with Reranker.from_model(FakeModel()) as reranker:
        pass
    with pytest.raises(EngineError, match="is closed"):
        reranker.rank("a", ["b"])


def test_few_characters_are_quick() -> None:
    assert is_quick(["a" * 5_000, "b" * 5_000])
    assert not is_quick(["a" * 5_000, None, "b" * 5_001])
    assert is_quick([None, 7, b"x" * 20_000])
