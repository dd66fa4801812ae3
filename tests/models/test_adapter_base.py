"""Which model an adapter is put on, and on which it is not."""

import json
import shutil
from pathlib import Path

import pytest

from finerank import Embedder, Reranker
from finerank.errors import DamagedError
from finerank.models import embedded
from finerank.models.adapter_base import RECORD, locate_base, record_base
from finerank.models.tensors import read_json

from .tiny_bert import save_adapter, save_classifier, save_embedder


def _locate(adapter: Path) -> Path:
    return locate_base(adapter, read_json(adapter / "adapter_config.json"), "huggingface")


def test_the_packaged_model_is_found_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": embedded.NAME}))
    record_base(tmp_path, embedded.NAME, embedded.embedded_path())
    assert _locate(tmp_path) == embedded.embedded_path()
    with Embedder(embedded.NAME, device="cpu") as named, Embedder(device="cpu") as default:
        assert (named.info.name, named.info.is_default) == (embedded.NAME, False)
        assert named.info.fingerprint == default.info.fingerprint


def test_a_recorded_base_is_known_again_and_no_other_is_taken(tmp_path: Path) -> None:
    base = save_classifier(tmp_path / "base", num_labels=1)
    adapter = save_adapter(base, tmp_path / "adapter")
    record_base(adapter, str(base), base)
    assert _locate(adapter) == base
    assert read_json(adapter / RECORD)["base_model"] == str(base)
    other = save_classifier(tmp_path / "other", num_labels=1, seed=1)
    shutil.copy(other / "model.safetensors", base)
    with pytest.raises(DamagedError, match=rf"adapter was trained over '{base}' .*but the weights in {base} have"):
        Reranker(str(adapter), device="cpu")


def test_a_base_without_a_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(DamagedError, match="names no base_model_name_or_path"):
        _locate(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_hidden_layers": 1}, r"adapter changes '.*layer\.1\..*' and \d+ more tensors that its base '{base}'"),
        ({"hidden_size": 48}, r"adapter changes '.*' as one of .* x .*, but in its base '{base}' that tensor is"),
    ],
)
def test_an_adapter_of_another_base_is_refused(tmp_path: Path, change: dict[str, int], message: str) -> None:
    adapter = save_adapter(save_embedder(tmp_path / "m"), tmp_path / "adapter")
    base = save_embedder(tmp_path / "other", **change)  # type: ignore[arg-type]
    config = read_json(adapter / "adapter_config.json") | {"base_model_name_or_path": str(base)}
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(DamagedError, match=message.format(base=base)):
        Reranker(str(adapter), device="cpu")


def test_the_scale_of_an_adapter_is_in_its_fingerprint(tmp_path: Path) -> None:
    adapter = save_adapter(save_embedder(tmp_path / "m"), tmp_path / "adapter")
    seen = set()
    for alpha in (7, 14):
        config = read_json(adapter / "adapter_config.json") | {"lora_alpha": alpha}
        (adapter / "adapter_config.json").write_text(json.dumps(config))
        with Reranker(str(adapter), device="cpu", self_test="off") as reranker:
            seen.add(reranker.info.fingerprint)
    assert len(seen) == 2
