"""Where records go, what a request's line says, and that no text of a user is in it unless asked for."""

import json
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from finerank.errors import SettingsError
from finerank.reranker import Reranker
from finerank.server import logs
from finerank.server.logs import logging_to
from finerank.server.service import Origin, RerankCall
from finerank.settings import Settings
from tests.server.calling import BODY, app_of, calling


@contextmanager
def logged(file: Path, **settings: Any) -> Iterator[list[dict[str, Any]]]:
    """Lines of the log file, once the block has ended."""
    lines: list[dict[str, Any]] = []
    with logging_to(Settings(log_file=file, **settings)):
        yield lines
    lines += [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "finerank.log"


async def test_a_request_is_one_line(reranker: Reranker, file: Path) -> None:
    with logged(file) as lines:
        async with calling(reranker, api_keys=("alice=secret-a",)) as client:
            body = {"query": "mars", "documents": ["mars is red", "nan", "word " * 1001]}
            headers = {"X-API-Key": "secret-a", "X-Request-Id": "mine-1"}
            await client.post("/v1/rerank", json=body, headers=headers)
            await client.get("/health")
            await client.get("/", headers=headers)
    (line,) = lines
    assert line["time"].endswith("+00:00")
    assert 0 < line.pop("seconds") < 5
    assert line.pop("queue_seconds") >= 0
    assert line["message"].startswith("POST /v1/rerank 200, 3 documents, 1004 tokens, 0.")
    del line["time"], line["message"]
    assert line == {
        "level": "INFO",
        "logger": "finerank.requests",
        "request_id": "mine-1",
        "method": "POST",
        "path": "/v1/rerank",
        "dialect": "finerank",
        "status": 200,
        "caller": "alice",
        "model": "fake/overlap",
        "documents": 3,
        "tokens": 1004,
        "cached_tokens": 0,
        "truncated": 1,
        "errors": 1,
    }


async def test_no_text_of_a_user_is_in_the_log(reranker: Reranker, file: Path) -> None:
    with logged(file, log_level="debug"):
        async with calling(reranker) as client:
            for body in (
                {"query": "s3cr3t", "documents": ["s3cr3t explode", "nan s3cr3t"]},
                {"query": "s3cr3t", "documents": "s3cr3t"},
                {"query": "s3cr3t", "documents": ["a"], "min_score": "s3cr3t", "s3cr3t": 1},
                {"query": "s3cr3t", "documents": ["a"], "instruction": "too long"},
            ):
                await client.post("/v1/rerank?s3cr3t=s3cr3t", json=body)
            await client.post("/v1/rerank", content=b'{"query": "s3cr3t')
    assert "/v1/rerank" in file.read_text()
    assert "s3cr3t" not in file.read_text()


async def test_texts_are_written_where_they_are_asked_for(reranker: Reranker, file: Path) -> None:
    with logged(file) as lines:
        async with calling(reranker, log_texts=True) as client:
            body = {"query": "Mars 漢字", "documents": ["one", {"text": "two", "id": 5}], "instruction": "find"}
            await client.post("/v1/rerank", json=body)
            lone = json.dumps({"query": "q", "documents": ["\ud800"]}).encode()
            await client.post("/v1/rerank", content=lone)
            await client.post("/v1/score", json={"text_1": ["a", "b"], "text_2": ["c", "d"]})
    assert lines[0]["texts"] == {"query": "Mars 漢字", "instruction": "find", "documents": ["one", "two"]}
    assert "漢字" in file.read_text(encoding="utf-8")
    assert lines[1]["texts"]["documents"] == ["\ud800"]
    assert lines[2]["texts"]["queries"] == ["a", "b"]


async def test_refusals_say_what_was_wrong_by_kind(reranker: Reranker, file: Path) -> None:
    with logged(file) as lines:
        async with calling(reranker, api_keys=("k",), max_documents=2) as client:
            await client.post("/v1/rerank", json=BODY)
            await client.post("/v1/rerank", json=BODY, headers={"X-API-Key": "k"})
            await client.get("/v1/two%0Alines", headers={"X-API-Key": "k"})
    assert [line["problem"] for line in lines] == ["unauthorized", "invalid_request_error", "not_found"]
    assert [line["status"] for line in lines] == [401, 400, 404]
    assert lines[1]["documents"] == 3
    assert lines[2]["message"].startswith("GET '/v1/two\\nlines' 404 not_found")


async def test_calls_of_the_page_are_lines_too(reranker: Reranker, file: Path) -> None:
    with logged(file) as lines:
        async with calling(reranker) as client:
            service = app_of(client).state.service
            await service.rank(RerankCall(**BODY), Origin(dialect="page"))
            with pytest.raises(ValueError, match="empty"):
                await service.rank(RerankCall(query=" ", documents=["a"]), Origin(dialect="page"))
    assert [(line["dialect"], line["documents"]) for line in lines] == [("page", 3), ("page", 1)]
    assert lines[1]["problem"] == "InputError"


async def test_warnings_of_the_package_carry_the_id_of_their_request(reranker: Reranker, file: Path) -> None:
    class Loud:
        def answered(self, *_: object) -> None:
            logging.getLogger("finerank.server.loud").warning("something is odd")

        def failed(self, *_: object) -> None:
            pass

    with logged(file) as lines:
        async with calling(reranker) as client:
            app_of(client).state.service.observers.append(Loud())
            await client.post("/v1/rerank", json=BODY, headers={"X-Request-Id": "mine-2"})
    assert [(line["level"], line["request_id"]) for line in lines] == [("WARNING", "mine-2"), ("INFO", "mine-2")]


def test_other_libraries_and_python_warn_in_the_same_form(file: Path) -> None:
    with logged(file) as lines:
        logging.getLogger("other.library").info("chatter")
        logging.getLogger("other.library").warning("trouble")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("Python's own", stacklevel=1)
    assert [line["logger"] for line in lines] == ["other.library", "py.warnings"]


def test_logging_is_left_as_it_was_found(file: Path) -> None:
    root = logging.getLogger()
    before = list(root.handlers), root.level, logging.getLogger("finerank").level
    with logged(file, log_level="debug"):
        assert logging.getLogger("finerank").level == logging.DEBUG
    assert (list(root.handlers), root.level, logging.getLogger("finerank").level) == before


@pytest.mark.parametrize(("level", "count"), [("debug", 1), ("info", 1), ("warning", 0), ("error", 0)])
async def test_the_level_decides_whether_requests_are_lines(
    reranker: Reranker, file: Path, level: str, count: int
) -> None:
    with logged(file, log_level=level) as lines:
        async with calling(reranker) as client:
            await client.post("/v1/rerank", json=BODY)
    assert len(lines) == count


@pytest.mark.parametrize("form", ["text", "json"])
async def test_standard_error_has_either_form(
    reranker: Reranker, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    with logging_to(Settings(log_format=form)):
        async with calling(reranker) as client:
            await client.post("/v1/rerank", json=BODY, headers={"X-Request-Id": "mine-3"})
    (line,) = capsys.readouterr().err.splitlines()
    if form == "json":
        assert json.loads(line)["request_id"] == "mine-3"
    else:
        assert " INFO [mine-3] POST /v1/rerank 200, 3 documents, 5 tokens, 0." in line


def test_a_file_that_cannot_be_opened_is_named_at_the_start(tmp_path: Path) -> None:
    absent = logging_to(Settings(log_file=tmp_path / "no" / "such"))
    with pytest.raises(SettingsError, match=r"--log-file: .*/no/such cannot be written: No such file or dir"), absent:
        pass
    with pytest.raises(SettingsError, match="Is a directory"), logging_to(Settings(log_file=tmp_path)):
        pass


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
async def test_a_full_disk_costs_lines_and_not_answers(reranker: Reranker, capsys: pytest.CaptureFixture[str]) -> None:
    with logging_to(Settings(log_file=Path("/dev/full"), log_level="info")):
        async with calling(reranker) as client:
            for _ in range(3):
                assert (await client.post("/v1/rerank", json=BODY)).status_code == 200
    complaints = [line for line in capsys.readouterr().err.splitlines() if "cannot be written" in line]
    assert len(complaints) == 1
    assert "No space left on device" in complaints[0]


def test_files_are_rotated_by_size(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_FILE_BYTES", 2000)
    with logging_to(Settings(log_file=file)):
        for number in range(200):
            logging.getLogger("finerank.test").info("line %d", number)
    files = sorted(each.name for each in file.parent.iterdir())
    assert files == ["finerank.log", *(f"finerank.log.{number}" for number in range(1, 6))]
    assert all(each.stat().st_size < 2200 for each in file.parent.iterdir())
    assert '"line 199"' in file.read_text()


def test_a_file_that_cannot_be_rotated_grows_on(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(logs, "_FILE_BYTES", 500)
    monkeypatch.setattr("os.rename", refuse)
    with logging_to(Settings(log_file=file)):
        for number in range(20):
            logging.getLogger("finerank.test").info("line %d", number)
    assert len(file.read_text().splitlines()) == 20
    assert capsys.readouterr().err.count("cannot be written") == 1


def test_a_reader_of_standard_error_who_has_gone_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        def write(self, _: str) -> None:
            raise BrokenPipeError

        def flush(self) -> None:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Gone())
    with logging_to(Settings()):
        logging.getLogger("finerank.test").warning("nobody hears this")
