"""Is the server alive, is it ready, and what does it run: `/health`, `/ready`, `/v1/models`."""

import time
from typing import Any

from fastapi import APIRouter

from ...selftest import SelfTestReport
from ...types import ModelInfo
from ..json_response import SafeJSONResponse, present
from ..service import RerankService


def health_router(service: RerankService) -> APIRouter:
    router = APIRouter(tags=["health"])
    started = int(time.time())

    @router.get("/health", response_class=SafeJSONResponse)
    async def health() -> SafeJSONResponse:
        """200 as long as the process answers, model or not."""
        return SafeJSONResponse({"status": "ok"})

    @router.get("/ready", response_class=SafeJSONResponse)
    async def ready() -> SafeJSONResponse:
        """200 once the model is loaded and was tested; 503 with a sentence before."""
        reranker = service.slot.reranker
        report = reranker.self_test_report
        return SafeJSONResponse(present({"status": "ready", **_facts(reranker.info), "self_test": _tested(report)}))

    @router.get("/v1/models", response_class=SafeJSONResponse)
    async def models() -> SafeJSONResponse:
        """The one model that answers."""
        info = service.slot.reranker.info
        entry = {"id": info.name, "object": "model", "created": started, "owned_by": "finerank", **_facts(info)}
        return SafeJSONResponse({"object": "list", "data": [entry]})

    return router


def _facts(info: ModelInfo) -> dict[str, Any]:
    return present(
        {
            "model": info.name,
            "kind": info.kind,
            "revision": info.revision,
            "fingerprint": info.fingerprint,
            "dtype": info.dtype,
            "device": info.device,
            "max_length": info.max_length,
            "default_instruction": info.default_instruction,
        }
    )


def _tested(report: SelfTestReport | None) -> dict[str, Any] | None:
    """What the self-test said; None if it was off."""
    if report is None:
        return None
    failures = [f"{check.name}: {check.detail}" for check in report.failures]
    return present({"is_passed": report.is_passed, "failures": failures or None})
