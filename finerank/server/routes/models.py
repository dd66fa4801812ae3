"""Which models are served: `/v1/models`, one of them: `/v1/models/NAME`."""

import time
from typing import Any, Final, NotRequired

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from typing_extensions import TypedDict

from ...errors import UnknownModelError
from ...types import ModelInfo
from ..dialect import FINERANK, Dialect
from ..json_response import SafeJSONResponse
from ..model_pool import EMBEDDED
from ..model_slot import ModelSlot
from ..openapi import errors, success
from ..service import RerankService
from .endpoint import plain_router

_STARTED: Final = int(time.time())


class ModelFacts(TypedDict):
    """What is known of a loaded model."""

    model: str
    kind: str
    revision: NotRequired[str]
    fingerprint: str
    dtype: str
    device: str
    max_length: int
    default_instruction: NotRequired[str]


class ServedModel(ModelFacts):
    id: str
    object: str
    created: int
    owned_by: str
    root: str
    is_loaded: bool
    max_model_len: int


class UnloadedModel(TypedDict):
    id: str
    object: str
    created: int
    owned_by: str
    root: str
    is_loaded: bool


class ModelList(TypedDict):
    object: str
    data: list[ServedModel | UnloadedModel]


def facts_of(info: ModelInfo) -> ModelFacts:
    facts: ModelFacts = {
        "model": info.name,
        "kind": info.kind,
        "fingerprint": info.fingerprint,
        "dtype": info.dtype,
        "device": info.device,
        "max_length": info.max_length,
    }
    if info.revision is not None:
        facts["revision"] = info.revision
    if info.default_instruction is not None:
        facts["default_instruction"] = info.default_instruction
    return facts


def models_router(service: RerankService) -> APIRouter:
    router = plain_router("models")
    add_models(router, service, "/v1/models", FINERANK)

    async def model(request: Request) -> Response:
        """One served model."""
        name: str = request.path_params["model"]
        slot = next((each for each in _slots(service) if name in (each.name, _id(each))), None)
        if slot is not None:
            return SafeJSONResponse(_entry(slot))
        embedder = next((each for each in _embedders(service) if name == each["id"]), None)
        if embedder is None:
            served = ", ".join([*map(_id, _slots(service)), *(each["id"] for each in _embedders(service))])
            raise UnknownModelError(f"model {name[:100]!r} is not served here; served are {served}")
        return SafeJSONResponse(embedder)

    alone: dict[int | str, dict[str, Any]] = {200: success(ServedModel | UnloadedModel, _example()), **errors(FINERANK)}
    router.add_api_route("/v1/models/{model:path}", model, summary="One served model", responses=alone)
    return router


def add_models(router: APIRouter, service: RerankService, path: str, dialect: Dialect) -> None:
    """Adds the list of models, the same in every dialect that has one."""

    async def models(request: Request) -> Response:
        """All models that are served; one that is not loaded yet is loaded by the first request for it."""
        rerankers = [_entry(slot) for slot in _slots(service)]
        return SafeJSONResponse({"object": "list", "data": [*rerankers, *_embedders(service)]})

    example = {"object": "list", "data": [_example()]}
    listed: dict[int | str, dict[str, Any]] = {200: success(ModelList, example), **errors(dialect)}
    router.add_api_route(path, models, summary="All served models", responses=listed)


def _slots(service: RerankService) -> list[ModelSlot]:
    return list(service.pool.slots.values())


def _embedders(service: RerankService) -> list[ServedModel | UnloadedModel]:
    """The embedding model, if the settings name one."""
    slot = service.embedding
    if not slot.is_named:
        return []
    entry: UnloadedModel = {
        "id": slot.wanted,
        "object": "model",
        "created": _STARTED,
        "owned_by": "finerank",
        "root": slot.wanted,
        "is_loaded": slot.loaded is not None,
    }
    if slot.loaded is None:
        return [entry]
    info = slot.loaded.info
    served: ServedModel = {**entry, **facts_of(info.as_model_info()), "max_model_len": info.max_length}
    served["kind"] = "embedder"
    return [served]


def _id(slot: ModelSlot) -> str:
    """The name it is served under; the embedded model is better known by its own."""
    return slot.reranker.info.name if slot.name == EMBEDDED and slot.is_ready else slot.name


def _entry(slot: ModelSlot) -> ServedModel | UnloadedModel:
    entry: UnloadedModel = {
        "id": _id(slot),
        "object": "model",
        "created": _STARTED,
        "owned_by": "finerank",
        "root": slot.wanted,
        "is_loaded": slot.is_ready,
    }
    if not slot.is_ready:
        return entry
    info = slot.reranker.info
    return {**entry, **facts_of(info), "root": info.name, "max_model_len": info.max_length}


def _example() -> ServedModel:
    info = ModelInfo("Qwen/Qwen3-Reranker-0.6B", "yes_no", "9f0c2a41d7b85e36", "bfloat16", "cpu", 8192)
    return {
        "id": info.name,
        "object": "model",
        "created": 1_790_000_000,
        "owned_by": "finerank",
        "root": info.name,
        "is_loaded": True,
        **facts_of(info),
        "max_model_len": info.max_length,
    }
