"""What an index is made of, as it is kept beside its chunks."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias

from ..errors import RetrievalError

if TYPE_CHECKING:
    from ..embedder import EmbedderInfo

FORMAT: Final = 1
"""Raised when an index of an older finerank can no longer be read."""

FileState: TypeAlias = Literal["writing", "done", "unreadable"]


@dataclass(slots=True)
class IndexInfo:
    """How an index was made. Whoever adds to it or searches it must do the same.

    embedding_*: the model's name (`openai:MODEL` of one behind an API), the fingerprint of what it computes, and the
    address of its API where that was given.   dimensions: of its vectors.
    is_default_embedding: it is the model that comes with finerank.
    chunk_tokens, overlap: of a chunk, in the embedding model's tokens.   analyzer: settings of the TermAnalyzer.
    roots: name of an indexed folder or file -> its path when it was indexed last.
    is_language_open: nobody named the analyzer's language; the first files that come decide.
    """

    embedding_model: str
    embedding_fingerprint: str
    dimensions: int
    chunk_tokens: int
    overlap: int
    analyzer: Mapping[str, Any]
    is_default_embedding: bool = False
    embedding_base_url: str | None = None
    is_language_open: bool = False
    roots: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any], where: str) -> Self:
        """Raises RetrievalError if another version of finerank wrote it."""
        if facts.get("format") != FORMAT:
            raise RetrievalError(
                f"{where} has format {facts.get('format')!r}, this finerank reads {FORMAT}; make the index again"
            )
        return cls(**{name: facts[name] for name in cls.__dataclass_fields__ if name in facts})

    def check_embedding(self, embedder: "EmbedderInfo", where: str) -> None:
        """Raises RetrievalError if vectors of `embedder` cannot be compared with those of the index."""
        if embedder.dimensions != self.dimensions:
            raise RetrievalError(
                f"{where} holds vectors of {self.dimensions} dimensions by {self.embedding_model}; {embedder.name} "
                f"gives {embedder.dimensions}; {self._remedy(embedder)}, or make a new index"
            )
        if embedder.fingerprint != self.embedding_fingerprint:
            raise RetrievalError(
                f"{where} was made with the embedding model {self.embedding_model} (fingerprint "
                f"{self.embedding_fingerprint}), not with {embedder.name} ({embedder.fingerprint}); "
                f"{self._remedy(embedder)}, or make a new index"
            )

    def _remedy(self, embedder: "EmbedderInfo") -> str:
        if embedder.name == self.embedding_model and embedder.dimensions != self.dimensions:
            return f"say --dimensions {self.dimensions}"
        if self.is_default_embedding:
            return "leave --embedding-model out"
        return f"use --embedding-model {self.embedding_model}"

    def check_chunking(self, chunk_tokens: int | None, overlap: int | None, where: str) -> None:
        """Raises RetrievalError if one of them is given and is not that of the index."""
        for name, value in (("chunk_tokens", chunk_tokens), ("overlap", overlap)):
            own = getattr(self, name)
            if value is not None and value != own:
                raise RetrievalError(
                    f"{where} was made with {name} {own}, not {value}; leave it out, or make a new index"
                )


@dataclass(slots=True)
class FileRecord:
    """One file of an index.

    source: its name in the index.   digest: of its content.   state: "writing" until all its chunks are stored.
    num_chunks: stored.   error: why it is unreadable.   notes: what was odd about it.
    """

    source: str
    digest: str
    state: FileState
    num_chunks: int = 0
    error: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return file_id(self.source)


def file_id(source: str) -> str:
    """32 hex digits; a name may hold anything, and filters of a database should not have to quote it."""
    return hashlib.blake2b(source.encode(), digest_size=16).hexdigest()
