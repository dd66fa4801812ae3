"""Files into a real Milvus Lite index with the real embedded model."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from finerank.embedder import Embedder
from finerank.errors import InputError, RetrievalError
from finerank.retrieval.indexer import Indexer
from finerank.retrieval.milvus_store import MilvusStore
from finerank.retrieval.searcher import Searcher


@pytest.fixture
def manuals(tmp_path: Path) -> Path:
    folder = tmp_path / "manuals"
    folder.mkdir()
    (folder / "press.txt").write_text("Alarm E07 means that the hydraulic pressure sensor gives no signal.")
    (folder / "oven.md").write_text("# Oven\n\nThe door seal is changed every year.\n")
    (folder / "lamp.txt").write_text("The red lamp blinks while the spindle is warming up.")
    return folder


@pytest.fixture
def indexer(db: str, embedder: Embedder) -> Iterator[Indexer]:
    with Indexer.open(db, embedder, language="en") as indexer:
        yield indexer


def sources(indexer: Indexer, query: str) -> list[str]:
    searcher = Searcher(indexer.store, indexer._embedder)
    return [hit.chunk.source for hit in searcher.search(query, mode="bm25").hits]


def counts(report: object) -> tuple[int, ...]:
    return tuple(getattr(report, f"num_{name}") for name in ("files", "new", "changed", "unchanged", "removed"))


def test_a_folder_is_found(indexer: Indexer, manuals: Path) -> None:
    report = indexer.index([manuals])
    assert counts(report) == (3, 3, 0, 0, 0)
    assert report.num_chunks == indexer.store.count() == 3
    assert sources(indexer, "E07") == ["manuals/press.txt"]


def test_only_what_changed_is_done_again(indexer: Indexer, manuals: Path) -> None:
    indexer.index([manuals])
    embedded: list[int] = []
    original = indexer._embedder.embed
    indexer._embedder.embed = lambda texts, **more: embedded.append(len(texts)) or original(texts, **more)
    try:
        assert counts(indexer.index([manuals])) == (3, 0, 0, 3, 0)
        assert embedded == []
        (manuals / "press.txt").write_text("Alarm E09 is about the coolant.")
        (manuals / "new.txt").write_text("A belt squeaks.")
        (manuals / "lamp.txt").unlink()
        assert counts(indexer.index([manuals])) == (3, 1, 1, 1, 1)
        assert embedded == [2]
    finally:
        del indexer._embedder.embed
    assert sources(indexer, "E07") == []
    assert sources(indexer, "coolant") == ["manuals/press.txt"]
    assert sources(indexer, "spindle") == []
    assert indexer.store.count() == 3


def test_a_file_that_shrank_leaves_nothing_behind(indexer: Indexer, manuals: Path) -> None:
    (manuals / "rows.jsonl").write_text("".join(json.dumps({"text": f"row {'x' * n}"}) + "\n" for n in range(40)))
    indexer.index([manuals])
    assert sources(indexer, "x" * 39) == ["manuals/rows.jsonl"]
    (manuals / "rows.jsonl").write_text(json.dumps({"text": "row"}) + "\n")
    indexer.index([manuals])
    assert sources(indexer, "x" * 39) == []
    assert indexer.store.count() == 4


def test_unreadable_files_are_reported_and_cost_no_other(indexer: Indexer, manuals: Path) -> None:
    (manuals / "broken.pdf").write_bytes(b"%PDF-1.7\nbroken")
    (manuals / "empty.txt").write_bytes(b"")
    report = indexer.index([manuals])
    assert sorted(name for name, _ in report.unreadable) == ["manuals/broken.pdf", "manuals/empty.txt"]
    assert indexer.store.count() == 3
    again = indexer.index([manuals])
    assert (again.num_unchanged, sorted(again.unreadable)) == (5, sorted(report.unreadable))
    (manuals / "empty.txt").write_text("No longer empty.")
    assert [name for name, _ in indexer.index([manuals]).unreadable] == ["manuals/broken.pdf"]


def test_when_most_files_are_gone_nothing_is_removed_without_a_word(indexer: Indexer, tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number}.txt").write_text(f"text {number}")
    indexer.index([folder])
    for file in folder.iterdir():
        file.unlink()
    report = indexer.index([folder])
    assert (report.num_missing, report.num_removed, indexer.store.count()) == (12, 0, 12)
    report = indexer.index([folder], prune=True)
    assert (report.num_missing, report.num_removed, indexer.store.count()) == (0, 12, 0)


def test_other_folders_stay(indexer: Indexer, manuals: Path, tmp_path: Path) -> None:
    other = tmp_path / "manuals2"
    other.mkdir()
    (other / "a.txt").write_text("Conveyor belt.")
    indexer.index([manuals])
    indexer.index([other])
    assert indexer.store.count() == 4
    assert sources(indexer, "E07") == ["manuals/press.txt"]


def test_another_folder_of_the_same_name_is_refused(indexer: Indexer, manuals: Path, tmp_path: Path) -> None:
    indexer.index([manuals])
    other = tmp_path / "elsewhere" / "manuals"
    other.mkdir(parents=True)
    (other / "a.txt").write_text("Conveyor belt.")
    with pytest.raises(RetrievalError, match="say --as manuals; if it is another folder"):
        indexer.index([other])
    assert counts(indexer.index([other], name="others"))[1] == 1
    assert sources(indexer, "conveyor") == ["others/a.txt"]
    assert sources(indexer, "E07") == ["manuals/press.txt"]
    moved = manuals.rename(tmp_path / "moved")
    assert counts(indexer.index([moved], name="manuals")) == (3, 0, 0, 3, 0)


def test_a_content_from_a_browser(indexer: Indexer) -> None:
    report = indexer.add_bytes(b"Grease the chain.", "chain.txt")
    assert (report.num_chunks, report.unreadable) == (1, [])
    indexer.add_bytes(b"Oil the chain.", "chain.txt")
    assert indexer.store.count() == 1
    assert indexer.add_bytes(b"\x00\x01", "junk.pdf").unreadable[0][0] == "junk.pdf"


def test_a_chunk_without_a_vector_is_noted_and_tried_again(
    indexer: Indexer, manuals: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = indexer._embedder.embed

    def fail_on_lamps(texts: list[str]) -> object:
        answer = original(texts)
        answer.errors.update({index: "no number" for index, text in enumerate(texts) if "lamp" in text})
        return answer

    monkeypatch.setattr(indexer._embedder, "embed", fail_on_lamps)
    report = indexer.index([manuals])
    assert report.notes == ["manuals/lamp.txt: not indexed, no number"]
    assert indexer.store.count() == 2
    monkeypatch.undo()
    assert counts(indexer.index([manuals])) == (3, 0, 1, 2, 0)
    assert indexer.store.count() == 3


def test_progress_ends_with_all_files(indexer: Indexer, manuals: Path) -> None:
    seen: list[tuple[int, int]] = []
    indexer.index([manuals], on_file=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (3, 3)
    assert seen == sorted(seen)


def test_an_index_keeps_how_it_was_made(db: str, manuals: Path, embedder: Embedder) -> None:
    with Indexer.open(db, embedder, chunk_tokens=64, overlap=8, paths=[manuals]) as indexer:
        indexer.index([manuals])
    with Indexer.open(db, embedder) as again:
        info = again.store.info
        assert (info.chunk_tokens, info.overlap, info.analyzer["language"]) == (64, 8, "en")
        assert info.roots == {"manuals": str(manuals)}
    for changed in ({"chunk_tokens": 128}, {"overlap": 9}, {"language": "de"}):
        with pytest.raises(RetrievalError, match="leave it out, or make a new index"):
            Indexer.open(db, embedder, **changed)


def test_another_embedding_model_is_refused_by_name(db: str, embedder: Embedder) -> None:
    Indexer.open(db, embedder, language="en").close()
    store = MilvusStore.open(db)
    store.info.embedding_model, store.info.embedding_fingerprint = "someone/else", "feed"
    store.save_info()
    store.close()
    with pytest.raises(RetrievalError, match=r"made with the embedding model someone/else .* not with all-MiniLM"):
        Indexer.open(db, embedder)
    store = MilvusStore.open(db)
    store.info.dimensions = 1024
    with pytest.raises(RetrievalError, match="vectors of 1024 dimensions by someone/else; all-MiniLM-L6-v2 gives 384"):
        Searcher(store, embedder)
    store.close()


def test_what_is_not_there_makes_no_index_unusable(db: str, embedder: Embedder, tmp_path: Path) -> None:
    with Indexer.open(db, embedder, language="en") as indexer:
        with pytest.raises(InputError, match="no file or folder"):
            indexer.index([tmp_path / "none"])
        (tmp_path / "a").mkdir()
        assert counts(indexer.index([tmp_path / "a"])) == (0, 0, 0, 0, 0)


KILLED = """
import sys
from finerank.embedder import Embedder
from finerank.retrieval import indexer as module
from finerank.retrieval.indexer import Indexer
module._EMBEDDED_TOGETHER = 32
with Indexer.open(sys.argv[2], Embedder(), language="en") as indexer:
    indexer.index([sys.argv[1]], on_file=lambda done, total: print(done, flush=True))
"""


def test_a_kill_loses_nothing_and_the_next_run_finishes(db: str, embedder: Embedder, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(40):
        rows = "".join(json.dumps({"text": f"document{number} row{row} of the press"}) + "\n" for row in range(10))
        (folder / f"{number:02}.jsonl").write_text(rows)
    command = [sys.executable, "-c", KILLED, str(folder), db]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= 15:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    time.sleep(0.1)
    with Indexer.open(db, embedder) as indexer:
        states = {record.source: record.state for record in indexer.store.all_files()}
        done = sum(state == "done" for state in states.values())
        assert 0 < done < 40
        report = indexer.index([folder])
        assert (report.num_unchanged, report.num_new) == (done, 40 - done)
        assert indexer.store.count() == 40 * 10
        assert {record.state for record in indexer.store.all_files()} == {"done"}
        for number in (0, 17, 39):
            assert sources(indexer, f"document{number}") == [f"many/{number:02}.jsonl"] * 10
