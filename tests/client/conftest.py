"""A server on loopback, no keys and no proxies in the environment, and waits of milliseconds."""

from collections.abc import Iterator

import pytest

from finerank.client import PROVIDERS, Retry

from .loopback import Loopback

QUICK = Retry(first_wait_s=0.001)


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for provider in PROVIDERS.values():
        for variable in provider.key_variables:
            monkeypatch.delenv(variable, raising=False)
    for variable in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.upper(), raising=False)


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback().running() as running:
        yield running
