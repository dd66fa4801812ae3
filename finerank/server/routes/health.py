"""Is the server alive, and is it ready: `/health`, `/ready`, the first in some dialects too."""

from typing import Any, NotRequired

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from typing_extensions import TypedDict

from ...selftest import SelfTestReport
from ..dialect import FINERANK, Dialect
from ..json_response import SafeJSONResponse
from ..openapi import errors, success
from ..service import RerankService
from .endpoint import plain_router
from .models import ModelFacts, facts_of


class Alive(TypedDict):
    status: str


class SelfTested(TypedDict):
    is_passed: bool
    failures: NotRequired[list[str]]


class Ready(ModelFacts):
    status: str
    self_test: NotRequired[SelfTested]


def health_router(service: RerankService) -> APIRouter:
    router = plain_router("health")

    add_health(router, "/health", FINERANK)

    async def ready(request: Request) -> Response:
        """200 once the model is loaded and was tested; 503 with a sentence before."""
        reranker = service.pool.default.reranker
        answer: dict[str, Any] = {"status": "ready", **facts_of(reranker.info)}
        if reranker.self_test_report is not None:
            answer["self_test"] = _tested(reranker.self_test_report)
        return SafeJSONResponse(answer)

    example = {
        "status": "ready",
        "model": "Qwen/Qwen3-Reranker-0.6B",
        "kind": "yes_no",
        "fingerprint": "9f0c2a41d7b85e36",
        "dtype": "bfloat16",
        "device": "cpu",
        "max_length": 8192,
        "self_test": {"is_passed": True},
    }
    responses: dict[int | str, dict[str, Any]] = {200: success(Ready, example), **errors(FINERANK)}
    router.add_api_route("/ready", ready, summary="Is the model loaded and tested?", responses=responses)
    return router


def add_health(router: APIRouter, path: str, dialect: Dialect) -> None:
    """Adds the question for life, the same in every dialect that has one."""

    async def health(request: Request) -> Response:
        """200 as long as the process answers, model or not."""
        return SafeJSONResponse({"status": "ok"})

    alive: dict[int | str, dict[str, Any]] = {200: success(Alive, {"status": "ok"}), **errors(dialect)}
    router.add_api_route(path, health, summary="Does the process live?", responses=alive)


def _tested(report: SelfTestReport) -> SelfTested:
    tested: SelfTested = {"is_passed": report.is_passed}
    if report.failures:
        tested["failures"] = [f"{check.name}: {check.detail}" for check in report.failures]
    return tested
