"""`finerank models`."""

import json

import pytest

from finerank.models import catalog

from .conftest import Run


@pytest.fixture(autouse=True)
def _one_model_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "cached_bytes", lambda name: 1_234_000_000 if name.endswith("0.6B") else None)


def test_json_has_every_model_and_what_is_here(run: Run) -> None:
    answer = json.loads(run("models", "--json").stdout)
    models = {model["name"]: model for model in answer["models"]}
    small = models["Qwen/Qwen3-Reranker-0.6B"]
    assert small["parameters"] == 595_776_512
    assert small["cached_bytes"] == 1_234_000_000
    assert small["takes_instruction"]
    assert small["memory_bytes"]["bfloat16"] < small["memory_bytes"]["float32"]
    assert models["BAAI/bge-reranker-v2-m3"]["cached_bytes"] is None
    assert models["all-MiniLM-L6-v2"]["is_default"]
    assert answer["cards"][0]["batch_size"] == [1, 1]


def test_the_tables_keep_names_whole_and_give_the_advice(run: Run) -> None:
    result = run("models")
    assert result.exit_code == 0
    assert "1.23 GB" in result.stdout
    for model in catalog.KNOWN_MODELS:
        assert model.name in result.stdout
    text = " ".join(result.stdout.split())
    assert all(sentence in text for sentence in catalog.ADVICE)
    assert "16 to 32" in text
    assert max(map(len, result.stdout.splitlines())) <= 80
