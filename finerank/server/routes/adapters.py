"""Models that come and go while the server runs: vLLM's `/v1/load_lora_adapter` and `/v1/unload_lora_adapter`."""

from typing import Any, Final

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from ..body import json_object
from ..model_pool import ModelSpec
from ..notices import notes_header
from ..openapi import PROBLEMS, errors, request_body
from ..problems import Problem, ProblemError
from ..service import RerankService
from .asked import Body
from .endpoint import plain_router
from .vllm import VLLM

_FORBIDDEN: Final = Problem(
    403,
    "forbidden",
    "models cannot be changed here; start the server with --allow-model-changes, or where only this machine reaches it",
)
_UNUSABLE: Final = Problem(422, "model_error", "there is no checkpoint at /adapters/medicine", "model")


class LoadAdapter(Body):
    """A checkpoint or a LoRA adapter to serve under a name of its own; an equal name is replaced without a pause."""

    quiet = frozenset({"load_inplace"})

    lora_name: str = Field(min_length=1)
    lora_path: str = Field(min_length=1, description="folder or hub id")


class UnloadAdapter(Body):
    """A served model to let go of."""

    quiet = frozenset({"lora_int_id"})

    lora_name: str = Field(min_length=1)


def adapters_router(service: RerankService) -> APIRouter:
    """vLLM's calls, with its errors."""
    router = plain_router("models")

    async def load(request: Request) -> Response:
        _check_allowed(service)
        asked = LoadAdapter.model_validate(await json_object(request))
        notes = asked.notes(service.settings)
        await service.pool.put(ModelSpec(asked.lora_name, asked.lora_path))
        return PlainTextResponse(
            f"Success: LoRA adapter '{asked.lora_name}' added successfully.", headers=notes_header(notes)
        )

    async def unload(request: Request) -> Response:
        _check_allowed(service)
        asked = UnloadAdapter.model_validate(await json_object(request))
        notes = asked.notes(service.settings)
        await service.pool.drop(asked.lora_name)
        return PlainTextResponse(
            f"Success: LoRA adapter '{asked.lora_name}' removed successfully.", headers=notes_header(notes)
        )

    said = {"description": "Done", "content": {"text/plain": {"schema": {"type": "string"}}}}
    responses: dict[int | str, dict[str, Any]] = {200: said, **errors(VLLM, (*PROBLEMS, _FORBIDDEN, _UNUSABLE))}
    for name, handler, asked, example in (
        ("load", load, LoadAdapter, {"lora_name": "medicine", "lora_path": "/adapters/medicine"}),
        ("unload", unload, UnloadAdapter, {"lora_name": "medicine"}),
    ):
        router.add_api_route(
            f"/v1/{name}_lora_adapter",
            handler,
            methods=["POST"],
            response_class=PlainTextResponse,
            summary=f"{name.capitalize()} a model or adapter while serving",
            description=asked.__doc__,
            openapi_extra=request_body(asked, example),
            responses=responses,
        )
    return router


def _check_allowed(service: RerankService) -> None:
    if not service.may_change_models:
        raise ProblemError(_FORBIDDEN)
