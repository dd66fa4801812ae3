"""A real embedding model (the embedded one) and real indexes in Milvus Lite."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from finerank.embedder import Embedder


@pytest.fixture(scope="session")
def embedder() -> Iterator[Embedder]:
    with Embedder() as embedder:
        yield embedder


@pytest.fixture
def db(tmp_path: Path) -> str:
    """Where an index may be made."""
    return str(tmp_path / "index.db")
