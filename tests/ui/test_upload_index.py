"""Files that are indexed in memory: once, bounded, and for whoever has their token."""

import asyncio

import pytest

from finerank.errors import InputError
from finerank.server.model_pool import ModelPool
from finerank.server.search_service import SearchService
from finerank.server.service import RerankService
from finerank.settings import Settings
from finerank.ui import upload_index
from finerank.ui.upload import RawFile
from finerank.ui.upload_index import MOST_SETS, UploadIndexes

NOTE = RawFile("note.txt", b"Alarm E07 means that the pressure sensor is missing.")


@pytest.fixture(scope="module")
def search() -> SearchService:
    settings = Settings()
    return SearchService(RerankService(ModelPool(settings), settings))


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


async def test_the_longest_unused_makes_room(indexes: UploadIndexes, monkeypatch: pytest.MonkeyPatch) -> None:
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
