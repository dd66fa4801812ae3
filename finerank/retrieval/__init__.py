"""Documents into an index, and the right passage out of it.

Names are loaded when first used: neither torch nor pymilvus is imported before.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from ..extras import remedy_for

if TYPE_CHECKING:
    from .chunking import Chunker
    from .indexer import Indexer
    from .options import Rule, SearchOptions
    from .searcher import Searcher
    from .types import Chunk, Hit, SearchResult, Section, SourceDocument

_MODULE_OF: Final = {
    "Chunk": "types",
    "Chunker": "chunking",
    "Hit": "types",
    "Indexer": "indexer",
    "Rule": "options",
    "SearchOptions": "options",
    "SearchResult": "types",
    "Searcher": "searcher",
    "Section": "types",
    "SourceDocument": "types",
}

__all__ = [
    "Chunk",
    "Chunker",
    "Hit",
    "Indexer",
    "Rule",
    "SearchOptions",
    "SearchResult",
    "Searcher",
    "Section",
    "SourceDocument",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)
    except ModuleNotFoundError as error:
        remedy = remedy_for(error)
        if remedy is None:
            raise
        raise ModuleNotFoundError(remedy, name=error.name) from None
