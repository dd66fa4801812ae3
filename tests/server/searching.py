"""An index to search over HTTP, and clients of applications that search it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from finerank.embedder import Embedder
from finerank.reranker import Reranker
from finerank.retrieval.indexer import Indexer

from .calling import app_of, calling

PAGES = {
    "pump.md": "# Pump P3\n\n## Alarms\n\nAlarm E07 means that the signal of the hydraulic pressure sensor is missing."
    "\n\n## Oil\n\nFill the pump with oil before the first start.",
    "press.md": "# Press\n\nThe press forms sheets of metal. Alarm E12 means that the door is open.",
    "jobs.md": "# Careers\n\nWe are hiring technicians who know what an alarm means.",
}
QUERY = "What does alarm E07 mean?"


def make_index(folder: Path, embedder: Embedder) -> Path:
    """Two collections: `finerank` with PAGES, `spare` with one of them."""
    for name, text in PAGES.items():
        (folder / name).write_text(text, encoding="utf-8")
    path = folder.parent / "manuals.db"
    for collection, source in (("finerank", folder), ("spare", folder / "press.md")):
        with Indexer.open(str(path), embedder, collection=collection, language="en") as indexer:
            indexer.index([source])
    return path


@asynccontextmanager
async def searching(
    reranker: Reranker, embedder: Embedder | None = None, **settings: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """As `calling`; the index is given back at the end."""
    async with calling(reranker, embedder, **settings) as client:
        try:
            yield client
        finally:
            await app_of(client).state.search.close()


async def search(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    response = await client.post("/v1/search", json={"query": QUERY, **body})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def failure(client: httpx.AsyncClient, status: int, **body: Any) -> dict[str, Any]:
    response = await client.post("/v1/search", json={"query": QUERY, **body})
    assert response.status_code == status, response.text
    error: dict[str, Any] = response.json()["error"]
    return error


def figure(text: str, series: str) -> float:
    """Of `name` or `name{label="value"}`; 0 of one that is not there."""
    lines = (line.rsplit(" ", 1) for line in text.splitlines())
    return next((float(line[1]) for line in lines if line[0] == series), 0.0)
