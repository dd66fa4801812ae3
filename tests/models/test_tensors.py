"""Tensors by name, from whole and from damaged files."""

import json
from pathlib import Path

import pytest
import torch

from finerank.errors import DamagedError, UnsupportedError
from finerank.models.tensors import SafetensorsFolder, read_json
from tests.conftest import MakeQwen3


def test_shards_are_one_source(make_qwen3: MakeQwen3) -> None:
    one, many = make_qwen3(seed=3), make_qwen3(seed=3, shard_size="60KB")
    whole, sharded = SafetensorsFolder(one), SafetensorsFolder(many)
    assert len(sharded.files()) > 3
    assert sharded.names() == whole.names()
    for name in whole.names():
        assert torch.equal(whole.get(name), sharded.get(name))
        assert whole.spec(name) == sharded.spec(name) == (tuple(whole.get(name).shape), torch.float32)


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


def test_read_json_refuses_what_is_no_object(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([1]))
    with pytest.raises(DamagedError, match="holds a list"):
        read_json(tmp_path / "a.json")
