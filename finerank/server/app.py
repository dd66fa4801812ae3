"""The FastAPI application: routes over a `RerankService`, the page at the root, guards before both."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from .. import __version__
from ..errors import FinerankError
from ..settings import Settings
from ..ui.mount import mount_page
from .guards import BodyLimit, FailureNet, PathHints
from .model_slot import ModelSlot
from .problems import ProblemError, problem_of, response_to
from .routes.health import health_router
from .routes.predict import predict_router
from .routes.rerank import rerank_router
from .service import RerankService

if TYPE_CHECKING:
    from ..reranker import Reranker


def create_app(settings: Settings, reranker: "Reranker | None" = None) -> FastAPI:
    """An application that answers with `reranker`, or loads the settings' model while it already answers /health.

    `app.state.service` is the RerankService; `service.slot.settled` is set when the model is there, or
    `service.slot.failure` says why not. `app.state.end_streams()` lets go of open pages, so that a stop need not wait.
    """
    service = RerankService(ModelSlot(settings, reranker), settings)
    # No docs page: FastAPI's loads its scripts from another host. /openapi.json describes the routes.
    app = FastAPI(title="finerank", version=__version__, docs_url=None, redoc_url=None, lifespan=_lifespan(service))
    app.state.service = service
    routers = [health_router(service), rerank_router(service), predict_router(service)]
    for router in routers:
        app.include_router(router)
    for kind in (FinerankError, ProblemError, ValidationError):
        app.add_exception_handler(kind, _answer_error)
    app.add_middleware(PathHints, paths=_paths(routers))
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    app.add_middleware(FailureNet)
    app.state.end_streams = mount_page(app, service)
    return app


def _lifespan(service: RerankService) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        loading = asyncio.create_task(service.slot.load())
        yield
        loading.cancel()
        await service.slot.close()

    return lifespan


async def _answer_error(request: Request, error: Exception) -> Response:
    return response_to(problem_of(error))


def _paths(routers: Iterable[APIRouter]) -> dict[str, str]:
    """Path -> methods of every route of the API."""
    routes = [route for router in routers for route in router.routes]
    return {route.path: ", ".join(sorted(route.methods or ())) for route in routes if isinstance(route, APIRoute)}
