"""`serve`: the application on a port, from the first log line to the last answer."""

import asyncio
import errno
import signal
import socket
from types import FrameType
from typing import Final

import uvicorn
from fastapi import FastAPI

from ..errors import FinerankError, SettingsError
from ..settings import Settings
from .app import create_app
from .model_slot import ModelSlot

_DRAIN_S: Final = 30
"""How long requests under way may take to end after Ctrl-C; a second Ctrl-C does not wait."""


def serve(settings: Settings) -> None:
    """Serves until Ctrl-C or SIGTERM, then finishes the requests under way.

    Raises SettingsError if the port cannot be had, and what `Reranker` raises if the model cannot be loaded.
    """
    with listening_socket(settings.host, settings.port) as listener:
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
    listener = socket.socket(family, socket.SOCK_STREAM)
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
    """Lets go of open pages before it waits for connections to end."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                server_header=False,
                ws="none",
                lifespan="on",
                timeout_graceful_shutdown=_DRAIN_S,
            )
        )
        self._app = app

    def take_repeated_signal(self, number: int, frame: FrameType | None) -> None:
        """uvicorn raises a signal again once it has drained, which would end the process as if it had been killed."""
        if not self.should_exit:
            raise SystemExit(128 + number)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.end_streams()
        await super().shutdown(sockets)


async def _serve(settings: Settings, listener: socket.socket) -> None:
    app = create_app(settings)
    slot: ModelSlot = app.state.service.slot
    server = _Server(app)
    signal.signal(signal.SIGTERM, server.take_repeated_signal)
    print(f"Loading {slot.wanted} ...", flush=True)
    serving = asyncio.create_task(server.serve([listener]))
    settled = asyncio.create_task(slot.settled.wait())
    await asyncio.wait({serving, settled}, return_when=asyncio.FIRST_COMPLETED)
    if slot.failure is not None:
        server.should_exit = True
    elif not serving.done():
        _say_ready(slot, settings.host, listener.getsockname()[1])
    await serving
    if slot.failure is not None:
        raise slot.failure
    if not server.started:
        raise FinerankError("the server could not start; the lines above say why")


def _say_ready(slot: ModelSlot, host: str, port: int) -> None:
    info = slot.reranker.info
    print(f"Model: {info.name}, {info.dtype} on {info.device}, fingerprint {info.fingerprint}")
    if local_url(host, port) != local_url("127.0.0.1", port) or host in ("0.0.0.0", "::"):
        print(f"Listening on {host}: whoever reaches this address can use the server; it asks for no password")
    print(f"Running on local URL: {local_url(host, port)}", flush=True)


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is taken by another program; stop it, or give another port with --port (0 = any free one)"
    if error.errno == errno.EACCES:
        return f"port {port} needs more rights than this user has; give one from 1024 up with --port"
    reason = error.strerror or str(error)
    return f"cannot listen on {host}, port {port}: {reason}; give an address of this machine with --host"
