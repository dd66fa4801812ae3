"""The page at the root of the server, fenced in: it loads nothing from, and sends nothing to, any other host."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from ..server.service import RerankService

_HERE: Final = Path(__file__).parent
_IDLE_S: Final = 0.02
_FONTS: Final = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"]
_MONO: Final = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]
_POLICY: Final = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
"""Gradio's own page needs inline scripts; the fence is about other hosts."""


def mount_page(app: FastAPI, service: "RerankService") -> Callable[[], None]:
    """Mounts the page. Returns what ends the streams that open pages hold, so that a server can stop."""
    # Read when gradio is imported; the page is built with the same choice.
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    import gradio as gr

    from .page import make_page

    app.add_middleware(OwnHostOnly)
    blocks = make_page(service)
    # Gradio looks for work 1000 times a second, which costs an idle server 4% of a core.
    blocks._queue.sleep_when_free = _IDLE_S
    gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        theme=_theme(gr),
        css=(_HERE / "page.css").read_text(encoding="utf-8"),
        js=(_HERE / "page.js").read_text(encoding="utf-8"),
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        enable_monitoring=False,
        max_file_size=1,
        show_error=False,
    )
    page: Any = app.routes[-1]
    stop: Any = page.app.stop_event
    return lambda: stop.set()


class OwnHostOnly:
    """Tells the browser to refuse whatever a page would fetch from elsewhere."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def fenced(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_page(message):
                message["headers"] = [*message["headers"], (b"content-security-policy", _POLICY.encode())]
            await send(message)

        await self._app(scope, receive, fenced)


def _is_page(message: Message) -> bool:
    headers: list[tuple[bytes, bytes]] = message.get("headers", [])
    return dict(headers).get(b"content-type", b"").startswith(b"text/html")


def _theme(gr: Any) -> Any:
    """Fonts of the reader's own system."""
    return gr.themes.Soft(primary_hue="indigo", neutral_hue="slate", font=_FONTS, font_mono=_MONO, radius_size="lg")
