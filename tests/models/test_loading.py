"""From a name to a model: what is accepted, what is refused, and what the fingerprint tells apart."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from finerank import Reranker
from finerank.errors import DamagedError, InputError, NotAModelError, SelfTestError, SettingsError, UnsupportedError
from tests.conftest import MakeQwen3

PAIRS = [("a fox", "the fox jumps"), ("a fox", "a dog sleeps"), ("狐狸", "敏捷的棕色狐狸")]


def _load(folder: Path, **options: Any) -> Reranker:
    return Reranker(str(folder), **({"dtype": "float32", "self_test": "off"} | options))


def _copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def test_info_says_what_runs(tiny_qwen3: Path) -> None:
    with _load(tiny_qwen3, dtype="bf16", max_length=512) as reranker:
        info = reranker.info
    assert (info.name, info.kind, info.dtype, info.device, info.max_length) == (
        str(tiny_qwen3), "yes_no", "bfloat16", "cpu", 512,
    )  # fmt: skip
    assert info.default_instruction is not None


def test_fingerprint_tells_functions_apart(make_qwen3: MakeQwen3, tiny_qwen3: Path) -> None:
    variants: list[dict[str, Any]] = [
        {}, {"dtype": "bfloat16"}, {"max_length": 300}, {"prompt_form": "evaluation"}, {"parse_control_tokens": True},
        {"deterministic": True},
    ]  # fmt: skip
    fingerprints = []
    for folder, options in [*((tiny_qwen3, options) for options in variants), (make_qwen3(seed=9), {})]:
        with _load(folder, **options) as reranker:
            fingerprints.append(reranker.info.fingerprint)
    assert len(set(fingerprints)) == len(fingerprints)
    with _load(tiny_qwen3) as reranker:
        assert reranker.info.fingerprint == fingerprints[0]


def test_adapter_folder_is_merged_over_its_base(tiny_qwen3: Path, tmp_path: Path) -> None:
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", init_lora_weights=False)
    adapted = get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_qwen3), config)
    adapted.save_pretrained(tmp_path / "adapter")
    adapted.merge_and_unload().save_pretrained(tmp_path / "merged")
    shutil.copy(tiny_qwen3 / "tokenizer.json", tmp_path / "merged")
    with _load(tmp_path / "adapter") as adapter, _load(tmp_path / "merged") as merged, _load(tiny_qwen3) as base:
        assert adapter.log_odds(PAIRS) == pytest.approx(merged.log_odds(PAIRS), abs=1e-5)
        assert abs(adapter.log_odds(PAIRS) - base.log_odds(PAIRS)).max() > 0.01
        assert adapter.info.fingerprint != base.info.fingerprint


def test_adapter_with_a_head_of_its_own(tiny_qwen3: Path, tmp_path: Path) -> None:
    config = LoraConfig(r=2, target_modules=["q_proj"], task_type="SEQ_CLS", init_lora_weights=False)
    base = AutoModelForSequenceClassification.from_pretrained(tiny_qwen3, num_labels=1)
    adapted = get_peft_model(base, config)
    adapted.save_pretrained(tmp_path / "adapter")
    with _load(tmp_path / "adapter") as reranker:
        encoder = reranker.model.encoder  # type: ignore[attr-defined]
        ids = encoder.reference_ids(*PAIRS[0])
        adapted.config.pad_token_id = 0
        with torch.no_grad():
            expected = float(adapted.eval()(input_ids=torch.tensor([ids])).logits[0, 0])
        assert float(reranker.log_odds(PAIRS[:1])[0]) == pytest.approx(expected, abs=1e-4)


def test_a_tensor_nobody_asked_for_is_refused(tiny_qwen3: Path, tmp_path: Path) -> None:
    folder = _copy(tiny_qwen3, tmp_path)
    tensors = load_file(folder / "model.safetensors")
    tensors["model.layers.0.self_attn.q_proj.bias"] = torch.zeros(64)
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(DamagedError, match=r"q_proj\.bias"):
        _load(folder)


def test_a_wrong_shape_is_refused(tiny_qwen3: Path, tmp_path: Path) -> None:
    folder = _copy(tiny_qwen3, tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 95}))
    with pytest.raises(DamagedError, match=r"gate_proj\.weight' is \(96, 64\), config\.json asks for \(95, 64\)"):
        _load(folder)


def test_nan_weights_fail_the_self_test(tiny_qwen3: Path, tmp_path: Path) -> None:
    folder = _copy(tiny_qwen3, tmp_path)
    tensors = load_file(folder / "model.safetensors")
    tensors["model.layers.1.mlp.up_proj.weight"][3, 3] = torch.nan
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(SelfTestError, match="finite scores"):
        _load(folder, self_test="warn")


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (lambda folder: (folder / "tokenizer.json").unlink(), DamagedError, r"no tokenizer\.json"),
        (lambda folder: (folder / "tokenizer.json").write_text("{"), DamagedError, r"tokenizer\.json cannot be read"),
        (lambda folder: (folder / "model.safetensors").unlink(), DamagedError, "no safetensors file"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"\x00" * 99), DamagedError, "is damaged"),
        (lambda folder: (folder / "config.json").unlink(), NotAModelError, r"no config\.json"),
    ],
)
def test_damaged_folders(tiny_qwen3: Path, tmp_path: Path, damage: Any, error: type[Exception], message: str) -> None:
    folder = _copy(tiny_qwen3, tmp_path)
    damage(folder)
    with pytest.raises(error, match=message):
        _load(folder)


def test_names_that_are_no_model(tmp_path: Path) -> None:
    with pytest.raises(NotAModelError, match="there is no folder"):
        _load(tmp_path / "missing")
    (tmp_path / "file.safetensors").write_bytes(b"")
    with pytest.raises(NotAModelError, match="is a file"):
        _load(tmp_path / "file.safetensors")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"dtype": "int8"}, SettingsError, "int8 is not there yet"),
        ({"device": "tpu"}, SettingsError, "'tpu'"),
        ({"device": "cuda:99"}, SettingsError, "cuda:99"),
        ({"prompt_form": "mine"}, SettingsError, "known: readme, evaluation"),
        ({"max_length": 40_000}, InputError, "from 16 to 32,768"),
        ({"max_length": "8k"}, InputError, "'8k'"),
        ({"long_documents": "drop"}, InputError, "'truncate' or 'chunk'"),
        ({"self_test": "maybe"}, SettingsError, "'off', 'warn' or 'require'"),
    ],
)
def test_bad_options(tiny_qwen3: Path, options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        _load(tiny_qwen3, **options)


def test_unknown_options_are_refused(tiny_qwen3: Path) -> None:
    with pytest.raises(TypeError, match="max_len"):
        _load(tiny_qwen3, max_len=4)


def test_quantised_or_scaled_checkpoints_are_refused(tiny_qwen3: Path, tmp_path: Path) -> None:
    folder = _copy(tiny_qwen3, tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"use_sliding_window": True}))
    with pytest.raises(UnsupportedError, match="sliding-window"):
        _load(folder)
