"""An index in Milvus: an embedded Milvus Lite path, or a server or cluster by its address, through the same client.

Two collections: NAME holds the chunks with vectors and terms, NAME_files the files and how the index was made.
BM25 is Milvus' own function over a field of terms that were segmented and stemmed here, so that Lite and a server
find the same.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pymilvus import MilvusClient

from ..errors import RetrievalError
from ..scores import FloatArray
from .index_info import FileRecord, IndexInfo
from .milvus_connection import connect, is_path, path_of, refusals, release
from .milvus_schema import (
    CHUNK_FIELDS,
    chunk_of,
    chunk_row,
    facts_of,
    fields_of,
    files_of,
    is_collection_of_files,
    make_collections,
    portions,
    record_of,
    record_row,
)
from .store import Entry, Store
from .types import Found

COLLECTION: Final = "finerank"
_INFO_ID: Final = "index"
_MOST_ROWS: Final = 16_384  # of one query to a Milvus server


class MilvusStore(Store):
    """One collection. Raises RetrievalError where it is locked, damaged, out of reach, or no index of finerank."""

    def __init__(self, client: MilvusClient, db: str, collection: str, info: IndexInfo) -> None:
        self.db = db
        self.collection = collection
        self.where = _where(db, collection)
        self._client = client
        self._is_closed = False
        self._name = collection
        self.info = info
        self._load()

    @classmethod
    def open(cls, db: str, collection: str = COLLECTION, *, token: str | None = None) -> "MilvusStore":
        """An index that is there. Raises RetrievalError naming the collections that are, if it is not."""
        if is_path(db) and not path_of(db).exists():
            raise RetrievalError(f"there is no index at {db}; make one with finerank index FOLDER --db {db}")
        client = connect(db, token)
        try:
            info = read_info(client, collection, _where(db, collection))
            if info is None:
                raise RetrievalError(_why_not(client, db, collection))
            return cls(client, db, collection, info)
        except BaseException:
            release(client, db)
            raise

    @classmethod
    def create(cls, db: str, collection: str, info: IndexInfo, *, token: str | None = None) -> "MilvusStore":
        """A new, empty index, or the one that is there; then `info` is that one's, and the caller compares."""
        client = connect(db, token)
        try:
            known = read_info(client, collection, _where(db, collection))
            if known is None:
                _refuse_strangers(client, collection, _where(db, collection))
                make_collections(client, collection, info, is_lite=is_path(db))
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
        with refusals(self.where):
            for rows in portions([chunk_row(entry, self._fields) for entry in entries]):
                self._client.upsert(self._name, rows)

    def remove(self, file_ids: Sequence[str]) -> None:
        with refusals(self.where):
            for start in range(0, len(file_ids), 500):
                self._client.delete(self._name, filter=_is_in("file_id", file_ids[start : start + 500]))

    def count(self) -> int:
        with refusals(self.where):
            rows = self._client.query(self._name, filter="", output_fields=["count(*)"], consistency_level="Strong")
        return int(rows[0]["count(*)"])

    def files(self, ids: Sequence[str]) -> dict[str, FileRecord]:
        with refusals(self.where):
            rows = self._client.query(
                files_of(self._name),
                filter=_is_in("id", ids),
                output_fields=["id", "facts"],
                limit=len(ids),
                consistency_level="Strong",
            )
        return {row["id"]: record_of(row["facts"]) for row in rows}

    def all_files(self) -> Iterator[FileRecord]:
        with refusals(self.where):
            for row in self._all_rows(files_of(self._name), ["id", "facts"]):
                if row["id"] != _INFO_ID:
                    yield record_of(row["facts"])

    def put_files(self, records: Iterable[FileRecord]) -> None:
        rows = [record_row(record.id, record.source, facts_of(record)) for record in records]
        with refusals(self.where):
            for portion in portions(rows):
                self._client.upsert(files_of(self._name), portion)

    def forget_files(self, ids: Sequence[str]) -> None:
        with refusals(self.where):
            for start in range(0, len(ids), 500):
                self._client.delete(files_of(self._name), filter=_is_in("id", ids[start : start + 500]))

    def save_info(self) -> None:
        with refusals(self.where):
            self._client.upsert(files_of(self._name), [record_row(_INFO_ID, "", self.info.to_dict())])

    def finish(self) -> None:
        """Milvus Lite scans what was not flushed, a hundred times slower than its index."""
        with refusals(self.where):
            for name in (self._name, files_of(self._name)):
                self._client.flush(name)

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            release(self._client, self.db)

    @property
    def path(self) -> Path | None:
        """Of Milvus Lite, absolute."""
        return Path(self.db).expanduser().resolve() if is_path(self.db) else None

    def _load(self) -> None:
        with refusals(self.where):
            for name in (self._name, files_of(self._name)):
                self._client.load_collection(name)
            self._fields = fields_of(self._client, self._name)
        self._shown = [name for name in CHUNK_FIELDS if name in self._fields]

    def _search(self, data: list[Any], field: str, limit: int, filter_: str | None) -> list[Found]:
        with refusals(self.where, filter_):
            (rows,) = self._client.search(
                self._name, data, anns_field=field, limit=limit, filter=filter_ or "", output_fields=self._shown
            )
        return [Found(chunk_of(row["entity"]), float(row["distance"])) for row in rows]

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


def _why_not(client: MilvusClient, db: str, collection: str) -> str:
    """There is no index of that name."""
    with refusals(_where(db, collection)):
        names = collections_of(client)
        if client.has_collection(files_of(collection)) and is_collection_of_files(client, files_of(collection)):
            return (
                f"{_where(db, collection)} is no index yet, for its making was cut short; run finerank index again, "
                "with the same --db and --collection"
            )
    return f"{db} has no collection {collection!r}; there are: {', '.join(names) or 'none'}"


def collections_of(client: MilvusClient) -> list[str]:
    """Names of the indexes of finerank, also of those whose making was cut short."""
    names = set(client.list_collections())
    return sorted(name for name in names if files_of(name) in names)


def read_info(client: MilvusClient, collection: str, where: str) -> IndexInfo | None:
    with refusals(where):
        if not client.has_collection(files_of(collection)):
            return None
        client.load_collection(files_of(collection))
        rows = client.query(
            files_of(collection),
            filter=_is_in("id", [_INFO_ID]),
            output_fields=["facts"],
            limit=1,
            consistency_level="Strong",
        )
    return IndexInfo.from_dict(rows[0]["facts"], where) if rows else None


def _refuse_strangers(client: MilvusClient, collection: str, where: str) -> None:
    """Somebody else's collection is not written into; the rest of an index whose making was cut short is removed."""
    has_files = client.has_collection(files_of(collection))
    is_ours = has_files and is_collection_of_files(client, files_of(collection))
    if (client.has_collection(collection) or has_files) and not is_ours:
        raise RetrievalError(f"{where} was not made by finerank; choose another name with --collection")
    for name in (collection, files_of(collection)):
        if client.has_collection(name):
            client.drop_collection(name)


def _is_in(field: str, values: Sequence[str]) -> str:
    return f"{field} in {json.dumps(list(values))}"
