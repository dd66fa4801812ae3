import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from finerank.errors import UnreadableError
from finerank.retrieval.index_info import FileRecord
from finerank.retrieval.preparation import Preparation
from finerank.retrieval.reading_process import ReadingAccidentError, ReadingProcess


def texts(reading: ReadingProcess, file: Path | bytes, name: str = "a.txt") -> str:
    return " ".join(section.text for document in reading.documents(file, name, []) for section in document.sections)


def test_files_and_bytes_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("from the disk")
    with ReadingProcess() as reading:
        assert texts(reading, tmp_path / "a.txt") == "from the disk"
        assert texts(reading, b"from a browser") == "from a browser"


def test_an_unreadable_file_costs_no_other(tmp_path: Path) -> None:
    with ReadingProcess() as reading:
        with pytest.raises(UnreadableError, match=r"bad\.pdf"):
            texts(reading, b"%PDF-1.4 nothing", "bad.pdf")
        assert texts(reading, b"good") == "good"


def test_a_parser_that_dies_costs_its_file_only(tmp_path: Path) -> None:
    fifo = tmp_path / "a.txt"
    os.mkfifo(fifo)  # opening it waits for ever
    with ReadingProcess() as reading:
        assert texts(reading, b"first") == "first"
        worker = reading._worker
        assert worker is not None
        threading.Timer(0.3, lambda: os.kill(worker.process.pid, signal.SIGSEGV)).start()
        with pytest.raises(UnreadableError, match="crashed its parser"):
            texts(reading, fifo)
        assert texts(reading, b"second") == "second"


def test_a_parser_that_hangs_is_ended(tmp_path: Path) -> None:
    fifo = tmp_path / "a.txt"
    os.mkfifo(fifo)
    with ReadingProcess() as reading:
        texts(reading, b"first")  # starting takes a while
        reading._patience_s = 0.3
        started = time.monotonic()
        with pytest.raises(UnreadableError, match="was not read within"):
            texts(reading, fifo)
        assert time.monotonic() - started < 5.0
        reading._patience_s = 60.0
        assert texts(reading, b"second") == "second"


# In one of six whole runs, after the tests of the page, Thread.start() never came back here; see dev/LOG.md.
@pytest.mark.slow
def test_closing_while_another_thread_waits_for_a_file_ends_both(tmp_path: Path) -> None:
    fifo = tmp_path / "a.txt"
    os.mkfifo(fifo)
    for _ in range(3):
        reading, raised = ReadingProcess(), []
        texts(reading, b"first")

        def wait(reading: ReadingProcess = reading, raised: list[Exception] = raised) -> None:
            try:
                texts(reading, fifo)
            except UnreadableError as error:
                raised.append(error)

        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(0.1)
        closing = threading.Thread(target=reading.close, daemon=True)
        closing.start()
        for thread in (closing, waiting):
            thread.join(5.0)
            assert not thread.is_alive()
        assert isinstance(raised[0], ReadingAccidentError)
        with pytest.raises(ReadingAccidentError, match="was not read, for the reading was ended"):
            texts(reading, b"after the end")


def test_portions_that_nobody_wants_end_at_once(tmp_path: Path) -> None:
    fifo = tmp_path / "a.txt"
    os.mkfifo(fifo)
    chunker = SimpleNamespace(chunks=lambda document: [document])
    with ReadingProcess() as reading:
        files = [(b"first", FileRecord("first.txt", "1", "writing")), (fifo, FileRecord("a.txt", "2", "writing"))]
        portions = Preparation(reading, chunker).portions(files)
        assert next(portions).record.state == "done"
        time.sleep(0.2)  # now it waits for the pipe
        started = time.monotonic()
        portions.close()
        assert time.monotonic() - started < 3.0


PARENT = """
import sys
from pathlib import Path
from finerank.retrieval.reading_process import ReadingProcess
reading = ReadingProcess()
list(reading.documents(b"first", "a.txt", []))
print(reading._worker.process.pid, flush=True)
list(reading.documents(Path(sys.argv[1]), "a.txt", []))
"""


def test_a_worker_hears_no_ctrl_c_and_ends_with_its_parent(tmp_path: Path) -> None:
    fifo = tmp_path / "a.txt"
    os.mkfifo(fifo)
    command = [sys.executable, "-c", PARENT, str(fifo)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert os.getpgid(worker) != os.getpgid(parent.pid), "a terminal sends SIGINT to a group"
        time.sleep(0.2)
        parent.kill()
    deadline = time.monotonic() + 10.0
    while _is_there(worker) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _is_there(worker)


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")


def test_the_rest_of_a_file_may_be_left(tmp_path: Path) -> None:
    rows = "\n".join(f'{{"text": "row {number}"}}' for number in range(10_000))
    with ReadingProcess() as reading:
        documents = reading.documents(rows.encode(), "rows.jsonl", [])
        assert next(documents).sections[0].text == "row 0"
        documents.close()
        assert texts(reading, b"next") == "next"
