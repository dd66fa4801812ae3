"""One hash for the weights of a model: by it fingerprints and adapters tell models apart."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

from ..errors import DamagedError
from .embedded import file_sha256


def weights_hash(files: Sequence[Path]) -> str:
    """Over the files' hashes, in the order given, 64 hex digits. Raises DamagedError for a file that is not there."""
    return hashlib.sha256("".join(_digest(file, *_state(file)) for file in files).encode()).hexdigest()


def hash_in_background(files: Sequence[Path]) -> "Future[str]":
    """`weights_hash`, computed while the weights are loaded from the same pages."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="finerank-hash")
    future = pool.submit(weights_hash, files)
    pool.shutdown(wait=False)
    return future


@lru_cache(maxsize=256)
def _digest(file: Path, size: int, changed_ns: int) -> str:
    """An adapter's base is hashed for the adapter and again for the fingerprint."""
    return file_sha256(file)


def _state(file: Path) -> tuple[int, int]:
    try:
        state = file.stat()
    except OSError as error:
        raise DamagedError(f"{file} cannot be read ({error.strerror}); download it again") from error
    return state.st_size, state.st_mtime_ns
