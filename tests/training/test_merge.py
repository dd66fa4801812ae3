"""A merged checkpoint against the adapter beside its base: in transformers with PEFT, and in `Reranker`."""

import errno
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertForSequenceClassification,
    Qwen3ForCausalLM,
    Qwen3ForSequenceClassification,
)

from finerank import Reranker
from finerank.errors import DamagedError, InputError, SettingsError, TrainingError, UnsupportedError
from finerank.models import embedded
from finerank.models.adapter_base import record_base
from finerank.models.tensors import SafetensorsFolder, read_json
from finerank.training import merge as module
from finerank.training.merge import merge
from tests.conftest import MakeQwen3
from tests.models.tiny_bert import (
    QUERY,
    adapted_logits,
    documents,
    logits_of,
    save_adapter,
    save_classifier,
    save_embedder,
)

PAIRS = [("a fox", "the fox jumps"), ("a fox", "a dog sleeps"), ("狐狸", "敏捷的棕色狐狸")]


def _adapter(base: Path, folder: Path, *, seed: int = 3, **changes: Any) -> Path:
    """A random LoRA over a Qwen3 yes/no reranker."""
    torch.manual_seed(seed)
    recipe: dict[str, Any] = {"r": 4, "lora_alpha": 6, "target_modules": "all-linear", "init_lora_weights": False}
    network = Qwen3ForCausalLM.from_pretrained(base)
    get_peft_model(network, LoraConfig(**(recipe | changes))).save_pretrained(folder)
    return folder


def _log_odds(folder: Path, pairs: list[tuple[str, str]] = PAIRS, **options: Any) -> np.ndarray[Any, Any]:
    with Reranker(str(folder), device="cpu", self_test="off", **({"dtype": "float32"} | options)) as reranker:
        return reranker.log_odds(pairs)


@torch.no_grad()
def _yes_no(network: Any, folder: Path) -> np.ndarray[Any, Any]:
    """log-odds of transformers on the prompts that finerank makes."""
    with Reranker(str(folder), device="cpu", self_test="off") as reranker:
        encoder = reranker.model.encoder  # type: ignore[attr-defined]
    rows = [network(input_ids=torch.tensor([encoder.reference_ids(*pair)])).logits[0, -1] for pair in PAIRS]
    return torch.stack([row[encoder.yes_id] - row[encoder.no_id] for row in rows]).numpy()


@pytest.mark.parametrize("is_tied", [True, False])
def test_a_yes_no_reranker(make_qwen3: MakeQwen3, tmp_path: Path, is_tied: bool) -> None:
    base = make_qwen3(tie_word_embeddings=is_tied)
    adapter = _adapter(base, tmp_path / "adapter")
    merged = merge(adapter, tmp_path / "merged", max_shard_bytes=60_000)
    assert (merged.base, merged.num_changed, merged.dtype) == (str(base), 3 * 7, "float32")
    expected = _yes_no(PeftModel.from_pretrained(Qwen3ForCausalLM.from_pretrained(base), str(adapter)), base)
    assert len(list(merged.folder.glob("*.safetensors"))) > 3
    np.testing.assert_allclose(
        _yes_no(Qwen3ForCausalLM.from_pretrained(merged.folder), merged.folder), expected, atol=1e-5
    )
    np.testing.assert_allclose(_log_odds(adapter), expected, atol=1e-5)
    np.testing.assert_allclose(_log_odds(merged.folder), _log_odds(adapter), atol=2e-6)
    assert abs(_log_odds(base) - expected).max() > 0.01
    card = (merged.folder / "README.md").read_text()
    assert f"base_model: {base}" in card
    assert "rank 4, alpha 6" in card


def test_a_classifier_over_a_yes_no_reranker(tiny_qwen3: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    config = LoraConfig(r=2, target_modules=["q_proj", "up_proj"], task_type="SEQ_CLS", init_lora_weights=False)
    network = AutoModelForSequenceClassification.from_pretrained(tiny_qwen3, num_labels=1)
    get_peft_model(network, config).save_pretrained(tmp_path / "adapter")
    folder = merge(tmp_path / "adapter", tmp_path / "merged").folder
    loaded = Qwen3ForSequenceClassification.from_pretrained(folder)
    assert loaded.config.num_labels == 1
    np.testing.assert_allclose(_log_odds(folder), _log_odds(tmp_path / "adapter"), atol=2e-6)
    assert load_file(folder / "model.safetensors").keys() == loaded.state_dict().keys()
    with Reranker(str(folder), device="cpu", self_test="off") as reranker:
        ids = reranker.model.encoder.reference_ids(*PAIRS[0])  # type: ignore[attr-defined]
    with torch.no_grad():
        assert float(loaded(input_ids=torch.tensor([ids])).logits) == pytest.approx(_log_odds(folder)[0], abs=1e-5)


@pytest.mark.parametrize("is_embedder", [False, True])
def test_a_bert_cross_encoder(tmp_path: Path, is_embedder: bool) -> None:
    base = save_embedder(tmp_path / "m") if is_embedder else save_classifier(tmp_path / "m", num_labels=1)
    adapter = save_adapter(base, tmp_path / "adapter")
    (adapter / "README.md").write_text("what it is worth")
    texts = documents(8, 50)
    expected = adapted_logits(base, adapter, texts).numpy()
    folder = merge(adapter, tmp_path / "merged").folder
    assert sorted(file.name for file in folder.iterdir()) == [
        "ADAPTER.md", "README.md", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
        *([] if is_embedder else ["vocab.txt"]),
    ]  # fmt: skip
    network = BertForSequenceClassification.from_pretrained(folder).eval()
    assert type(AutoTokenizer.from_pretrained(folder)).__name__.startswith("Bert")
    np.testing.assert_allclose(logits_of(network, folder, texts)[:, 0].numpy(), expected, atol=1e-5)
    pairs = [(QUERY, text) for text in texts]
    np.testing.assert_allclose(_log_odds(folder, pairs), _log_odds(adapter, pairs), atol=2e-6)


def test_over_the_packaged_model(tmp_path: Path) -> None:
    base = embedded.embedded_path()
    adapter = save_adapter(base, tmp_path / "adapter", lora_alpha=1)
    record_base(adapter, embedded.NAME, base)
    merged = merge(adapter, tmp_path / "merged")
    assert merged.base == embedded.NAME
    network, report = BertForSequenceClassification.from_pretrained(merged.folder, output_loading_info=True)
    assert not any(report.values()), report
    with Reranker(str(merged.folder), dtype="float32", device="cpu", self_test="off") as reranker:
        found = float(reranker.log_odds([(QUERY, "mars")])[0])
    assert found == pytest.approx(float(logits_of(network.eval(), merged.folder, ["mars"])[0, 0]), abs=1e-5)


def test_a_dtype_of_its_own(tiny_qwen3: Path, tmp_path: Path) -> None:
    adapter = _adapter(tiny_qwen3, tmp_path / "adapter")
    merged = merge(adapter, tmp_path / "merged", dtype="bf16")
    assert {tensor.dtype for tensor in load_file(merged.folder / "model.safetensors").values()} == {torch.bfloat16}
    assert read_json(merged.folder / "config.json")["dtype"] == merged.dtype == "bfloat16"
    again = merge(_adapter(merged.folder, tmp_path / "second", seed=4), tmp_path / "again")
    assert again.dtype == "bfloat16"
    np.testing.assert_array_equal(_log_odds(again.folder, dtype="bf16"), _log_odds(tmp_path / "second", dtype="bf16"))
    with pytest.raises(SettingsError, match="int3"):
        merge(adapter, tmp_path / "other", dtype="int3")


def test_what_is_there_is_not_overwritten(tiny_qwen3: Path, tmp_path: Path) -> None:
    adapter = _adapter(tiny_qwen3, tmp_path / "adapter")
    with pytest.raises(InputError, match=f"{adapter} exists and is not overwritten"):
        merge(adapter, adapter)
    with pytest.raises(TrainingError, match="is no adapter"):
        merge(tiny_qwen3, tmp_path / "merged")
    assert [file.name for file in tmp_path.iterdir()] == ["adapter"]


@pytest.mark.filterwarnings("ignore::UserWarning")  # PEFT's own
@pytest.mark.parametrize("target", ["lm_head", "embed_tokens"])
def test_what_cannot_be_merged_is_named(tiny_qwen3: Path, tmp_path: Path, target: str) -> None:
    adapter = _adapter(tiny_qwen3, tmp_path / "adapter", target_modules=["q_proj", target])
    with pytest.raises(UnsupportedError, match=rf"{target}"):
        merge(adapter, tmp_path / "merged")
    changed = read_json(adapter / "adapter_config.json") | {"use_dora": True}
    (adapter / "adapter_config.json").write_text(json.dumps(changed))
    with pytest.raises(UnsupportedError, match="DoRA"):
        merge(adapter, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_a_full_disk_leaves_nothing(tiny_qwen3: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = _adapter(tiny_qwen3, tmp_path / "adapter")

    def is_full(done: int, _: int) -> None:
        if done == 5:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(TrainingError, match="the disk is full"):
        merge(adapter, tmp_path / "merged", on_progress=is_full)
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(TrainingError, match=r"needs 0\.0 GB, but there is room for 0\.0 GB"):
        merge(adapter, tmp_path / "merged")
    assert [file.name for file in tmp_path.iterdir()] == ["adapter"]


def test_a_kill_leaves_no_half_folder_and_the_next_run_clears_up(tiny_qwen3: Path, tmp_path: Path) -> None:
    adapter = _adapter(tiny_qwen3, tmp_path / "adapter")
    code = (
        "import os, sys\n"
        "from finerank.training.merge import merge\n"
        "merge(sys.argv[1], sys.argv[2], on_progress=lambda done, _: done == 7 and os.kill(os.getpid(), 9))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(adapter), str(tmp_path / "merged")], timeout=120)
    assert done.returncode == -9
    assert not (tmp_path / "merged").exists()
    assert (tmp_path / ".merged.unfinished").exists()
    merge(adapter, tmp_path / "merged")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["adapter", "merged"]


def test_damage_in_the_base_leaves_nothing(tiny_qwen3: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(tiny_qwen3, tmp_path / "base"))
    adapter = _adapter(base, tmp_path / "adapter")
    with (base / "model.safetensors").open("r+b") as file:
        file.truncate(20_000)
    with pytest.raises(DamagedError, match="is damaged"):
        merge(adapter, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_every_tensor_is_read_back_as_it_was_planned(make_qwen3: MakeQwen3, tmp_path: Path) -> None:
    base = make_qwen3()
    folder = merge(_adapter(base, tmp_path / "adapter", target_modules=["q_proj"]), tmp_path / "merged").folder
    before, after = load_file(base / "model.safetensors"), SafetensorsFolder(folder)
    assert after.names() == before.keys()
    for name, tensor in before.items():
        assert after.spec(name) == (tuple(tensor.shape), tensor.dtype)
        assert torch.equal(after.get(name), tensor) != ("q_proj" in name)
