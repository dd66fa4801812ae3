"""Files into a real Milvus Lite index with the real embedded model."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from finerank.embedder import Embedder
from finerank.errors import InputError, RetrievalError
from finerank.retrieval import indexer as module
from finerank.retrieval.chunking import Chunker
from finerank.retrieval.indexer import Indexer, language_of, new_info
from finerank.retrieval.milvus_store import MilvusStore
from finerank.retrieval.reading_process import ReadingAccidentError
from finerank.retrieval.searcher import Searcher
from finerank.retrieval.terms import TermAnalyzer
from finerank.retrieval.types import SourceDocument

from .making_files import pdf_of_lines


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


def test_a_file_whose_parser_had_an_accident_is_tried_again(
    indexer: Indexer, manuals: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = indexer._reading.documents

    def fail_on_lamps(file: Path, name: str, notes: list[str]) -> Iterator[SourceDocument]:
        if "lamp" in name:
            raise ReadingAccidentError(f"{name} was not read within 120 s")
        return original(file, name, notes)

    monkeypatch.setattr(indexer._reading, "documents", fail_on_lamps)
    assert indexer.index([manuals]).unreadable == [("manuals/lamp.txt", "manuals/lamp.txt was not read within 120 s")]
    monkeypatch.undo()
    report = indexer.index([manuals])
    assert (report.unreadable, counts(report)) == ([], (3, 0, 1, 2, 0))
    assert sources(indexer, "spindle") == ["manuals/lamp.txt"]


def test_many_files_without_a_chunk_are_recorded_as_they_come(indexer: Indexer, tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    for number in range(600):
        (folder / f"{number:03}.txt").touch()
    seen: list[int] = []

    def on_file(done: int, total: int) -> None:
        recorded = sum(record.state == "unreadable" for record in indexer.store.all_files())
        assert recorded == done
        seen.append(done)

    assert len(indexer.index([folder], on_file=on_file).unreadable) == 600
    assert seen == [256, 512, 600]


def test_a_name_that_is_no_utf8_is_one_in_records_chunks_and_the_report(indexer: Indexer, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"men\xfc")
    folder.mkdir()
    (folder / os.fsdecode(b"caf\xe9.txt")).write_text("Coffee is ready.")
    (folder / os.fsdecode(b"tea\xe9.pdf")).write_bytes(pdf_of_lines([["Tea takes longer."]]))
    (folder / "caf\\udce9.txt").write_text("A name that looks like the other one.")
    (folder / os.fsdecode(b"bad\xe9.pdf")).write_bytes(b"%PDF-1.7\nbroken")
    report = indexer.index([folder])
    assert [name for name, _ in report.unreadable] == [r"men\udcfc/bad\udce9.pdf"]
    assert sources(indexer, "coffee") == [r"men\udcfc/caf\udce9.txt"]
    assert sources(indexer, "tea") == [r"men\udcfc/tea\udce9.pdf"]
    assert sources(indexer, "looks") == [r"men\udcfc/caf\u005cudce9.txt"]
    (folder / os.fsdecode(b"caf\xe9.txt")).unlink()
    assert counts(indexer.index([folder])) == (3, 0, 0, 3, 1)
    assert sources(indexer, "coffee") == []


def test_numbers_that_no_store_takes_do_not_end_the_run(indexer: Indexer, tmp_path: Path) -> None:
    nested = "[" * 700 + "]" * 700
    row = f'{{"text": "Oil filter", "huge": {2**64}, "low": {-(2**63)}, "infinite": 1e999, "nested": {nested}}}'
    (tmp_path / "rows.jsonl").write_text(row)
    assert indexer.index([tmp_path / "rows.jsonl"]).unreadable == []
    (hit,) = Searcher(indexer.store, indexer._embedder).search("oil", mode="bm25").hits
    assert (hit.chunk.metadata["huge"], hit.chunk.metadata["low"]) == (str(2**64), -(2**63))
    assert hit.chunk.metadata["infinite"] == "inf"


def test_what_is_left_out_is_in_the_report(indexer: Indexer, manuals: Path) -> None:
    (manuals / "old.doc").write_text("x")
    os.mkfifo(manuals / "pipe.txt")
    report = indexer.index([manuals])
    assert (report.num_files, report.skipped) == (3, {".doc": 1, "pipe or device": 1})


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


class TestLanguage:
    """Of an index for which nobody named one."""

    @pytest.fixture
    def german(self, tmp_path: Path) -> Path:
        folder = tmp_path / "handbuch"
        folder.mkdir()
        (folder / "presse.txt").write_text("Der Druck der Presse wird jeden Tag von einem Techniker geprüft. " * 5)
        return folder

    def language(self, db: str, embedder: Embedder, path: Path, language: str | None = None) -> str:
        with Indexer.open(db, embedder, paths=[path], language=language) as indexer:
            indexer.index([path])
            return str(indexer.store.info.analyzer["language"])

    def test_is_guessed_from_the_first_files_and_stays(
        self, db: str, embedder: Embedder, german: Path, manuals: Path
    ) -> None:
        assert self.language(db, embedder, german) == "de"
        assert self.language(db, embedder, manuals) == "de"
        with Indexer.open(db, embedder) as indexer:
            assert sources(indexer, "Drucks") == ["handbuch/presse.txt"], "stemmed as German"

    def test_is_not_decided_by_an_empty_folder(self, db: str, embedder: Embedder, german: Path, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        self.language(db, embedder, tmp_path / "empty")
        assert self.language(db, embedder, german) == "de"

    def test_may_be_named_as_long_as_the_index_is_empty(
        self, db: str, embedder: Embedder, german: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "empty").mkdir()
        self.language(db, embedder, tmp_path / "empty")
        assert self.language(db, embedder, german, "fr") == "fr"
        assert self.language(db, embedder, german) == "fr"

    def test_a_path_that_is_not_there_makes_no_index(self, db: str, embedder: Embedder, german: Path) -> None:
        with pytest.raises(InputError, match="there is no file or folder"):
            self.language(db, embedder, german / "typo")
        assert not Path(db).exists()

    def test_a_guess_that_was_cut_short_is_made_again(
        self, db: str, embedder: Embedder, german: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "samples_of", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            self.language(db, embedder, german)
        monkeypatch.undo()
        assert self.language(db, embedder, german) == "de"


def test_the_language_of_contents_is_guessed() -> None:
    german = "Der Druck der Presse wird jeden Tag von einem Techniker geprüft."
    contents = [(b"%PDF-1.7\nbroken", "a.pdf"), *((german.encode(), f"{number}.txt") for number in range(30))]
    assert language_of(contents) == "de"
    assert language_of(contents[:1]) == language_of([]) == "en"


def test_an_index_knows_where_its_embedding_model_is(db: str, embedder: Embedder) -> None:
    info = replace(embedder.info, name="openai:bge-m3", base_url="http://127.0.0.1:9/v1", is_default=False)
    made = new_info(SimpleNamespace(info=info), Chunker(embedder), TermAnalyzer("en"))
    MilvusStore.create(db, "finerank", made).close()
    store = MilvusStore.open(db)
    assert (store.info.embedding_model, store.info.embedding_base_url) == ("openai:bge-m3", "http://127.0.0.1:9/v1")
    store.close()


def test_the_remedy_for_vectors_of_another_length_is_theirs(embedder: Embedder) -> None:
    cut = replace(embedder.info, name="Qwen/Qwen3-Embedding-0.6B", dimensions=256, is_default=False)
    made = new_info(SimpleNamespace(info=cut), Chunker(embedder), TermAnalyzer("en"))
    with pytest.raises(RetrievalError, match=r"gives 1024; say --dimensions 256, or make a new index"):
        made.check_embedding(replace(cut, dimensions=1024), "here")
    with pytest.raises(RetrievalError, match=r"gives 384; use --embedding-model Qwen/Qwen3-Embedding-0\.6B, or"):
        made.check_embedding(embedder.info, "here")
    default = new_info(embedder, Chunker(embedder), TermAnalyzer("en"))
    with pytest.raises(RetrievalError, match=r"gives 256; leave --embedding-model out, or"):
        default.check_embedding(cut, "here")


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
