"""Tensors by name, and LoRA merging against peft."""

import json
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from finerank.errors import DamagedError, UnsupportedError
from finerank.models.tensors import LoraMerged, SafetensorsFolder, read_json
from tests.conftest import MakeQwen3


def test_shards_are_one_source(make_qwen3: MakeQwen3) -> None:
    one, many = make_qwen3(seed=3), make_qwen3(seed=3, shard_size="60KB")
    whole, sharded = SafetensorsFolder(one), SafetensorsFolder(many)
    assert len(sharded.files()) > 3
    assert sharded.names() == whole.names()
    for name in whole.names():
        assert torch.equal(whole.get(name), sharded.get(name))


def test_a_damaged_shard_is_named(make_qwen3: MakeQwen3) -> None:
    folder = make_qwen3(shard_size="60KB")
    shard = sorted(folder.glob("*.safetensors"))[1]
    content = shard.read_bytes()
    shard.write_bytes(content[: len(content) // 2])
    source = SafetensorsFolder(folder)
    with pytest.raises(DamagedError, match=shard.name):
        _read_all(source)
    shard.unlink()
    with pytest.raises(DamagedError, match=f"{shard.name} is missing"):
        _read_all(source)


def _read_all(source: SafetensorsFolder) -> list[torch.Tensor]:
    return [source.get(name) for name in source.names()]


def test_pickles_are_refused(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80")
    with pytest.raises(UnsupportedError, match="a pickle"):
        SafetensorsFolder(tmp_path)
    (tmp_path / "pytorch_model.bin").unlink()
    with pytest.raises(DamagedError, match="no safetensors file"):
        SafetensorsFolder(tmp_path)


@pytest.mark.parametrize("use_rslora", [False, True])
def test_lora_is_merged_as_peft_merges_it(make_qwen3: MakeQwen3, tmp_path: Path, use_rslora: bool) -> None:
    folder = make_qwen3()
    config = LoraConfig(
        r=4, lora_alpha=6, target_modules=["q_proj", "down_proj"], alpha_pattern={"down_proj": 3},
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
    with pytest.raises(DamagedError, match="64 x 32, its base's tensor 64 x 64"):
        adapter("0", 32).get("model.layers.0.self_attn.q_proj.weight")


@pytest.mark.parametrize(
    "change", [{"use_dora": True}, {"bias": "all"}, {"peft_type": "IA3"}, {"fan_in_fan_out": True}]
)
def test_adapters_that_are_more_than_lora_are_refused(
    make_qwen3: MakeQwen3, tmp_path: Path, change: dict[str, object]
) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "adapter_model.safetensors")
    with pytest.raises(UnsupportedError, match="plain LoRA adapters only"):
        LoraMerged(SafetensorsFolder(make_qwen3()), SafetensorsFolder(tmp_path), {"peft_type": "LORA"} | change)


def test_read_json_refuses_what_is_no_object(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([1]))
    with pytest.raises(DamagedError, match="holds a list"):
        read_json(tmp_path / "a.json")
