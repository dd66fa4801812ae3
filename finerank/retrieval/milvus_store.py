"""An index in Milvus: an embedded Milvus Lite path, or a server or cluster by its address, through the same client.

Two collections: NAME holds the chunks with vectors and terms, NAME_files the files and how the index was made.
BM25 is Milvus' own function over a field of terms that were segmented and stemmed here, so that Lite and a server
find the same.
"""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from pymilvus import DataType, Function, FunctionType, MilvusClient, MilvusException

from ..errors import InputError, RetrievalError
from ..scores import FloatArray
from .index_info import FileRecord, IndexInfo, file_id
from .store import Entry, Store
from .types import Chunk, Found

COLLECTION: Final = "finerank"
_INFO_ID: Final = "index"
_FIELDS: Final = (
    "id",
    "document_id",
    "source",
    "title",
    "text",
    "position",
    "page",
    "last_page",
    "headings",
    "metadata",
)
_MOST_BYTES: Final = 65_535  # of a VARCHAR in Milvus
_MOST_ROWS: Final = 16_384  # of one query to a Milvus server
_ID_BYTES: Final = 512
_BATCH_BYTES: Final = 16 << 20  # of one insertion; gRPC takes 64 MiB
_K1, _B = 1.2, 0.75
"""BM25's usual parameters (Robertson and Zaragoza, 2009)."""

# Both log every refusal with a traceback on standard error; what is raised says it too.
for _name in ("pymilvus", "milvus_lite"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


class MilvusStore(Store):
    """One collection. Raises RetrievalError where it is locked, damaged, out of reach, or no index of finerank."""

    def __init__(self, client: MilvusClient, db: str, collection: str, info: IndexInfo) -> None:
        self.db = db
        self.collection = collection
        self.where = _where(db, collection)
        self._client = client
        self._name = collection
        self.info = info
        self._load()

    @classmethod
    def open(cls, db: str, collection: str = COLLECTION, *, token: str | None = None) -> "MilvusStore":
        """An index that is there. Raises RetrievalError naming the collections that are, if it is not."""
        if is_path(db) and not Path(db).expanduser().exists():
            raise RetrievalError(f"there is no index at {db}; make one with finerank index FOLDER --db {db}")
        client = connect(db, token)
        try:
            info = _read_info(client, collection, _where(db, collection))
            if info is None:
                there = ", ".join(collections_of(client)) or "none"
                raise RetrievalError(f"{db} has no collection {collection!r}; there are: {there}")
            return cls(client, db, collection, info)
        except BaseException:
            release(client, db)
            raise

    @classmethod
    def create(cls, db: str, collection: str, info: IndexInfo, *, token: str | None = None) -> "MilvusStore":
        """A new, empty index, or the one that is there; then `info` is that one's, and the caller compares."""
        client = connect(db, token)
        try:
            known = _read_info(client, collection, _where(db, collection))
            if known is None:
                _refuse_strangers(client, collection, _where(db, collection))
                _make_collections(client, collection, info, is_lite=is_path(db))
            store = cls(client, db, collection, known or info)
            if known is None:
                store.save_info()
            return store
        except BaseException:
            release(client, db)
            raise

    def dense(self, vector: FloatArray, limit: int, filter_: str | None = None) -> list[Found]:
        return self._search([vector.tolist()], "dense", limit, filter_)

    def bm25(self, terms: Sequence[str], limit: int, filter_: str | None = None) -> list[Found]:
        if not terms:
            return []
        found = self._search([" ".join(terms)], "sparse", limit, filter_)
        # Lite gives BM25 as a distance, smaller is better.
        return [Found(each.chunk, abs(each.score)) for each in found]

    def add(self, entries: Sequence[Entry]) -> None:
        with _refusals(self.where):
            for rows in _portions([_row(entry) for entry in entries]):
                self._client.upsert(self._name, rows)

    def remove(self, file_ids: Sequence[str]) -> None:
        with _refusals(self.where):
            for start in range(0, len(file_ids), 500):
                self._client.delete(self._name, filter=_is_in("file_id", file_ids[start : start + 500]))

    def count(self) -> int:
        with _refusals(self.where):
            rows = self._client.query(self._name, filter="", output_fields=["count(*)"], consistency_level="Strong")
        return int(rows[0]["count(*)"])

    def files(self, ids: Sequence[str]) -> dict[str, FileRecord]:
        with _refusals(self.where):
            rows = self._client.query(
                _files_of(self._name),
                filter=_is_in("id", ids),
                output_fields=["id", "facts"],
                limit=len(ids),
                consistency_level="Strong",
            )
        return {row["id"]: _record(row["facts"]) for row in rows}

    def all_files(self) -> Iterator[FileRecord]:
        with _refusals(self.where):
            for row in self._all_rows(_files_of(self._name), ["id", "facts"]):
                if row["id"] != _INFO_ID:
                    yield _record(row["facts"])

    def put_files(self, records: Iterable[FileRecord]) -> None:
        rows = [_file_row(record.id, record.source, _facts(record)) for record in records]
        with _refusals(self.where):
            for portion in _portions(rows):
                self._client.upsert(_files_of(self._name), portion)

    def forget_files(self, ids: Sequence[str]) -> None:
        with _refusals(self.where):
            for start in range(0, len(ids), 500):
                self._client.delete(_files_of(self._name), filter=_is_in("id", ids[start : start + 500]))

    def save_info(self) -> None:
        with _refusals(self.where):
            self._client.upsert(_files_of(self._name), [_file_row(_INFO_ID, "", self.info.to_dict())])

    def finish(self) -> None:
        """Milvus Lite scans what was not flushed, a hundred times slower than its index."""
        with _refusals(self.where):
            for name in (self._name, _files_of(self._name)):
                self._client.flush(name)

    def close(self) -> None:
        release(self._client, self.db)

    @property
    def path(self) -> Path | None:
        """Of Milvus Lite, absolute."""
        return Path(self.db).expanduser().resolve() if is_path(self.db) else None

    def _load(self) -> None:
        with _refusals(self.where):
            for name in (self._name, _files_of(self._name)):
                self._client.load_collection(name)

    def _search(self, data: list[Any], field: str, limit: int, filter_: str | None) -> list[Found]:
        with _refusals(self.where, filter_):
            (rows,) = self._client.search(
                self._name, data, anns_field=field, limit=limit, filter=filter_ or "", output_fields=list(_FIELDS)
            )
        return [Found(_chunk(row["entity"]), float(row["distance"])) for row in rows]

    def _all_rows(self, name: str, fields: list[str]) -> Iterator[Mapping[str, Any]]:
        if is_path(self.db):
            # Lite's iterator walks through all rows for every page, and it has no limit on rows.
            yield from self._client.query(name, filter="", output_fields=fields, limit=1 << 30)
            return
        pages = self._client.query_iterator(name, batch_size=_MOST_ROWS // 2, output_fields=fields, filter="")
        while rows := pages.next():
            yield from rows
        pages.close()


def _where(db: str, collection: str) -> str:
    return f"{db}, collection {collection}"


def is_path(db: str) -> bool:
    """A path of Milvus Lite, or the address of a server?"""
    return "://" not in db


def connect(db: str, token: str | None = None) -> MilvusClient:
    """Raises RetrievalError with the reason and the remedy."""
    if not is_path(db):
        try:
            return MilvusClient(db, token=token or "", timeout=10)
        except MilvusException as error:
            raise RetrievalError(f"the Milvus server at {db} cannot be used: {error.message}") from None
    path = Path(db).expanduser()
    if path.suffix != ".db":
        raise RetrievalError(
            f"{db} is no name for an index; it must end with .db, or be an address as http://host:19530"
        )
    if path.exists() and not path.is_dir():
        raise RetrievalError(f"{db} is a file; an index of Milvus Lite is a folder, name another one")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return MilvusClient(str(path))
    except MilvusException as error:
        if _is_locked(path):
            raise RetrievalError(
                f"{db} is in use by another process (finerank serve or finerank index), and Milvus Lite lets one in at "
                "a time; end that one, ask the server over POST /v1/search, or use a Milvus server as --db "
                "http://host:19530"
            ) from None
        raise RetrievalError(f"{db} cannot be opened as an index of Milvus Lite: {error.message}") from None
    except OSError as error:
        raise RetrievalError(f"{db} cannot be opened: {error.strerror}") from None


def release(client: MilvusClient, db: str) -> None:
    """Closes it, and of Milvus Lite the file, so that another process may open it."""
    client.close()
    if is_path(db):
        from milvus_lite.server_manager import server_manager_instance

        server_manager_instance.release_server(str(Path(db).expanduser()))


def collections_of(client: MilvusClient) -> list[str]:
    """Names of the indexes of finerank."""
    names = set(client.list_collections())
    return sorted(name for name in names if _files_of(name) in names)


def _is_locked(path: Path) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows
        return False

    try:
        with (path / "LOCK").open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _files_of(collection: str) -> str:
    return f"{collection}_files"


def _read_info(client: MilvusClient, collection: str, where: str) -> IndexInfo | None:
    with _refusals(where):
        if not client.has_collection(_files_of(collection)):
            return None
        client.load_collection(_files_of(collection))
        rows = client.query(
            _files_of(collection),
            filter=_is_in("id", [_INFO_ID]),
            output_fields=["facts"],
            limit=1,
            consistency_level="Strong",
        )
    return IndexInfo.from_dict(rows[0]["facts"], where) if rows else None


def _refuse_strangers(client: MilvusClient, collection: str, where: str) -> None:
    """Somebody else's collection is not written into; the rest of an index whose making was cut short is removed."""
    has_files = client.has_collection(_files_of(collection))
    if client.has_collection(collection):
        if not has_files:
            raise RetrievalError(f"{where} was not made by finerank; choose another name with --collection")
        client.drop_collection(collection)
    if has_files:
        client.drop_collection(_files_of(collection))


def _make_collections(client: MilvusClient, name: str, info: IndexInfo, *, is_lite: bool) -> None:
    # The files first: a collection of chunks without one would look like somebody else's.
    with _refusals(name):
        _make_files(client, _files_of(name))
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
    for number in ("position", "page", "last_page"):
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
        "sparse", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25", params={"bm25_k1": _K1, "bm25_b": _B}
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


def _row(entry: Entry) -> dict[str, Any]:
    chunk = entry.chunk
    return {
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
        "metadata": dict(chunk.metadata),
        "dense": entry.vector.tolist(),
    }


def _chunk(row: Mapping[str, Any]) -> Chunk:
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
        metadata=row["metadata"],
    )


def _file_row(key: str, source: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": key, "source": _cut(source, 4096), "facts": facts, "nothing": [0.0, 0.0]}


def _facts(record: FileRecord) -> dict[str, Any]:
    return {
        "source": record.source,
        "digest": record.digest,
        "state": record.state,
        "num_chunks": record.num_chunks,
        "error": record.error,
        "notes": list(record.notes),
    }


def _record(facts: Mapping[str, Any]) -> FileRecord:
    return FileRecord(**{**facts, "notes": tuple(facts["notes"])})


def _cut(text: str, most_bytes: int) -> str:
    raw = text.encode()
    return text if len(raw) <= most_bytes else raw[:most_bytes].decode(errors="ignore")


def _portions(rows: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
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


def _is_in(field: str, values: Sequence[str]) -> str:
    return f"{field} in {json.dumps(list(values))}"


@contextmanager
def _refusals(where: str, filter_: str | None = None) -> Iterator[None]:
    """What Milvus refuses, in a sentence: because of the filter if there is one."""
    try:
        yield
    except MilvusException as error:
        reason = " ".join(str(error.message).split())
        if filter_:
            raise InputError(f"the filter {filter_!r} cannot be used: {reason}") from None
        raise RetrievalError(f"{where}: Milvus refused ({reason})") from None
