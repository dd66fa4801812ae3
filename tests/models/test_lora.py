"""PEFT's adapters over tensors, against peft itself."""

from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from finerank.errors import DamagedError, UnsupportedError
from finerank.models.lora import LoraMerged, brings_head
from finerank.models.tensors import SafetensorsFolder, read_json
from tests.conftest import MakeQwen3


@pytest.mark.parametrize("use_rslora", [False, True])
def test_lora_is_merged_as_peft_merges_it(make_qwen3: MakeQwen3, tmp_path: Path, use_rslora: bool) -> None:
    folder = make_qwen3()
    config = LoraConfig(
        r=4, lora_alpha=6, target_modules=["q_proj", "down_proj"],
        alpha_pattern={r"layers\.1\..*down_proj": 3, "q_.*": 5},
        use_rslora=use_rslora, init_lora_weights=False,
    )  # fmt: skip
    get_peft_model(AutoModelForCausalLM.from_pretrained(folder), config).save_pretrained(tmp_path)
    merged = LoraMerged(
        SafetensorsFolder(folder), SafetensorsFolder(tmp_path), read_json(tmp_path / "adapter_config.json")
    )
    expected = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folder), tmp_path).merge_and_unload()
    changed = 0
    base = SafetensorsFolder(folder)
    for name, tensor in expected.state_dict().items():
        if name in merged.names():
            torch.testing.assert_close(merged.get(name), tensor, rtol=1e-6, atol=1e-6)
            changed += not torch.equal(merged.get(name), base.get(name))
    assert changed == 6


def test_adapters_for_another_base_are_refused(make_qwen3: MakeQwen3, tmp_path: Path) -> None:
    base = SafetensorsFolder(make_qwen3())
    config = {"peft_type": "LORA", "lora_alpha": 8, "base_model_name_or_path": "somebody/else"}

    def adapter(layer: str, width: int) -> LoraMerged:
        name = f"base_model.model.model.layers.{layer}.self_attn.q_proj"
        tensors = {f"{name}.lora_A.weight": torch.zeros(2, width), f"{name}.lora_B.weight": torch.zeros(64, 2)}
        save_file(tensors, tmp_path / "adapter_model.safetensors")
        return LoraMerged(base, SafetensorsFolder(tmp_path), config)

    with pytest.raises(DamagedError, match=r"layers\.77.*'somebody/else' does not have"):
        adapter("77", 64)
    with pytest.raises(DamagedError, match=r"as one of 64 x 32.*'somebody/else' that tensor is 64 x 64"):
        adapter("0", 32)


@pytest.mark.parametrize(
    "change",
    [
        {"use_dora": True},
        {"bias": "all"},
        {"peft_type": "IA3"},
        {"fan_in_fan_out": True},
        {"init_lora_weights": "pissa_niter_4"},
    ],
)
def test_adapters_that_are_more_than_lora_are_refused(
    make_qwen3: MakeQwen3, tmp_path: Path, change: dict[str, object]
) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "adapter_model.safetensors")
    with pytest.raises(UnsupportedError, match="plain LoRA adapters only"):
        LoraMerged(SafetensorsFolder(make_qwen3()), SafetensorsFolder(tmp_path), {"peft_type": "LORA"} | change)


def test_half_an_update_and_other_kinds_are_named(make_qwen3: MakeQwen3, tmp_path: Path) -> None:
    base, config = SafetensorsFolder(make_qwen3()), {"peft_type": "LORA"}
    for name in ("q_proj.lora_A.weight", "q_proj.lora_magnitude_vector", "embed_tokens.lora_embedding_A"):
        save_file({f"base_model.model.{name}": torch.zeros(1)}, tmp_path / "adapter_model.safetensors")
        with pytest.raises(UnsupportedError, match=rf"a tensor 'base_model.model.{name}'"):
            LoraMerged(base, SafetensorsFolder(tmp_path), config)


def test_a_base_saved_alone_is_found_under_the_adapters_names(make_qwen3: MakeQwen3, tmp_path: Path) -> None:
    folder = make_qwen3()
    body = AutoModelForCausalLM.from_pretrained(folder).model
    body.save_pretrained(tmp_path / "body")
    adapted = get_peft_model(
        AutoModelForCausalLM.from_pretrained(folder), LoraConfig(target_modules=["q_proj"], init_lora_weights=False)
    )
    adapted.save_pretrained(tmp_path / "adapter")
    parts = SafetensorsFolder(tmp_path / "adapter"), read_json(tmp_path / "adapter" / "adapter_config.json")
    alone, whole = (LoraMerged(SafetensorsFolder(base), *parts) for base in (tmp_path / "body", folder))
    assert alone.names() == whole.names()
    assert all(torch.equal(alone.get(name), whole.get(name)) for name in whole.names())


def test_the_labels_of_a_head_it_brings(tmp_path: Path) -> None:
    for name, rows, expected in (("score.weight", 2, 2), ("classifier.weight", 1, 1), ("x.lora_A.weight", 3, None)):
        save_file({f"base_model.model.{name}": torch.zeros(rows, 4)}, tmp_path / "adapter_model.safetensors")
        assert brings_head(SafetensorsFolder(tmp_path)) == expected
