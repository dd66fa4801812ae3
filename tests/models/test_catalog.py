"""The catalog's numbers against what is known of the models."""

import pytest

from finerank.models import catalog
from finerank.models.catalog import CARDS, KNOWN_MODELS, KnownModel, bytes_on_this_machine, memory_bytes


def known(name: str) -> KnownModel:
    return next(model for model in KNOWN_MODELS if model.name.endswith(name))


@pytest.mark.parametrize(("name", "billions"), [("0.6B", 0.5958), ("4B", 4.0218), ("8B", 8.1885)])
def test_parameters_are_those_of_the_published_checkpoints(name: str, billions: float) -> None:
    assert known(name).parameters / 1e9 == pytest.approx(billions, abs=2e-4)


def test_weights_are_within_the_memory_and_working_memory_is_bounded() -> None:
    for model in KNOWN_MODELS:
        if model.shape is None or model.shape.has_tied_head:
            assert memory_bytes(model, "bfloat16") > 2 * model.parameters
        assert memory_bytes(model, "bfloat16") < 2 * model.parameters + 3.5e9
        assert memory_bytes(model, "bfloat16") < memory_bytes(model, "float32")


def test_the_small_qwen3_fits_a_small_card_and_the_large_one_a_24_gb_card() -> None:
    assert memory_bytes(known("0.6B"), "bfloat16") < 4e9
    assert memory_bytes(known("8B"), "bfloat16") < 24e9


def test_one_model_is_the_default_and_it_is_here() -> None:
    (default,) = (model for model in KNOWN_MODELS if model.is_default)
    num_bytes = bytes_on_this_machine(default)
    assert num_bytes is not None
    assert num_bytes > 80_000_000


def test_a_model_that_was_never_fetched_is_not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "cached_bytes", lambda name: None)
    assert bytes_on_this_machine(known("8B")) is None


def test_advice_grows_with_the_card() -> None:
    batch_sizes = [card.batch_size for card in CARDS]
    assert batch_sizes == sorted(batch_sizes)
    assert all(fewest <= most for fewest, most in batch_sizes)
    assert all(card.documents[1] <= 100 for card in CARDS)
