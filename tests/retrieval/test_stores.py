"""The same of both stores: a real Milvus Lite index, and the one in memory."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from grpc import RpcError
from pymilvus import DataType, MilvusClient, MilvusException

from finerank.errors import InputError, RetrievalError
from finerank.retrieval import milvus_schema
from finerank.retrieval.index_info import FileRecord, IndexInfo, file_id
from finerank.retrieval.memory_store import MemoryStore
from finerank.retrieval.milvus_store import MilvusStore
from finerank.retrieval.store import Entry, Store
from finerank.retrieval.types import Chunk

INFO = IndexInfo("model", "f00d", 3, 64, 8, {"language": "en"})


def entry(name: str, vector: list[float], terms: str, **more: object) -> Entry:
    direction = np.array(vector, dtype=np.float32)
    chunk = Chunk(name, name, f"{name}.txt", f"title {name}", f"text {name}", **more)
    return Entry(chunk, direction / np.linalg.norm(direction), terms.split())


ENTRIES = [
    entry("a", [1, 0, 0], "alarm e07 sensor", page=3, last_page=4, headings=("Alarms", "Hydraulic")),
    entry("b", [1, 1, 0], "alarm lamp lamp lamp lamp", metadata={"year": 2021, "kind": "manual"}),
    entry("c", [0, 0, 1], "oil filter", position=2),
]


@pytest.fixture(params=["milvus", "memory"])
def store(request: pytest.FixtureRequest, db: str) -> Iterator[Store]:
    made: Store = MilvusStore.create(db, "finerank", INFO) if request.param == "milvus" else MemoryStore(INFO)
    made.add(ENTRIES)
    made.finish()
    yield made
    made.close()


@pytest.fixture
def milvus(db: str) -> Iterator[MilvusStore]:
    store = MilvusStore.create(db, "finerank", INFO)
    store.add(ENTRIES)
    yield store
    store.close()


def test_dense_recall_is_by_cosine(store: Store) -> None:
    found = store.dense(np.array([1, 0, 0], dtype=np.float32), 2)
    assert [each.chunk.id for each in found] == ["a", "b"]
    assert [each.score for each in found] == pytest.approx([1.0, 2**-0.5], abs=1e-5)


def test_bm25_recall_is_by_terms(store: Store) -> None:
    assert [each.chunk.id for each in store.bm25(["e07"], 10)] == ["a"]
    both = store.bm25(["alarm", "e07"], 10)
    assert [each.chunk.id for each in both] == ["a", "b"]
    assert both[0].score > both[1].score > 0.0


def test_bm25_finds_nothing_without_a_common_term(store: Store) -> None:
    assert store.bm25(["unheard"], 10) == []
    assert store.bm25([], 10) == []


def test_both_stores_give_the_same_bm25(db: str) -> None:
    milvus, memory = MilvusStore.create(db, "finerank", INFO), MemoryStore(INFO)
    for store in (milvus, memory):
        store.add(ENTRIES)
        store.finish()
    terms = ["alarm", "lamp", "oil"]
    by_id = [{each.chunk.id: each.score for each in store.bm25(terms, 10)} for store in (milvus, memory)]
    milvus.close()
    # Milvus' formula has the constant factor k1 + 1 = 2.5, which changes no order and which bm25s leaves out.
    assert by_id[0] == pytest.approx({key: 2.5 * score for key, score in by_id[1].items()}, rel=1e-4)


def test_a_chunk_comes_back_as_it_was(store: Store) -> None:
    (found,) = store.bm25(["e07"], 1)
    chunk = found.chunk
    assert (chunk.page, chunk.last_page, chunk.headings, chunk.title) == (3, 4, ("Alarms", "Hydraulic"), "title a")
    (other,) = store.bm25(["lamp"], 1)
    assert (other.chunk.page, other.chunk.metadata) == (None, {"year": 2021, "kind": "manual"})


def test_the_length_of_a_chunk_comes_back(store: Store) -> None:
    store.add([entry("d", [0, 1, 0], "counted", num_tokens=57)])
    assert [each.chunk.num_tokens for each in store.bm25(["counted"], 1)] == [57]


def test_an_index_without_lengths_is_searched_and_added_to(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(milvus_schema, "_NUMBERS", ("position", "page", "last_page"))
    MilvusStore.create(db, "finerank", INFO).close()
    monkeypatch.undo()
    old = MilvusStore.open(db)
    old.add([entry("d", [0, 1, 0], "counted", page=2, num_tokens=57)])
    (found,) = old.bm25(["counted"], 1)
    assert (found.chunk.page, found.chunk.num_tokens) == (2, 0)
    old.close()


def test_a_known_id_is_replaced(store: Store) -> None:
    store.add([entry("a", [0, 1, 0], "new words")])
    assert store.count() == 3
    assert store.bm25(["e07"], 10) == []
    assert [each.chunk.id for each in store.bm25(["words"], 10)] == ["a"]


def test_files_are_removed_with_all_their_chunks(store: Store) -> None:
    store.remove([file_id("a.txt"), file_id("unheard.txt")])
    assert store.count() == 2
    assert store.bm25(["e07"], 10) == []


def test_records_of_files(store: Store) -> None:
    done = FileRecord("a.txt", "1234", "done", num_chunks=1, notes=("odd",))
    broken = FileRecord('quo"te\n.pdf', "5678", "unreadable", error="why")
    store.put_files([done, broken])
    assert store.files([done.id, "0" * 32]) == {done.id: done}
    assert sorted(store.all_files(), key=lambda each: each.source) == [done, broken]
    store.forget_files([done.id])
    assert list(store.all_files()) == [broken]


def test_a_filter_picks(milvus: MilvusStore) -> None:
    near = np.array([1, 0, 0], dtype=np.float32)
    assert [each.chunk.id for each in milvus.dense(near, 10, 'metadata["year"] > 2020')] == ["b"]
    assert [each.chunk.id for each in milvus.dense(near, 10, 'source like "a%" and page >= 3')] == ["a"]
    assert milvus.bm25(["alarm"], 10, 'title == "none"') == []


def test_what_is_not_the_filter_s_fault_is_not_said_to_be(milvus: MilvusStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(error: Exception) -> None:
        monkeypatch.setattr(milvus._client, "search", lambda *_, **__: (_ for _ in ()).throw(error))

    near = np.array([1, 0, 0], dtype=np.float32)
    for lost in (MilvusException(2, "Fail connecting to server, server unavailable"), RpcError("Deadline Exceeded")):
        fail(lost)
        with pytest.raises(RetrievalError, match=r"(server unavailable|Deadline Exceeded)"):
            milvus.dense(near, 10, "page > 3")
    fail(MilvusException(1100, "failed to create query plan: cannot parse expression: pages > 3"))  # a server's words
    with pytest.raises(InputError, match="the filter 'pages > 3' cannot be used: failed to create"):
        milvus.dense(near, 10, "pages > 3")


@pytest.mark.parametrize("filter_", ["page >", "pages > 3", 'page == "x" and'])
def test_a_bad_filter_is_refused_with_the_reason(milvus: MilvusStore, filter_: str) -> None:
    with pytest.raises(InputError, match=r"the filter .* cannot be used"):
        milvus.dense(np.array([1, 0, 0], dtype=np.float32), 10, filter_)


def test_an_index_in_memory_has_no_filters() -> None:
    with pytest.raises(InputError, match="needs an index in Milvus"):
        MemoryStore(INFO).dense(np.array([1, 0, 0], dtype=np.float32), 10, "page > 3")


def test_an_index_is_there_when_opened_again(milvus: MilvusStore, db: str) -> None:
    milvus.put_files([FileRecord("a.txt", "1234", "done")])
    milvus.close()
    again = MilvusStore.open(db)
    assert again.info == INFO
    assert again.count() == 3
    assert [each.chunk.id for each in again.bm25(["e07"], 10)] == ["a"]
    assert [each.source for each in again.all_files()] == ["a.txt"]
    again.close()


def test_many_records_and_long_texts_are_stored(milvus: MilvusStore) -> None:
    milvus.put_files(FileRecord(f"{number}.txt", "1", "done") for number in range(20_000))
    assert sum(1 for _ in milvus.all_files()) == 20_000
    milvus.add([entry(f"long{number}", [1, 0, 0], "word") for number in range(3)])
    text = "界" * 30_000  # more bytes than a field takes
    milvus.add([Entry(Chunk("long", "long", "long.txt", text, text), np.array([1, 0, 0], np.float32), [text])])
    assert milvus.count() == 7


def test_another_process_is_named_as_the_reason(milvus: MilvusStore, db: str) -> None:
    code = f"from finerank.retrieval.milvus_store import MilvusStore; MilvusStore.open({db!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "is in use by another process" in done.stderr
    assert "Traceback" not in done.stderr.split("RetrievalError")[-1]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("index", "must end with .db"),
        ("none.db", "there is no index"),
        ("file.db", "is a file"),
        ("http://127.0.0.1:1", "the Milvus server at http://127.0.0.1:1 cannot be used"),
    ],
)
def test_what_is_no_index_is_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "file.db").write_text("junk")
    (tmp_path / "index").mkdir()
    with pytest.raises(RetrievalError, match=message):
        MilvusStore.open(name if "://" in name else str(tmp_path / name))


def test_an_unknown_collection_names_those_that_are_there(milvus: MilvusStore, db: str) -> None:
    milvus.close()
    with pytest.raises(RetrievalError, match="no collection 'manuals'; there are: finerank"):
        MilvusStore.open(db, "manuals")


def test_a_strangers_collection_is_not_written_into(db: str) -> None:
    client = MilvusClient(db)
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("v", DataType.FLOAT_VECTOR, dim=2)
    client.create_collection("theirs", schema=schema)
    with pytest.raises(RetrievalError, match="was not made by finerank"):
        MilvusStore.create(db, "theirs", INFO)


def test_a_making_that_was_cut_short_is_done_again(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MilvusStore, "save_info", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        MilvusStore.create(db, "finerank", INFO)
    monkeypatch.undo()
    with pytest.raises(RetrievalError, match=r"is no index yet, .* run finerank index again"):
        MilvusStore.open(db)
    store = MilvusStore.create(db, "finerank", INFO)
    assert store.count() == 0
    store.close()


def test_a_collection_of_files_alone_is_no_index_yet(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(milvus_schema, "_make_chunks", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        MilvusStore.create(db, "finerank", INFO)
    with pytest.raises(RetrievalError, match="is no index yet"):
        MilvusStore.open(db)


def test_what_is_not_known_of_an_old_index_has_a_default() -> None:
    old = {
        name: value for name, value in INFO.to_dict().items() if name not in ("embedding_base_url", "is_language_open")
    }
    assert IndexInfo.from_dict(old, "here") == INFO


def test_closing_one_store_leaves_the_others_of_the_process(milvus: MilvusStore, db: str) -> None:
    again = MilvusStore.open(db)
    again.close()
    assert milvus.count() == 3
    milvus.close()
    code = f"from finerank.retrieval.milvus_store import MilvusStore; print(MilvusStore.open({db!r}).count())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "3\n"
