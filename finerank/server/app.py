"""The FastAPI application: routes over a `RerankService`, the page at the root, guards and a watch before both."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from .. import __version__
from ..settings import Settings
from ..ui.mount import mount_page
from .dialect import Dialect, DialectTable
from .embedder_slot import EmbedderSlot
from .guards import BodyLimit, Doorkeeper, OriginRule, PathHints
from .keys import KeyRing, Quota, key_ring
from .logs import RequestLog
from .metrics import Metrics
from .model_pool import ModelPool
from .notices import NOTICES
from .routes import api_routers, prefixes
from .routes.endpoint import PlainRoute
from .search_service import SearchService
from .service import RerankService
from .shortcut import ANSWERED, Handler, Shortcut
from .tracing import Tracer, open_tracer
from .watch import ApiPaths, CallNotes, Drain, Watch, Witness

if TYPE_CHECKING:
    from ..embedder import Embedder
    from ..reranker import Reranker


_DESCRIPTION: Final = (
    "Reranking in every dialect that clients speak (`/v1/rerank` unless a client wants another), vectors of texts "
    "(`/v1/embeddings` as OpenAI, `/embed` as Text Embeddings Inference), and search in an index of documents "
    "(`/v1/search`, `/v1/collections`)."
)


class LayeredApp(FastAPI):
    """Its layers stand before all of FastAPI's: a request to the API need not pass what is there for the page."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._outermost: ASGIApp = super().__call__

    def add_layer(self, layer: Callable[..., ASGIApp], **options: Any) -> None:
        """Around all that were added before."""
        self._outermost = layer(self._outermost, **options)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self
        await self._outermost(scope, receive, send)


def create_app(settings: Settings, reranker: "Reranker | None" = None, embedder: "Embedder | None" = None) -> FastAPI:
    """An application that answers with `reranker`, or loads the settings' models while it already answers /health.

    embedder: what texts get their vectors from; None = that of the settings, loaded when it is first asked for, or
    after the first model if the settings name it.

    `app.state.service` is the RerankService; `service.pool.default.settled` is set when the first model is there, or
    its `failure` says why not. `app.state.metrics` holds the figures, `app.state.drain` is to be switched on before a
    stop. `app.state.end_streams()` lets go of open pages, so that a stop need not wait.

    Raises SettingsError if the keys cannot be read or traces cannot be sent.
    """
    keys = key_ring(settings)
    tracer = None if settings.trace_endpoint is None else open_tracer(settings.trace_endpoint)
    service = RerankService(ModelPool(settings, reranker), settings, EmbedderSlot(settings, embedder))
    search = SearchService(service)
    lifespan = _lifespan(service, search, tracer)
    app = LayeredApp(
        title="finerank",
        version=__version__,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.service = service
    app.state.search = search
    app.state.drain = Drain()
    app.state.metrics = Metrics(service, app.state.drain)
    routers = api_routers(service, search)
    for _, router in routers:
        app.include_router(router)
    dialects = DialectTable(_dialects(routers), prefixes())
    for kind in (*ANSWERED, Exception):
        app.add_exception_handler(kind, _answer_with(dialects))
    app.add_layer(Shortcut, handlers=_handlers(router for _, router in routers), dialects=dialects)
    methods = _methods(router for _, router in routers)
    paths = ApiPaths(_described(router for _, router in routers))
    app.add_middleware(PathHints, paths=methods, dialects=dialects)
    app.add_layer(BodyLimit, max_bytes=settings.max_body_bytes, dialects=dialects)
    _guard(app, settings, keys, dialects, paths)
    _observe(app, settings, tracer, dialects, paths)
    app.state.end_streams = mount_page(app, service, search)
    return app


def _guard(app: LayeredApp, settings: Settings, keys: KeyRing, dialects: DialectTable, paths: ApiPaths) -> None:
    """Keys, their limits, and whose web pages may call."""
    quota = None
    if settings.key_requests_per_minute is not None or settings.key_tokens_per_minute is not None:
        quota = Quota(settings.key_requests_per_minute, settings.key_tokens_per_minute)
        app.state.service.observers.append(quota)
    origins = OriginRule(settings.cors_origins, settings.host)
    app.add_layer(Doorkeeper, dialects=dialects, paths=paths, keys=keys, quota=quota, origins=origins)
    if settings.cors_origins:
        # Before the keys: a browser's question whether it may ask carries none.
        app.add_layer(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["X-Request-Id", "Retry-After", *NOTICES],
        )


def _observe(
    app: LayeredApp, settings: Settings, tracer: Tracer | None, dialects: DialectTable, paths: ApiPaths
) -> None:
    """Figures, logs and traces, in the outermost layer."""
    service: RerankService = app.state.service
    metrics: Metrics = app.state.metrics
    log = RequestLog(with_texts=settings.log_texts)
    service.pool.on_loaded.append(metrics.follow)
    app.state.search.on_searched.append(metrics.searched)
    service.observers += [CallNotes(), metrics, log]
    witnesses: list[Witness] = [metrics, log]
    if tracer is not None:
        witnesses.insert(0, tracer)  # the log names the trace
    app.add_layer(Watch, dialects=dialects, paths=paths, drain=app.state.drain, witnesses=witnesses)


def _lifespan(
    service: RerankService, search: SearchService, tracer: Tracer | None
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        loading = asyncio.create_task(_load(service, search))
        loading.add_done_callback(_leave_alone_what_is_there)
        yield
        loading.cancel()
        if tracer is not None:
            await asyncio.to_thread(tracer.close)
        await search.close()
        await service.embedding.close()
        await service.pool.close()

    return lifespan


async def _load(service: RerankService, search: SearchService) -> None:
    await service.pool.load()
    await service.embedding.warm_up()
    await search.warm_up()


def _leave_alone_what_is_there(_: object) -> None:
    """The garbage collector need not walk through the libraries again and again: a pause of 50 ms each time."""
    gc.collect()
    gc.freeze()


def _answer_with(dialects: DialectTable) -> Callable[[Request, Exception], Response]:
    def answer(request: Request, error: Exception) -> Response:
        return dialects.answer(request.scope, error)

    return answer


def _dialects(routers: Iterable[tuple[Dialect, APIRouter]]) -> Mapping[str, Dialect]:
    return {
        route.path: dialect for dialect, router in routers for route in router.routes if isinstance(route, APIRoute)
    }


def _handlers(routers: Iterable[APIRouter]) -> dict[tuple[str, str], Handler]:
    """Functions of the API's routes that FastAPI adds nothing to; what a browser shows needs the page's layers."""
    routes = [route for router in routers for route in router.routes if isinstance(route, PlainRoute)]
    return {
        (method, route.path): route.endpoint
        for route in routes
        if route.include_in_schema
        for method in route.methods or ()
    }


def _methods(routers: Iterable[APIRouter]) -> dict[str, str]:
    """Path -> methods of every route of the API."""
    methods: dict[str, set[str]] = {}
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute):
                methods.setdefault(route.path, set()).update(route.methods or ())
    return {path: ", ".join(sorted(taken)) for path, taken in methods.items()}


def _described(routers: Iterable[APIRouter]) -> Iterator[str]:
    """Paths of the API proper: not those that show a browser something, such as `/docs`."""
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute) and route.include_in_schema:
                yield route.path
