"""What an index is made of, as it is kept beside its chunks."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, Self, TypeAlias

from ..embedder import EmbedderInfo
from ..errors import RetrievalError

FORMAT: Final = 1
"""Raised when an index of an older finerank can no longer be read."""

FileState: TypeAlias = Literal["writing", "done", "unreadable"]


@dataclass(slots=True)
class IndexInfo:
    """How an index was made. Whoever adds to it or searches it must do the same.

    embedding_*: the model's name, the fingerprint of what it computes, and the length of its vectors.
    is_default_embedding: it is the model that comes with finerank.
    chunk_tokens, overlap: of a chunk, in the embedding model's tokens.   analyzer: settings of the TermAnalyzer.
    roots: name of an indexed folder or file -> its path when it was indexed last.
    """

    embedding_model: str
    embedding_fingerprint: str
    dimensions: int
    chunk_tokens: int
    overlap: int
    analyzer: Mapping[str, Any]
    is_default_embedding: bool = False
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

    def check_embedding(self, embedder: EmbedderInfo, where: str) -> None:
        """Raises RetrievalError if vectors of `embedder` cannot be compared with those of the index."""
        if embedder.dimensions != self.dimensions:
            raise RetrievalError(
                f"{where} holds vectors of {self.dimensions} dimensions by {self.embedding_model}; {embedder.name} "
                f"gives {embedder.dimensions}; use --embedding-model {self.embedding_model}, or make a new index"
            )
        if embedder.fingerprint != self.embedding_fingerprint:
            raise RetrievalError(
                f"{where} was made with the embedding model {self.embedding_model} (fingerprint "
                f"{self.embedding_fingerprint}), not with {embedder.name} ({embedder.fingerprint}); use "
                f"--embedding-model {self.embedding_model}, or make a new index"
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
    return hashlib.blake2b(source.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
