"""A client of Milvus: over an embedded Milvus Lite path, or to a server or cluster by its address."""

import logging
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from grpc import Call, RpcError  # type: ignore[import-untyped]
from pymilvus import MilvusClient, MilvusException

from ..errors import InputError, RetrievalError

# They log every refusal with a traceback on standard error; what is raised says it too.
for _name in ("pymilvus", "milvus_lite", "grpc._server"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


_BAD_ARGUMENT: Final = (6, 1100)
"""Codes of Milvus Lite 3.2 and of a Milvus server 2.6 for what they cannot parse; a lost server has others."""
_users: Counter[Path] = Counter()
"""Clients of each Milvus Lite path in this process: they share one server, which the last one ends."""
_changing = threading.Lock()


def is_path(db: str) -> bool:
    """A path of Milvus Lite, or the address of a server?"""
    return "://" not in db


def path_of(db: str) -> Path:
    """Where Milvus Lite keeps it. Raises RetrievalError for a name that it does not take."""
    path = Path(db).expanduser()
    if path.suffix != ".db":
        raise RetrievalError(
            f"{db} is no name for an index; it must end with .db, or be an address as http://host:19530"
        )
    if path.exists() and not path.is_dir():
        raise RetrievalError(f"{db} is a file; an index of Milvus Lite is a folder, name another one")
    return path


def connect(db: str, token: str | None = None) -> MilvusClient:
    """Raises RetrievalError with the reason and the remedy."""
    if not is_path(db):
        try:
            return MilvusClient(db, token=token or "", timeout=10)
        except MilvusException as error:
            raise RetrievalError(f"the Milvus server at {db} cannot be used: {error.message}") from None
    path = path_of(db)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _changing:
            client = MilvusClient(str(path))
            _users[path.resolve()] += 1
        return client
    except MilvusException as error:
        if _is_locked(path):
            raise RetrievalError(
                f"{db} is in use by another process (finerank serve or finerank index), and Milvus Lite lets one in at "
                "a time; end that one, ask the server over POST /v1/search, or use a Milvus server as --db "
                "http://host:19530"
            ) from None
        raise RetrievalError(f"{db} cannot be opened as an index of Milvus Lite: {error.message}") from None
    except OSError as error:
        raise RetrievalError(f"{db} cannot be opened: {error.strerror}") from None


def release(client: MilvusClient, db: str) -> None:
    """Closes it, and of Milvus Lite the file, so that another process may open it."""
    client.close()
    if not is_path(db):
        return
    from milvus_lite.server_manager import server_manager_instance

    path = path_of(db)
    with _changing:
        _users[path.resolve()] -= 1
        if _users[path.resolve()] <= 0:
            del _users[path.resolve()]
            server_manager_instance.release_server(str(path))


@contextmanager
def refusals(where: str, filter_: str | None = None) -> Iterator[None]:
    """What Milvus refuses, in a sentence: InputError if it is the filter, RetrievalError for all else."""
    try:
        yield
    except MilvusException as error:
        reason = " ".join(str(error.message).split())
        if filter_ and _is_of_expression(error, reason):
            raise InputError(f"the filter {filter_!r} cannot be used: {reason}") from None
        raise RetrievalError(f"{where}: Milvus refused ({reason})") from None
    except RpcError as error:  # what pymilvus passes on as it came: a deadline, a token that is not known
        reason = " ".join(str(error.details() if isinstance(error, Call) else error).split())
        raise RetrievalError(f"{where}: Milvus cannot be asked ({reason})") from None


def _is_of_expression(error: MilvusException, reason: str) -> bool:
    return error.code in _BAD_ARGUMENT or "expression" in reason or "query plan" in reason


def _is_locked(path: Path) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows
        return False

    try:
        with (path / "LOCK").open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
