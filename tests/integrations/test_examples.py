"""The examples of the frameworks run, with the embedded model, and find the right page."""

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = ["haystack_pipeline", "lancedb_reranker", "langchain_compressor", "llamaindex_postprocessor", "milvus_rerank"]


@pytest.mark.parametrize("name", NAMES)
def test_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.endswith("?")]
    assert "hydraulic pressure sensor" in lines[0]
