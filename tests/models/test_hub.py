"""Without a network: what is said when a hub cannot be reached."""

import subprocess
import sys
from pathlib import Path

import pytest

from finerank.errors import HubError, NotAModelError
from finerank.models.hub import cached_bytes, locate


def test_a_local_folder_is_itself(tmp_path: Path) -> None:
    assert locate(str(tmp_path)).path == tmp_path


@pytest.mark.parametrize("name", ["./gone", "/gone/model", "a/b/c", "word", "~nobody/x"])
def test_paths_are_never_asked_of_a_hub(name: str) -> None:
    with pytest.raises(NotAModelError, match="there is no folder"):
        locate(name)


def _locate_elsewhere(tmp_path: Path, **environment: str) -> str:
    """The error of a fresh process, as huggingface_hub reads its environment when imported."""
    code = "from finerank.models.hub import locate; locate('Qwen/Qwen3-Reranker-0.6B')"
    environment = {"HF_HOME": str(tmp_path), "HF_HUB_DOWNLOAD_TIMEOUT": "1", "HF_HUB_ETAG_TIMEOUT": "1"} | environment
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
    return done.stderr.strip().splitlines()[-1]


def test_offline_is_respected(tmp_path: Path) -> None:
    message = _locate_elsewhere(tmp_path, HF_HUB_OFFLINE="1")
    assert "HubError" in message
    assert "HF_HUB_OFFLINE is set" in message


def test_an_unreachable_hub_says_what_to_do(tmp_path: Path) -> None:
    message = _locate_elsewhere(tmp_path, HF_ENDPOINT="http://127.0.0.1:9")
    assert "HubError" in message
    assert "--hub modelscope" in message


def test_modelscope_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "modelscope", None)
    with pytest.raises(HubError, match="pip install modelscope"):
        locate("Qwen/Qwen3-Reranker-0.6B", hub="modelscope")


def test_modelscope_is_asked_when_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Package:
        @staticmethod
        def snapshot_download(model: str, **options: object) -> str:
            assert (model, options["revision"]) == ("Qwen/Qwen3-Reranker-0.6B", "v1")
            return str(tmp_path)

    monkeypatch.setitem(sys.modules, "modelscope", Package)
    assert locate("Qwen/Qwen3-Reranker-0.6B", hub="modelscope", revision="v1").path == tmp_path


def test_nothing_cached_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cached_bytes("nobody/has-this-model") is None
