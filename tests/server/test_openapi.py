"""`/openapi.json` and `/docs`: what they promise is what is answered, whatever is sent."""

import re
from typing import Any

import httpx
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CONFORMANCE = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
ERRORS_ARE_500 = "/weaviate/"
"""Under which a question that cannot be used is a 500, as its database expects."""


EXAMPLES = settings(
    max_examples=7,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="session")
def described(app: FastAPI) -> Any:
    return schemathesis.openapi.from_asgi("/openapi.json", app)


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_whatever_is_sent_the_answer_is_as_described(described: Any, mode: GenerationMode) -> None:
    """Bodies that fit the description, and bodies that do not."""
    for result in described.get_all_operations():
        operation = result.ok()
        if operation.method == "post" or mode is GenerationMode.POSITIVE:
            check(operation, mode)


def check(operation: Any, mode: GenerationMode) -> None:
    checks = [*CONFORMANCE] if operation.path.startswith(ERRORS_ARE_500) else [*CONFORMANCE, not_a_server_error]

    @EXAMPLES
    @given(case=operation.as_strategy(generation_mode=mode))
    def answer(case: Any) -> None:
        case.call_and_validate(checks=checks)

    answer()


async def test_every_route_is_described_with_examples(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    for path, operations in paths.items():
        for method, operation in operations.items():
            assert operation["summary"], path
            if path == "/metrics":
                continue
            assert {"401", "404", "429", "500", "503"} <= set(operation["responses"]), path
            if method == "post":
                body = operation["requestBody"]["content"]["application/json"]
                assert body["schema"]["properties"], path
                assert body["example"], path


async def test_the_description_names_what_is_no_reranking(client: httpx.AsyncClient) -> None:
    described = (await client.get("/openapi.json")).json()
    named = set(re.findall(r"`(/[^`]+)`", described["info"]["description"]))
    assert {"/v1/embeddings", "/embed", "/v1/search"} < named <= set(described["paths"])


async def test_the_examples_are_answered(client: httpx.AsyncClient) -> None:
    """And their answers have the keys of the examples of answers."""
    paths = (await client.get("/openapi.json")).json()["paths"]
    asked = {path: operations["post"] for path, operations in paths.items() if "post" in operations}
    for path, operation in asked.items():
        if "adapter" in path or path == "/v1/search":  # these need a checkpoint, and an index
            continue
        response = await client.post(path, json=operation["requestBody"]["content"]["application/json"]["example"])
        assert response.status_code == 200, path
        example = operation["responses"]["200"]["content"]["application/json"]["example"]
        assert shape(response.json()) == shape(example), path


def shape(value: Any) -> Any:
    """Its keys, down to the first entry of lists; warnings come and go, and FastAPI drops nulls from examples."""
    if isinstance(value, dict):
        kept = {key: each for key, each in value.items() if key != "warnings" and each is not None}
        return {key: shape(each) for key, each in kept.items()}
    return [shape(each) for each in value[:1]] if isinstance(value, list) else None


async def test_what_the_rerank_route_requires(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    described = paths["/v1/rerank"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(described["required"]) == {"query", "documents"}


async def test_the_description_needs_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    assert page.status_code == 200
    assert page.headers["content-security-policy"].startswith("default-src 'self'")
    assert "http" not in page.text.replace('http-equiv="', "")
    addresses = re.findall(r"""(?:src|href)="([^"]+)""" + '"', page.text)
    assert len(addresses) == 3
    for address in addresses:
        assert (await client.get(address)).status_code == 200, address


async def test_below_the_description_are_only_its_own_files(client: httpx.AsyncClient) -> None:
    for path in ("/docs/redoc.standalone.js", "/docs/../openapi.json/x", "/docs/%2e%2e/core.py"):
        assert (await client.get(path)).status_code == 404
