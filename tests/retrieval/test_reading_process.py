import os
import signal
import threading
import time
from pathlib import Path

import pytest

from finerank.errors import UnreadableError
from finerank.retrieval.reading_process import ReadingProcess


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
        threading.Timer(0.3, lambda: os.kill(worker.pid, signal.SIGSEGV)).start()
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


def test_the_rest_of_a_file_may_be_left(tmp_path: Path) -> None:
    rows = "\n".join(f'{{"text": "row {number}"}}' for number in range(10_000))
    with ReadingProcess() as reading:
        documents = reading.documents(rows.encode(), "rows.jsonl", [])
        assert next(documents).sections[0].text == "row 0"
        documents.close()
        assert texts(reading, b"next") == "next"
