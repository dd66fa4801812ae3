"""What an adapter costs before it is used, and what is said where its framework is missing."""

import subprocess
import sys
from importlib import import_module

import pytest

ADAPTERS = {
    "langchain": ("langchain_core", "langchain-core"),
    "llama_index": ("llama_index", "llama-index-core"),
    "haystack": ("haystack", "haystack-ai"),
    "lancedb": ("lancedb", "lancedb"),
    "mteb": ("mteb", "mteb"),
}


@pytest.mark.parametrize(
    "adapters",
    [
        ("langchain", "milvus"),
        # Haystack itself imports torch where it is installed, so its adapter is left out.
        pytest.param(("llama_index", "lancedb", "mteb", "mteb_run"), marks=pytest.mark.slow),
    ],
)
def test_adapters_load_no_torch(adapters: tuple[str, ...]) -> None:
    names = [f"finerank.integrations.{name}" for name in adapters]
    code = f"import sys, {', '.join(names)}; print('torch' in sys.modules, 'finerank.reranker' in sys.modules)"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.parametrize("name", ADAPTERS)
def test_a_missing_framework_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, package = ADAPTERS[name]
    for loaded in list(sys.modules):
        if loaded == module or loaded.startswith(f"{module}."):
            monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, f"finerank.integrations.{name}", raising=False)
    with pytest.raises(ModuleNotFoundError, match=f"needs {package} .*: pip install {package}$"):
        import_module(f"finerank.integrations.{name}")
