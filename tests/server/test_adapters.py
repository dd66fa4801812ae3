"""Adapters that peft saved, loaded and exchanged over HTTP while the server answers; scores beside the library's."""

from pathlib import Path

import httpx
import pytest
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from finerank import Reranker
from finerank.server.app import create_app
from finerank.settings import Settings
from tests.models.tiny_bert import save_adapter, save_embedder

DOCUMENTS = ["the quick brown fox", "a lazy dog", "jumps over"]


def _save_adapter(base: Path, folder: Path, rank: int) -> Path:
    config = LoraConfig(r=rank, lora_alpha=8, target_modules="all-linear", init_lora_weights=False)
    get_peft_model(AutoModelForCausalLM.from_pretrained(base), config).save_pretrained(folder)
    return folder


def _expected(adapter: Path) -> list[float]:
    with Reranker(str(adapter), dtype="float32", self_test="off") as reranker:
        return [float(value) for value in reranker.log_odds([("a fox", text) for text in DOCUMENTS])]


def _over_bert(tmp_path: Path) -> tuple[Path, Path, Path]:
    """An embedder and two adapters that make a cross-encoder of it."""
    base = save_embedder(tmp_path / "m")
    first = save_adapter(base, tmp_path / "first")
    return base, first, save_adapter(base, tmp_path / "second", lora_alpha=40)


def _over_qwen3(base: Path, tmp_path: Path) -> tuple[Path, Path, Path]:
    return base, _save_adapter(base, tmp_path / "first", 4), _save_adapter(base, tmp_path / "second", 2)


async def _log_odds(client: httpx.AsyncClient, model: str) -> list[float]:
    body = {"model": model, "query": "a fox", "documents": DOCUMENTS}
    answer = (await client.post("/v1/rerank", json=body)).json()
    return [each["log_odds"] for each in sorted(answer["results"], key=lambda each: each["index"])]


@pytest.mark.parametrize("kind", ["qwen3", "bert"])
async def test_adapters_are_loaded_exchanged_and_dropped_while_serving(
    tiny_qwen3: Path, tmp_path: Path, kind: str
) -> None:
    model, first, second = _over_bert(tmp_path) if kind == "bert" else _over_qwen3(tiny_qwen3, tmp_path)
    app = create_app(Settings(model=(str(model),), dtype="float32", self_test="off"))
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://finerank", timeout=60)
    async with app.router.lifespan_context(app), client:
        await app.state.service.pool.default.settled.wait()
        base = await _log_odds(client, str(model))
        for adapter in (first, second):
            asked = {"lora_name": "law", "lora_path": str(adapter)}
            loaded = await client.post("/v1/load_lora_adapter", json=asked)
            assert loaded.status_code == 200, loaded.text
            scores = await _log_odds(client, "law")
            assert scores == pytest.approx(_expected(adapter), abs=1e-5)
            assert scores != pytest.approx(base, abs=1e-3)
            assert await _log_odds(client, str(model)) == pytest.approx(base, abs=1e-5)
        dropped = await client.post("/v1/unload_lora_adapter", json={"lora_name": "law"})
        assert dropped.status_code == 200, dropped.text
        listed = (await client.get("/v1/models")).json()["data"]
        assert [each["id"] for each in listed] == [str(model)]
