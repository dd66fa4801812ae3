"""The page at the root of the server, fenced in: it loads nothing from, and sends nothing to, any other host."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from ..server.search_service import SearchService
    from ..server.service import RerankService

_HERE: Final = Path(__file__).parent
_IDLE_S: Final = 0.02
_FONTS: Final = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"]
_MONO: Final = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]
_LOOK: Final = {
    "block_background_fill": "transparent",
    "block_border_width": "0px",
    "block_label_background_fill": "transparent",
    "block_padding": "0",
    "block_shadow": "none",
    "block_title_background_fill": "transparent",
    "block_title_padding": "0 0 2px",
    "block_title_text_color": "*body_text_color",
    "block_title_text_weight": "600",
    "button_secondary_shadow": "none",
    "button_primary_shadow": "none",
    "checkbox_label_shadow": "none",
    "input_border_color": "*border_color_primary",
    "input_border_width": "1px",
    "input_shadow": "none",
}
"""Boxes without a box around them: labels are words, not pills."""
_ALSO_DARK: Final = frozenset(
    {
        "block_background_fill",
        "block_border_width",
        "block_label_background_fill",
        "block_shadow",
        "block_title_background_fill",
        "block_title_text_color",
        "input_border_color",
        "input_border_width",
    }
)
_POLICY: Final = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
"""Gradio's own page needs inline scripts; the fence is about other hosts."""

_FILE_ROUTES: Final = tuple(
    f"/gradio_api/{name}"
    for name in ("upload", "upload_progress", "file=", "file/", "proxy=", "process_recording", "deep_link", "stream/")
)
"""Gradio's ways to store a file on the server and to read one from it. The page has no use for any of them: the browser
reads and saves files by itself."""


def mount_page(app: FastAPI, service: "RerankService", search: "SearchService") -> Callable[[], None]:
    """Mounts the page. Returns what ends the streams that open pages hold, so that a server can stop."""
    # Read when gradio is imported; the page is built with the same choice.
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    # Or else Gradio builds a data frame of its last events after each click, for a dashboard that is off.
    os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", str(sys.maxsize))
    import gradio as gr

    from .page import make_page

    app.add_middleware(OwnHostOnly)
    app.add_middleware(NoFiles)
    blocks, script = make_page(service, search)
    # Gradio looks for work 1000 times a second, which costs an idle server 4% of a core.
    blocks._queue.sleep_when_free = _IDLE_S
    gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        theme=_theme(gr),
        css=(_HERE / "page.css").read_text(encoding="utf-8"),
        head=f"<script>{script}</script>",
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        enable_monitoring=False,
        max_file_size=1,  # byte; see NoFiles
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


class NoFiles:
    """Closes Gradio's file routes: 404, as if they were not there. A file opened on the page is part of its request,
    which --max-body-bytes bounds, and is forgotten with it; so no one can fill the disk or find another one's file.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(_FILE_ROUTES):
            return await PlainTextResponse("there are no files here", 404)(scope, receive, send)
        await self._app(scope, receive, send)


def _is_page(message: Message) -> bool:
    headers: list[tuple[bytes, bytes]] = message.get("headers", [])
    return dict(headers).get(b"content-type", b"").startswith(b"text/html")


def _theme(gr: Any) -> Any:
    """Fonts of the reader's own system."""
    theme = gr.themes.Soft(primary_hue="indigo", neutral_hue="slate", font=_FONTS, font_mono=_MONO, radius_size="lg")
    return theme.set(**_LOOK, **{f"{name}_dark": value for name, value in _LOOK.items() if name in _ALSO_DARK})
