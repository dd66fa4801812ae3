"""finerank: rerank documents with the Qwen3-Reranker models and classic cross-encoders, exactly and fast.

Names are loaded when first used, so that `import finerank` costs nothing (no torch).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from .extras import remedy_for

__version__: Final = "0.1.0"

if TYPE_CHECKING:
    from .client import AsyncClient, Client
    from .embedder import Embedder, EmbedderInfo, Embeddings
    from .errors import (
        AuthenticationError,
        DamagedError,
        DeadlineError,
        EngineError,
        FinerankError,
        FinerankWarning,
        HubError,
        InputError,
        ModelError,
        NotAModelError,
        NotReadyError,
        OverloadedError,
        ProviderError,
        RateLimitError,
        RetrievalError,
        SelfTestError,
        SettingsError,
        TooLongError,
        TrainingError,
        UnknownModelError,
        UnreachableError,
        UnreadableError,
        UnsupportedError,
    )
    from .instructions import DEFAULT_INSTRUCTION, PRESETS
    from .reranker import Reranker
    from .types import AnswerFacts, Document, ModelInfo, Pair, RankedDocument, Ranking, Usage

_MODULE_OF: Final = {
    **dict.fromkeys(("AnswerFacts", "Document", "ModelInfo", "Pair", "RankedDocument", "Ranking", "Usage"), "types"),
    **dict.fromkeys(("DEFAULT_INSTRUCTION", "PRESETS"), "instructions"),
    **dict.fromkeys(("AsyncClient", "Client"), "client"),
    **dict.fromkeys(("Embedder", "EmbedderInfo", "Embeddings"), "embedder"),
    "Reranker": "reranker",
}

__all__ = [
    "DEFAULT_INSTRUCTION",
    "PRESETS",
    "AnswerFacts",
    "AsyncClient",
    "AuthenticationError",
    "Client",
    "DamagedError",
    "DeadlineError",
    "Document",
    "Embedder",
    "EmbedderInfo",
    "Embeddings",
    "EngineError",
    "FinerankError",
    "FinerankWarning",
    "HubError",
    "InputError",
    "ModelError",
    "ModelInfo",
    "NotAModelError",
    "NotReadyError",
    "OverloadedError",
    "Pair",
    "ProviderError",
    "RankedDocument",
    "Ranking",
    "RateLimitError",
    "Reranker",
    "RetrievalError",
    "SelfTestError",
    "SettingsError",
    "TooLongError",
    "TrainingError",
    "UnknownModelError",
    "UnreachableError",
    "UnreadableError",
    "UnsupportedError",
    "Usage",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'finerank' has no attribute {name!r}")
    try:
        module = import_module(f".{_MODULE_OF.get(name, 'errors')}", __name__)
    except ModuleNotFoundError as error:
        remedy = remedy_for(error)
        if remedy is None:
            raise
        raise ModuleNotFoundError(remedy, name=error.name) from None
    return getattr(module, name)


def __dir__() -> list[str]:
    return __all__
