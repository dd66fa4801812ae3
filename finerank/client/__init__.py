"""Rerank through a finerank server or a provider's API, in a process without torch.

client.py      Client and AsyncClient         call.py       one call's documents, and its ranking
blocking.py    what has no event loop waits   embeddings.py EmbeddingClient, with vectors.py
providers.py   who is asked, as data          answers.py    what came back, checked field by field
transport.py   HTTP, retries, limits          limits.py     requests and tokens in a minute
template.py    Qwen3's prompt in two halves   keys.py       API keys and where they stay
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .client import AsyncClient, Client, Template
    from .providers import PROVIDERS
    from .transport import Retry

_MODULE_OF: Final = {
    "AsyncClient": "client",
    "Client": "client",
    "PROVIDERS": "providers",
    "Retry": "transport",
    "Template": "client",
}

__all__ = ["PROVIDERS", "AsyncClient", "Client", "Retry", "Template"]


def __getattr__(name: str) -> Any:
    # Loaded when first used: the command line shows the providers' names and must not wait for httpx.
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'finerank.client' has no attribute {name!r}")
    return getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
