"""finerank's network against transformers' Qwen3ForCausalLM, pair by pair with the model card's prompt."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from benchmarks.checkpoint import make_checkpoint
from finerank import Reranker
from finerank.models.qwen3 import network
from finerank.models.qwen3.attention import PaddedAttention
from finerank.scores import FloatArray
from tests.conftest import SCRIPTS, MakeQwen3
from tests.reference import Reference

QUERY = "what jumps over the dog?"
WORDS = " ".join(SCRIPTS.values()).split()

SHAPES: dict[str, dict[str, Any]] = {
    "tied": {},
    "untied": {"tie_word_embeddings": False},
    "one head a key-value head": {"num_key_value_heads": 4},
    "four heads a key-value head": {"num_key_value_heads": 1},
    "head_dim 24": {"head_dim": 24},
    "head_dim 80": {"head_dim": 80},
    "one layer": {"num_hidden_layers": 1},
    "rope theta 10,000": {"rope_theta": 1e4},
    "sharded": {"shard_size": "100KB"},
}


def _documents(count: int, *, longest: int, seed: int = 0) -> list[str]:
    chosen = random.Random(seed)
    return ["", " ", *(" ".join(chosen.choices(WORDS, k=chosen.randint(1, longest))) for _ in range(count - 2))]


def _expected(folder: Path, documents: list[str], **options: Any) -> FloatArray:
    reference = Reference(folder, **options)
    return np.array([reference.log_odds(QUERY, document) for document in documents], dtype=np.float32)


def _log_odds(folder: Path, documents: list[str], **options: Any) -> FloatArray:
    with Reranker(str(folder), self_test="off", **({"dtype": "float32"} | options)) as reranker:
        return reranker.log_odds([(QUERY, document) for document in documents])


@pytest.mark.parametrize("shape", SHAPES)
def test_fp32_equals_the_reference(make_qwen3: MakeQwen3, shape: str) -> None:
    folder = make_qwen3(**SHAPES[shape])
    documents = _documents(12, longest=60)
    expected = _expected(folder, documents)
    assert np.ptp(expected) > 0.1, "all scores alike would prove nothing"
    assert _log_odds(folder, documents) == pytest.approx(expected, abs=1e-4)


def test_every_script(tiny_qwen3: Path) -> None:
    documents = list(SCRIPTS.values())
    assert _log_odds(tiny_qwen3, documents) == pytest.approx(_expected(tiny_qwen3, documents), abs=1e-4)


def test_truncation_around_max_length(tiny_qwen3: Path) -> None:
    document = _documents(3, longest=400, seed=5)[2] * 3
    length = len(Reference(tiny_qwen3).ids(QUERY, document))
    for max_length in (length - 1, length, length + 1, length // 2):
        expected = _expected(tiny_qwen3, [document], max_length=max_length)
        assert _log_odds(tiny_qwen3, [document], max_length=max_length) == pytest.approx(expected, abs=1e-4)


def test_the_gpu_way_of_attention_is_exact_too(tiny_qwen3: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Padded attention through the whole network, with prefixes from the batch and from the cache."""
    monkeypatch.setattr(network, "attention_for", lambda device: PaddedAttention())
    documents = _documents(12, longest=60)
    expected = _expected(tiny_qwen3, documents)
    with Reranker(str(tiny_qwen3), dtype="float32", self_test="off", batch_tokens=400) as reranker:
        for _ in range(2):
            assert reranker.log_odds([(QUERY, document) for document in documents]) == pytest.approx(expected, abs=1e-4)


def test_documents_of_many_row_blocks(tiny_qwen3: Path) -> None:
    documents = [" ".join(_documents(12, longest=200, seed=seed)) for seed in range(3)]
    expected = _expected(tiny_qwen3, documents)
    assert max(len(Reference(tiny_qwen3).ids(QUERY, document)) for document in documents) > 2048
    assert _log_odds(tiny_qwen3, documents) == pytest.approx(expected, abs=1e-4)


def test_bf16_error_is_no_larger_than_transformers_own(make_qwen3: MakeQwen3) -> None:
    folder = make_qwen3(hidden_size=256, intermediate_size=512, num_hidden_layers=8, initializer_range=0.06)
    documents = _documents(24, longest=60)
    exact = _expected(folder, documents)
    theirs = np.abs(_expected(folder, documents, dtype=torch.bfloat16) - exact).mean()
    ours = np.abs(_log_odds(folder, documents, dtype="bfloat16") - exact).mean()
    assert 0 < ours <= theirs


@pytest.mark.parametrize("spelling", ["old", "new"])
def test_both_spellings_of_config_keys(tiny_qwen3: Path, tmp_path: Path, spelling: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_qwen3, folder)
    config = json.loads((folder / "config.json").read_text())
    for key in ("rope_parameters", "rope_theta", "rope_scaling", "dtype", "torch_dtype"):
        config.pop(key, None)
    old = {"rope_theta": 1e6, "rope_scaling": None, "torch_dtype": "float32"}
    new = {"rope_parameters": {"rope_type": "default", "rope_theta": 1e6}, "dtype": "float32"}
    (folder / "config.json").write_text(json.dumps(config | (old if spelling == "old" else new)))
    documents = _documents(5, longest=30)
    assert _log_odds(folder, documents) == pytest.approx(_expected(tiny_qwen3, documents), abs=1e-4)


@pytest.mark.parametrize("labels", [1, 2])
def test_classifier_conversion_gives_the_same_log_odds(make_qwen3: MakeQwen3, tmp_path: Path, labels: int) -> None:
    """The head of a converted checkpoint holds yes - no, or both rows."""
    folder = make_qwen3(tie_word_embeddings=False)
    expected = _expected(folder, documents := _documents(6, longest=30))
    converted = _as_classifier(folder, tmp_path, labels)
    assert _log_odds(converted, documents) == pytest.approx(expected, abs=1e-4)


def _as_classifier(folder: Path, tmp_path: Path, labels: int) -> Path:
    from safetensors.torch import load_file

    reference = Reference(folder)
    yes, no = (reference.tokenizer.convert_tokens_to_ids(word) for word in ("yes", "no"))
    tensors = load_file(folder / "model.safetensors")
    rows = tensors.pop("lm_head.weight")
    tensors["score.weight"] = (rows[yes] - rows[no])[None] if labels == 1 else torch.stack([rows[yes], rows[no]])
    converted = tmp_path / "converted"
    converted.mkdir()
    shutil.copy(folder / "tokenizer.json", converted)
    names = {"0": "LABEL_0"} if labels == 1 else {"0": "Yes", "1": "No"}
    config = json.loads((folder / "config.json").read_text())
    config |= {"architectures": ["Qwen3ForSequenceClassification"], "id2label": names}
    (converted / "config.json").write_text(json.dumps(config))
    save_file(tensors, converted / "model.safetensors")
    return converted


@pytest.fixture(scope="module")
def full_size(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("full"), data_folder / "qwen3")


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_full_size_06b(full_size: Path, dtype: str) -> None:
    """The real shape, vocabulary and tokenizer of the 0.6B with random weights."""
    documents = _documents(8, longest=120)
    exact = _expected(full_size, documents)
    ours = _log_odds(full_size, documents, dtype=dtype)
    if dtype == "float32":
        assert ours == pytest.approx(exact, abs=1e-4)
    else:
        theirs = _expected(full_size, documents, dtype=torch.bfloat16)
        assert np.abs(ours - exact).mean() <= np.abs(theirs - exact).mean()
