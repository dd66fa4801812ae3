"""`/docs`: the API described for people, by Swagger UI; its scripts and styles come from this server too."""

from pathlib import Path
from typing import Final

import fastapi_offline
from fastapi import APIRouter
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from .endpoint import plain_router

_FILES: Final = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png")
_FOLDER: Final = Path(fastapi_offline.__file__).parent / "static"


def docs_router() -> APIRouter:
    router = plain_router("docs")

    async def docs(request: Request) -> Response:
        root = request.scope.get("root_path", "")
        script, style, icon = (f"{root}/docs/{name}" for name in _FILES)
        return get_swagger_ui_html(
            openapi_url=f"{root}/openapi.json",
            title="finerank",
            swagger_js_url=script,
            swagger_css_url=style,
            swagger_favicon_url=icon,
            # Its badge would show the description to a validator elsewhere.
            swagger_ui_parameters={"validatorUrl": None, "docExpansion": "none", "defaultModelsExpandDepth": -1},
        )

    async def file(request: Request) -> Response:
        return FileResponse(_FOLDER / Path(request.url.path).name)

    router.add_api_route("/docs", docs, include_in_schema=False)
    for name in _FILES:
        router.add_api_route(f"/docs/{name}", file, include_in_schema=False)
    return router
