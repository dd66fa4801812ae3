"""Logs: where records go, and one line for each request to the API.

`logging_to` is for a process of its own (serve.py); an application inside another one leaves logging to that.
No text of a user is written unless `log_texts` asks for it.
"""

import contextlib
import logging
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Final

from pythonjsonlogger.json import JsonFormatter

from ..errors import SettingsError
from ..settings import Settings
from ..types import Document
from .metrics import PAGE, num_documents
from .service import Answer, Call, EmbeddingCall, Origin, RerankCall, ScoreCall
from .watch import RequestFacts, current

_requests: Final = logging.getLogger("finerank.requests")

_FILE_BYTES: Final = 50 << 20
_FILES_KEPT: Final = 5
_COMPLAINT_S: Final = 60.0
_LONGEST_PATH: Final = 200


class RequestLog:
    """A Witness of requests, and an Observer of the page's calls, which are no requests to the API."""

    def __init__(self, *, with_texts: bool) -> None:
        self._with_texts = with_texts

    def request_done(self, facts: RequestFacts) -> None:
        level = logging.INFO if facts.status < 500 else logging.WARNING
        if not _requests.isEnabledFor(level):
            return
        path = facts.path[:_LONGEST_PATH]
        fields: dict[str, Any] = {
            "request_id": facts.request_id,
            "method": facts.method,
            "path": path,
            "dialect": facts.dialect,
            "status": facts.status,
            "seconds": round(facts.seconds, 6),
            "caller": facts.caller,
            "problem": facts.problem,
            "trace_id": facts.trace_id,
            **self._call_fields(facts.call, facts.answer),
        }
        # repr: a path may hold line breaks.
        what = f"{facts.method} {path if path.isprintable() else repr(path)}"
        self._write(level, f"{what} {facts.status} {facts.problem or ''}".rstrip(), facts.seconds, fields)

    def answered(self, origin: Origin, call: Call, answer: Answer) -> None:
        if origin.dialect == PAGE and _requests.isEnabledFor(logging.INFO):
            seconds = answer.facts.seconds
            fields = {"dialect": PAGE, "seconds": round(seconds, 6), **self._call_fields(call, answer)}
            self._write(logging.INFO, "page", seconds, fields)

    def failed(self, origin: Origin, call: Call, error: BaseException) -> None:
        if origin.dialect == PAGE:
            fields = {"dialect": PAGE, "problem": type(error).__name__, **self._call_fields(call, None)}
            self._write(logging.INFO, f"page {type(error).__name__}", 0.0, fields)

    def _write(self, level: int, message: str, seconds: float, fields: Mapping[str, Any]) -> None:
        extra = {name: value for name, value in fields.items() if value is not None}
        if "tokens" in extra:
            message += f", {extra['documents']} documents, {extra['tokens']} tokens"
        _requests.log(level, "%s, %.3f s", message, seconds, extra=extra)

    def _call_fields(self, call: Call | None, answer: "Answer | None") -> dict[str, Any]:
        if call is None:
            return {}
        fields: dict[str, Any] = {"documents": num_documents(call)}
        if self._with_texts:
            fields["texts"] = _texts(call)
        if answer is not None:
            facts = answer.facts
            fields |= {
                "model": facts.model.name,
                "queue_seconds": round(facts.queue_seconds, 6),
                "tokens": facts.usage.prompt_tokens,
                "cached_tokens": facts.usage.cached_tokens,
                "truncated": facts.num_truncated,
                "errors": facts.num_failed,
            }
        return fields


@contextlib.contextmanager
def logging_to(settings: Settings) -> Iterator[None]:
    """While the block runs, records go where the settings say. Raises SettingsError if the file cannot be written."""
    level = getattr(logging, settings.log_level.upper())
    handlers: list[logging.Handler] = [_stderr(settings.log_format)]
    if settings.log_file is not None:
        handlers.append(_file(settings.log_file))
    root, own = logging.getLogger(), logging.getLogger("finerank")
    before = root.level, own.level
    for handler in handlers:
        handler.addFilter(_with_request_id)
        root.addHandler(handler)
    # Of other libraries only what is wrong: some tell of each of their requests at "info".
    root.setLevel(max(level, logging.WARNING))
    own.setLevel(level)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.setLevel(before[0])
        own.setLevel(before[1])
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()


class _QuietFile(RotatingFileHandler):
    """A file that cannot be written any more costs lines, not requests; standard error says so once a minute."""

    _complained_at = -_COMPLAINT_S

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: N802
        """After the line that reaches the bound. The library's way formats every record once more to look ahead."""
        return self.stream is not None and 0 < self.maxBytes <= self.stream.tell()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  (logging's name)
        self._complain(sys.exception())

    def close(self) -> None:
        try:
            super().close()
        except OSError as error:  # what was not written yet
            self._complain(error)

    def rotate(self, source: str, dest: str) -> None:
        try:
            super().rotate(source, dest)
        except OSError as error:  # it grows on
            self._complain(error)

    def _complain(self, error: BaseException | None) -> None:
        now = time.monotonic()
        if now - self._complained_at < _COMPLAINT_S:
            return
        self._complained_at = now
        with contextlib.suppress(OSError, ValueError, AttributeError):  # standard error may be gone, too
            sys.stderr.write(f"the log file {self.baseFilename} cannot be written: {error}\n")


class _QuietStream(logging.StreamHandler[Any]):
    """Whoever read standard error may have gone."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        return


def _stderr(form: str) -> logging.Handler:
    handler = _QuietStream(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)s %(short_id)s%(message)s")
    handler.setFormatter(_json_formatter() if form == "json" else text)
    return handler


def _file(path: Path) -> logging.Handler:
    try:
        # backslashreplace: a lone surrogate has no UTF-8.
        handler = _QuietFile(
            path.expanduser(),
            maxBytes=0 if _is_device(path) else _FILE_BYTES,
            backupCount=_FILES_KEPT,
            encoding="utf-8",
            errors="backslashreplace",
        )
    except OSError as error:
        raise SettingsError(
            f"--log-file: {path} cannot be written: {error.strerror}; name a file in a folder that exists and that "
            "this user may write to"
        ) from None
    handler.setFormatter(_json_formatter())
    return handler


def _is_device(path: Path) -> bool:
    """Or a pipe: nothing to rotate."""
    return path.exists() and not path.is_file()


def _json_formatter() -> logging.Formatter:
    return JsonFormatter(
        "%(levelname)s%(name)s%(message)s",
        rename_fields={"levelname": "level", "name": "logger"},
        reserved_attrs=[*vars(logging.makeLogRecord({})), "message", "asctime", "short_id"],
        timestamp="time",
        json_ensure_ascii=False,
    )


def _with_request_id(record: logging.LogRecord) -> bool:
    """Lets every record pass, with the id of the request that it belongs to."""
    if not hasattr(record, "request_id"):
        facts = current()
        if facts is not None:
            record.request_id = facts.request_id
    request_id = getattr(record, "request_id", None)
    record.short_id = f"[{request_id}] " if request_id is not None else ""
    return True


def _texts(call: Call) -> dict[str, Any]:
    """What the caller sent; of documents only the text."""
    if isinstance(call, RerankCall):
        return {"query": call.query, "instruction": call.instruction, "documents": _documents(call.documents)}
    if isinstance(call, ScoreCall):
        queries, documents = [query for query, _ in call.pairs], [document for _, document in call.pairs]
        return {"queries": queries, "instruction": call.instruction, "documents": _documents(documents)}
    if isinstance(call, EmbeddingCall):
        return {"instruction": call.instruction, "documents": list(call.texts)}
    return {}


def _documents(documents: Sequence[Document]) -> list[Any]:
    return [document.get("text") if isinstance(document, Mapping) else document for document in documents]
