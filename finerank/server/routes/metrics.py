"""`GET /metrics`: the figures of this application, as Prometheus reads them."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ..metrics import Metrics
from .endpoint import plain_router


def metrics_router() -> APIRouter:
    router = plain_router("health")

    @router.get("/metrics", response_class=Response)
    async def metrics(request: Request) -> Response:
        """In the format that the caller accepts: Prometheus's text, or OpenMetrics."""
        figures: Metrics = request.app.state.metrics
        body, content_type = figures.render(request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": content_type})

    return router
