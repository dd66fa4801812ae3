"""Files that are indexed in memory: once, bounded, and for whoever has their token."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from finerank.errors import InputError
from finerank.server.model_pool import ModelPool
from finerank.server.search_service import SearchService
from finerank.server.service import RerankService
from finerank.settings import Settings
from finerank.ui import upload_index
from finerank.ui.texts import PageError
from finerank.ui.upload import RawFile, read_files, send_files
from finerank.ui.upload_index import MOST_SETS, UploadIndex, UploadIndexes

Patch = pytest.MonkeyPatch

NOTE = RawFile("note.txt", b"Alarm E07 means that the pressure sensor is missing.")
_KEPT_BYTES = 100


@pytest.fixture(scope="module")
def search() -> SearchService:
    settings = Settings()
    return SearchService(RerankService(ModelPool(settings), settings))


@pytest.fixture
def quick(monkeypatch: Patch) -> None:
    """Files are not really indexed."""

    def build(self: UploadIndex, embedder: object) -> tuple[Any, int]:
        if any(file.content.startswith(b"%PDF") for file in self._files):
            raise InputError("it cannot be read")
        return object(), _KEPT_BYTES

    monkeypatch.setattr(UploadIndex, "build", build)


@pytest.fixture
def gate(quick: None, monkeypatch: Patch) -> Iterator[threading.Event]:
    """Nothing is indexed before it is opened."""
    opened, build = threading.Event(), UploadIndex.build

    def wait(self: UploadIndex, embedder: Any) -> Any:
        assert opened.wait(10)
        return build(self, embedder)

    monkeypatch.setattr(UploadIndex, "build", wait)
    yield opened
    opened.set()


@pytest.fixture
async def indexes(search: SearchService) -> UploadIndexes:
    return UploadIndexes(search)


async def test_files_can_be_searched(indexes: UploadIndexes) -> None:
    opened = indexes.open([NOTE, RawFile("other.md", "# 手册\n\n报警E05表示油温过高。".encode())])
    searcher = await opened.searcher()
    assert opened.is_done
    assert (opened.num_done, opened.num_chunks) == (2, 2)
    assert opened.num_bytes > 2 * 384 * 4
    best = searcher.search("What does alarm E07 mean?").hits[0]
    assert best.chunk.source == "note.txt"


async def test_the_same_files_are_indexed_once_and_a_token_is_needed(indexes: UploadIndexes) -> None:
    first = indexes.open([NOTE, RawFile("b.txt", b"b")])
    assert indexes.open([RawFile("b.txt", b"b"), NOTE]) is first
    assert indexes.open([RawFile("b.txt", b"c"), NOTE]) is not first
    assert indexes.get(first.token) is first
    assert indexes.get("f" * 64) is None
    assert UploadIndexes(indexes._search).token_of([NOTE]) != indexes.token_of([NOTE])
    await first.searcher()


async def test_the_longest_unused_makes_room(indexes: UploadIndexes, quick: None, monkeypatch: Patch) -> None:
    opened = [indexes.open([RawFile(f"{number}.txt", b"text")]) for number in range(MOST_SETS)]
    await asyncio.gather(*(each.searcher() for each in opened))
    assert indexes.get(opened[0].token)
    newest = indexes.open([NOTE])
    assert indexes.get(opened[1].token) is None
    assert indexes.get(opened[0].token)
    await newest.searcher()
    monkeypatch.setattr(upload_index, "MOST_BYTES", 1)
    await indexes.open([RawFile("last.txt", b"last")]).searcher()
    assert indexes.get(newest.token) is None


async def test_what_is_not_yet_indexed_makes_no_room(indexes: UploadIndexes, gate: threading.Event) -> None:
    opened = [indexes.open([RawFile(f"{number}.txt", b"text")]) for number in range(MOST_SETS)]
    assert indexes.open([RawFile("0.txt", b"text")]) is opened[0]
    with pytest.raises(PageError, match="the server is still indexing 8 other sets of files; open yours again"):
        indexes.open([NOTE])
    assert [indexes.get(each.token) for each in opened] == opened
    gate.set()
    await asyncio.gather(*(each.searcher() for each in opened))
    await indexes.open([NOTE]).searcher()


async def test_files_that_wait_count_with_their_bytes(
    indexes: UploadIndexes, gate: threading.Event, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(upload_index, "MOST_BYTES", 1000)
    first = indexes.open([RawFile("a.txt", b"a" * 2000)])  # alone it may be larger
    assert first.num_bytes == 2000
    with pytest.raises(PageError, match="still indexing 1 other"):
        indexes.open([NOTE])
    gate.set()
    await first.searcher()
    assert first.num_bytes == _KEPT_BYTES
    await indexes.open([NOTE]).searcher()


async def test_a_set_lets_go_of_its_files(indexes: UploadIndexes, quick: None, monkeypatch: Patch) -> None:
    content = b"%PDF-1.7 " + b"x" * 1000
    broken, good = indexes.open([RawFile("broken.pdf", content)]), indexes.open([NOTE])
    with pytest.raises(InputError):
        await broken.searcher()
    await good.searcher()
    assert broken._files == good._files == ()
    assert (broken.num_bytes, good.num_bytes) == (0, _KEPT_BYTES)


async def test_two_files_of_one_name(indexes: UploadIndexes) -> None:
    sent = send_files([RawFile("report.txt", b"The pump leaks."), RawFile("report.txt", b"The door is open.")])
    searcher = await indexes.open(read_files(sent, 1000)).searcher()
    hits = searcher.search("Is the door open?").hits
    assert [hit.chunk.source for hit in hits] == ["report (2).txt", "report.txt"]


async def test_what_cannot_be_read_is_said_and_tried_again(indexes: UploadIndexes) -> None:
    broken = RawFile("broken.pdf", b"%PDF-1.7 nothing")
    part = indexes.open([broken, NOTE])
    await part.searcher()
    assert [name for name, _ in part.unreadable] == ["broken.pdf"]
    first = indexes.open([broken])
    with pytest.raises(InputError, match=r"broken\.pdf"):
        await first.searcher()
    assert indexes.open([broken]) is not first


async def test_whoever_stops_waiting_stops_nothing(indexes: UploadIndexes) -> None:
    opened = indexes.open([RawFile("long.txt", b"word " * 2000)])
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(opened.searcher(), 0.001)
    assert (await opened.searcher()).store.count() == opened.num_chunks
