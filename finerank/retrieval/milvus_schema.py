"""The two collections of an index, and what stands in their fields."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from pymilvus import DataType, Function, FunctionType, MilvusClient

from .index_info import FileRecord, IndexInfo, file_id
from .milvus_connection import refusals
from .store import BM25_B, BM25_K1, Entry
from .types import Chunk

CHUNK_FIELDS: Final = (
    "id", "document_id", "source", "title", "text", "position", "page", "last_page", "headings", "num_tokens",
    "metadata",
)  # fmt: skip
_NUMBERS: Final = ("position", "page", "last_page", "num_tokens")
_FILE_FIELDS: Final = {"id", "source", "facts", "nothing"}
_MOST_BYTES: Final = 65_535  # of a VARCHAR in Milvus
_ID_BYTES: Final = 512
_BATCH_BYTES: Final = 16 << 20  # of one insertion; gRPC takes 64 MiB


def files_of(collection: str) -> str:
    """Name of the collection of its files."""
    return f"{collection}_files"


def make_collections(client: MilvusClient, name: str, info: IndexInfo, *, is_lite: bool) -> None:
    """Both, empty."""
    # The files first: a collection of chunks without one would look like somebody else's.
    with refusals(name):
        _make_files(client, files_of(name))
        _make_chunks(client, name, info, is_lite=is_lite)


def _make_chunks(client: MilvusClient, name: str, info: IndexInfo, *, is_lite: bool) -> None:
    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=_ID_BYTES)
    schema.add_field("file_id", DataType.VARCHAR, max_length=32)
    for text in ("document_id", "source", "title"):
        schema.add_field(text, DataType.VARCHAR, max_length=4096)
    schema.add_field("text", DataType.VARCHAR, max_length=_MOST_BYTES)
    analyzer = {"tokenizer": "standard"}
    schema.add_field("terms", DataType.VARCHAR, max_length=_MOST_BYTES, enable_analyzer=True, analyzer_params=analyzer)
    for number in _NUMBERS:
        schema.add_field(number, DataType.INT64)
    for value in ("headings", "metadata"):
        schema.add_field(value, DataType.JSON)
    schema.add_field("sparse", DataType.SPARSE_FLOAT_VECTOR)
    schema.add_field("dense", DataType.FLOAT_VECTOR, dim=info.dimensions)
    schema.add_function(
        Function(
            name="bm25", function_type=FunctionType.BM25, input_field_names=["terms"], output_field_names=["sparse"]
        )
    )
    indexes = client.prepare_index_params()
    # On one machine the scan is exact, and as fast as Lite's graph.
    indexes.add_index("dense", index_type="FLAT" if is_lite else "AUTOINDEX", metric_type="COSINE")
    indexes.add_index(
        "sparse", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25", params={"bm25_k1": BM25_K1, "bm25_b": BM25_B}
    )
    client.create_collection(name, schema=schema, index_params=indexes, consistency_level="Bounded")


def _make_files(client: MilvusClient, name: str) -> None:
    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=64)
    schema.add_field("source", DataType.VARCHAR, max_length=4096)
    schema.add_field("facts", DataType.JSON)
    schema.add_field("nothing", DataType.FLOAT_VECTOR, dim=2)  # a collection must have a vector
    indexes = client.prepare_index_params()
    indexes.add_index("nothing", index_type="FLAT", metric_type="L2")
    client.create_collection(name, schema=schema, index_params=indexes, consistency_level="Strong")


def is_collection_of_files(client: MilvusClient, name: str) -> bool:
    """Does it look as `make_collections` makes it?"""
    return fields_of(client, name) == _FILE_FIELDS


def fields_of(client: MilvusClient, name: str) -> set[str]:
    """Names of a collection's fields: the first indexes have no `num_tokens`."""
    return {field["name"] for field in client.describe_collection(name)["fields"]}


def chunk_row(entry: Entry, fields: Collection[str]) -> dict[str, Any]:
    """A row of the collection of chunks, which has these `fields`; texts are cut where Milvus would refuse them."""
    chunk = entry.chunk
    row = {
        "id": chunk.id,
        "file_id": file_id(chunk.source),
        "document_id": _cut(chunk.document_id, 4096),
        "source": _cut(chunk.source, 4096),
        "title": _cut(chunk.title, 4096),
        "text": _cut(chunk.text, _MOST_BYTES),
        "terms": _cut(" ".join(entry.terms), _MOST_BYTES),
        "position": chunk.position,
        "page": chunk.page or 0,
        "last_page": chunk.last_page or 0,
        "headings": list(chunk.headings),
        "num_tokens": chunk.num_tokens,
        "metadata": dict(chunk.metadata),
        "dense": entry.vector.tolist(),
    }
    return {name: value for name, value in row.items() if name in fields}


def chunk_of(row: Mapping[str, Any]) -> Chunk:
    """From those of CHUNK_FIELDS that there are."""
    return Chunk(
        id=row["id"],
        document_id=row["document_id"],
        source=row["source"],
        title=row["title"],
        text=row["text"],
        position=row["position"],
        page=row["page"] or None,
        last_page=row["last_page"] or None,
        headings=tuple(row["headings"]),
        num_tokens=row.get("num_tokens", 0),
        metadata=row["metadata"],
    )


def record_row(key: str, source: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the collection of files."""
    return {"id": key, "source": _cut(source, 4096), "facts": facts, "nothing": [0.0, 0.0]}


def facts_of(record: FileRecord) -> dict[str, Any]:
    """As JSON values."""
    return {
        "source": record.source,
        "digest": record.digest,
        "state": record.state,
        "num_chunks": record.num_chunks,
        "error": record.error,
        "notes": list(record.notes),
    }


def record_of(facts: Mapping[str, Any]) -> FileRecord:
    """From its JSON values."""
    return FileRecord(**{**facts, "notes": tuple(facts["notes"])})


def _cut(text: str, most_bytes: int) -> str:
    raw = text.encode()
    return text if len(raw) <= most_bytes else raw[:most_bytes].decode(errors="ignore")


def portions(rows: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """In insertions that gRPC takes."""
    portion: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        own = 4 * len(row.get("text", "")) + 4 * len(row.get("terms", "")) + 8 * len(row.get("dense", ())) + 4096
        if portion and size + own > _BATCH_BYTES:
            yield portion
            portion, size = [], 0
        portion.append(row)
        size += own
    if portion:
        yield portion
