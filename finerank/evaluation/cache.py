"""`EvaluationCache`: what earlier evaluations computed, in one SQLite file.

Every key is a hash over all that the entry depends on, so nothing must ever be invalidated; and every entry is written
as soon as it is known, so that a run that is killed goes on where it was. Unlike the server's result cache it also
keeps providers' scores, with the day of the first of them, and nothing is ever evicted.
"""

import hashlib
import json
import os
import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np

from ..errors import SettingsError
from ..scores import FloatArray
from .types import Run

FILE: Final = "evaluation-v1.sqlite3"
_KEYS_A_QUERY: Final = 500
_BUSY_S: Final = 60.0
_TABLES: Final = """
    CREATE TABLE IF NOT EXISTS scores (
        key BLOB PRIMARY KEY, log_odds REAL NOT NULL, tokens REAL NOT NULL, is_truncated INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS calls (key BLOB PRIMARY KEY, seconds REAL NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS runs (key BLOB PRIMARY KEY, run BLOB NOT NULL);
    CREATE TABLE IF NOT EXISTS days (key BLOB PRIMARY KEY, day TEXT NOT NULL) WITHOUT ROWID;
"""
_ADVICE: Final = {
    "SQLITE_FULL": "free some space there, or name another folder",
    "SQLITE_BUSY": f"another run has held it for {_BUSY_S:.0f} s; let that one end, or name another folder",
}


@dataclass(frozen=True, slots=True)
class KnownScore:
    """log_odds: of one pair.   tokens: its share of those that its call put through the network."""

    log_odds: float
    tokens: float
    is_truncated: bool


def default_folder() -> Path:
    """`finerank` in $XDG_CACHE_HOME, or in ~/.cache: on every system, as the model hubs do it."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "finerank"


def key_of(*parts: object) -> bytes:
    """16 bytes over any JSON values."""
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).digest()


class EvaluationCache:
    """Safe for several processes at once; to be used from one thread.

    folder: where its file is, made if needed; None = in memory, for this object only.
    Everything raises SettingsError if the file cannot be used, also later: a full disk, a damaged page, a lock of
    another process. What was written until then stays.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        with self._advised():
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(":memory:" if folder is None else folder / FILE, timeout=_BUSY_S)
            # Survives a kill of this process at any moment; only a power failure may lose the last entries.
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=NORMAL")
            self._base.executescript(_TABLES)

    def scores(self, keys: Sequence[bytes]) -> dict[bytes, KnownScore]:
        """What is known of them."""
        rows = self._select("SELECT key, log_odds, tokens, is_truncated FROM scores WHERE key IN", keys)
        return {key: KnownScore(log_odds, tokens, bool(cut)) for key, log_odds, tokens, cut in rows}

    def add_scores(self, scores: Mapping[bytes, KnownScore], call: tuple[bytes, float] | None = None) -> None:
        """call: (key, seconds) of a call that computed all of its pairs, written with them or not at all."""
        rows = [(key, score.log_odds, score.tokens, score.is_truncated) for key, score in scores.items()]
        with self._advised(), self._base:
            self._base.executemany("INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?)", rows)
            if call is not None:
                self._base.execute("INSERT OR REPLACE INTO calls VALUES (?, ?)", call)

    def seconds(self, key: bytes) -> float | None:
        """How long a call took when it was computed."""
        for (seconds,) in self._select("SELECT seconds FROM calls WHERE key IN", [key]):
            return float(seconds)
        return None

    def vectors(self, keys: Sequence[bytes]) -> dict[bytes, FloatArray]:
        """(D,) fp32 each."""
        rows = self._select("SELECT key, vector FROM vectors WHERE key IN", keys)
        return {key: np.frombuffer(vector, dtype=np.float32) for key, vector in rows}

    def add_vectors(self, keys: Sequence[bytes], vectors: FloatArray) -> None:
        """vectors: (N, D) fp32."""
        rows = [(key, row.tobytes()) for key, row in zip(keys, vectors, strict=True)]
        with self._advised(), self._base:
            self._base.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)

    def run(self, key: bytes) -> tuple[Run, dict[str, float]] | None:
        """(run, seconds of each query when it was made)."""
        for (packed,) in self._select("SELECT run FROM runs WHERE key IN", [key]):
            with self._advised():
                run, seconds = json.loads(zlib.decompress(packed))
            return run, seconds
        return None

    def add_run(self, key: bytes, run: Run, seconds: Mapping[str, float]) -> None:
        packed = zlib.compress(json.dumps([run, seconds]).encode(), level=1)
        with self._advised(), self._base:
            self._base.execute("INSERT OR REPLACE INTO runs VALUES (?, ?)", (key, packed))

    def first_day(self, key: bytes) -> str | None:
        """When `mark_day` was first called for it, as 2026-11-21."""
        for (day,) in self._select("SELECT day FROM days WHERE key IN", [key]):
            return str(day)
        return None

    def mark_day(self, key: bytes) -> None:
        """Keeps today's date, unless an earlier one is kept."""
        with self._advised(), self._base:
            self._base.execute("INSERT OR IGNORE INTO days VALUES (?, ?)", (key, datetime.now(UTC).date().isoformat()))

    def close(self) -> None:
        self._base.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _select(self, statement: str, keys: Sequence[bytes]) -> list[tuple]:  # type: ignore[type-arg]  # rows differ
        rows = []
        for start in range(0, len(keys), _KEYS_A_QUERY):
            some = keys[start : start + _KEYS_A_QUERY]
            with self._advised():
                rows += self._base.execute(f"{statement} ({','.join('?' * len(some))})", some).fetchall()
        return rows

    @contextmanager
    def _advised(self) -> Iterator[None]:
        """Trouble with the file becomes a SettingsError that says what to do about it."""
        try:
            yield
        except (OSError, sqlite3.Error, zlib.error, json.JSONDecodeError) as error:
            code = getattr(error, "sqlite_errorname", None) or ""
            otherwise = f"name a folder to write in, or delete {FILE}* there if it is damaged"
            raise SettingsError(f"--cache {self.folder}: {error}; {_ADVICE.get(code, otherwise)}") from None
