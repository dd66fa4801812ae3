import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from finerank import Reranker
from finerank.errors import DamagedError, NotAModelError
from finerank.models import embedded


def test_no_model_named_is_the_embedded_one_without_a_network() -> None:
    """In a process whose sockets are gone."""
    code = """
import socket
def refuse(*args, **kwargs): raise RuntimeError("network touched")
socket.socket.connect = socket.getaddrinfo = refuse
from finerank import Reranker
ranking = Reranker().rank("red planet", ["Venus is hot.", "Mars is called the red planet."])
print(ranking[0].index, ranking.facts.model.name, ranking.facts.model.is_default)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["1", "all-MiniLM-L6-v2", "True"], done.stderr


def test_scores_are_those_of_sentence_transformers() -> None:
    from sentence_transformers import SentenceTransformer

    encoder = SentenceTransformer(str(embedded.embedded_path()), device="cpu", local_files_only=True)
    documents = ["Mars is red.", "", "A longer text about something else altogether, such as bread."]
    vectors = encoder.encode(["which planet is red?", *documents], normalize_embeddings=True)
    with Reranker(self_test="off", device="cpu") as reranker:
        scores = reranker.score([("which planet is red?", document) for document in documents])
    assert scores == pytest.approx((1 + vectors[1:] @ vectors[0]) / 2, abs=1e-5)


def test_changed_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "fake_package"
    shutil.copytree(embedded.embedded_path(), package / "model")
    (package / "__init__.py").write_text("")
    with (package / "model" / "model.safetensors").open("r+b") as weights:
        weights.seek(-1, 2)
        weights.write(b"\x01")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(embedded, "_PACKAGE", "fake_package")
    with pytest.raises(DamagedError, match="reinstall the package fake-package"):
        embedded.embedded_path()
    monkeypatch.setattr(embedded, "_PACKAGE", "no_such_package")
    with pytest.raises(NotAModelError, match="pip install no-such-package"):
        embedded.embedded_path()


def test_hash_of_a_cached_blob_is_its_name(tmp_path: Path) -> None:
    blob = tmp_path / ("ab" * 32)
    blob.write_bytes(b"x")
    link = tmp_path / "model.safetensors"
    link.symlink_to(blob)
    assert embedded.file_sha256(link) == "ab" * 32
    assert embedded.file_sha256(blob) == "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
