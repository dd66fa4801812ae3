"""`serve`: the application on a port, from the first log line to the last answer."""

import asyncio
import errno
import logging
import math
import os
import signal
import socket
import sys
import threading
from types import FrameType
from typing import Any, Final

import uvicorn
from fastapi import FastAPI

from ..errors import FinerankError, SettingsError
from ..settings import Settings
from .app import create_app
from .logs import logging_to
from .model_slot import ModelSlot

_log = logging.getLogger(__name__)

_ON_THEIR_WAY_S: Final = 0.3
"""How long connections without a request stay open at a stop: what was sent before the stop arrives meanwhile."""
_LAST_S: Final = 5.0
"""For all that comes after the drain. A batch in hand cannot be interrupted, and some take minutes."""


def serve(settings: Settings) -> None:
    """Serves until Ctrl-C or SIGTERM, then finishes the requests under way, for `drain_seconds` at most.

    Raises SettingsError if the port, the log file or the keys cannot be had, and what `Reranker` raises if the model
    cannot be loaded.
    """
    with logging_to(settings), listening_socket(settings.host, settings.port) as listener:
        before = signal.getsignal(signal.SIGTERM)
        try:
            asyncio.run(_serve(settings, listener))
        except KeyboardInterrupt:
            pass
        finally:
            signal.signal(signal.SIGTERM, before)


def listening_socket(host: str, port: int) -> socket.socket:
    """Bound at once, before a model is loaded for nothing. Raises SettingsError naming the port and the remedy."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio turns Nagle's algorithm off only where it is, and answers wait 40 ms else.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise SettingsError(_why_not(error, host, port)) from None
    return listener


def local_url(host: str, port: int) -> str:
    """What to type into a browser on this machine."""
    if host in ("127.0.0.1", "0.0.0.0", "::", "::1"):
        return f"http://localhost:{port}"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """Stops without losing a request that a client was able to send."""

    def __init__(self, app: FastAPI, drain_seconds: float) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                ws="none",
                lifespan="on",
                timeout_graceful_shutdown=math.ceil(drain_seconds),
            )
        )
        self._app = app
        self._drain_seconds = drain_seconds

    def take_repeated_signal(self, number: int, frame: FrameType | None) -> None:
        """uvicorn raises a signal again once it has drained, which would end the process as if it had been killed."""
        if not self.should_exit:
            raise SystemExit(128 + number)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.drain.is_on = True
        _end_anyway_after(math.ceil(self._drain_seconds) + _LAST_S)
        self._app.state.end_streams()
        for listener in sockets or []:
            self._take_in_waiting(listener)
        for server in self.servers:
            server.close()
        await asyncio.sleep(_ON_THEIR_WAY_S)
        await super().shutdown(sockets)

    def _take_in_waiting(self, listener: socket.socket) -> None:
        """Accepts who has connected but was not yet accepted: closing the listener would cut them off."""
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setblocking(False)
            task = asyncio.get_running_loop().create_task(self._take_in(connection))
            self.server_state.tasks.add(task)
            task.add_done_callback(self.server_state.tasks.discard)

    async def _take_in(self, connection: socket.socket) -> None:
        kind: Any = self.config.http_protocol_class
        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: kind(config=self.config, server_state=self.server_state, app_state=self.lifespan.state), connection
        )


async def _serve(settings: Settings, listener: socket.socket) -> None:
    app = create_app(settings)
    slot: ModelSlot = app.state.service.pool.default
    server = _Server(app, settings.drain_seconds)
    signal.signal(signal.SIGTERM, server.take_repeated_signal)
    print(f"Loading {slot.wanted} ...", flush=True)
    serving = asyncio.create_task(server.serve([listener]))
    settled = asyncio.create_task(slot.settled.wait())
    await asyncio.wait({serving, settled}, return_when=asyncio.FIRST_COMPLETED)
    if slot.failure is not None:
        server.should_exit = True
    elif not serving.done():
        _say_ready(slot, settings, listener.getsockname()[1])
    await serving
    if slot.failure is not None:
        raise slot.failure
    if not server.started:
        raise FinerankError("the server could not start; the lines above say why")


def _end_anyway_after(seconds: float) -> None:
    """Ends the process even while a batch keeps its engine's thread, which nothing can interrupt, from ending."""
    timer = threading.Timer(seconds, _end_now)
    timer.daemon = True
    timer.start()


def _end_now() -> None:
    _log.warning("a batch in hand did not end in time; stopped without it")
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)


def _say_ready(slot: ModelSlot, settings: Settings, port: int) -> None:
    info, host = slot.reranker.info, settings.host
    print(f"Model: {info.name}, {info.dtype} on {info.device}, fingerprint {info.fingerprint}")
    if local_url(host, port) != local_url("127.0.0.1", port) or host in ("0.0.0.0", "::"):
        print(f"Listening on {host}: whoever reaches this address can use the server{_what_it_asks(settings)}")
    print(f"Running on local URL: {local_url(host, port)}", flush=True)


def _what_it_asks(settings: Settings) -> str:
    has_keys = bool(settings.api_keys) or settings.api_keys_file is not None
    return " with a key" if has_keys else "; it asks for no password"


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is taken by another program; stop it, or give another port with --port (0 = any free one)"
    if error.errno == errno.EACCES:
        return f"port {port} needs more rights than this user has; give one from 1024 up with --port"
    reason = error.strerror or str(error)
    return f"cannot listen on {host}, port {port}: {reason}; give an address of this machine with --host"
