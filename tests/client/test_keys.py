"""Where API keys come from, and what is none."""

import pytest

from finerank import AuthenticationError, Client
from finerank.client import PROVIDERS
from finerank.client.keys import ApiKey, find_key

SILICONFLOW = PROVIDERS["siliconflow"]


def test_the_argument_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SILICONFLOW_API_KEY", "from-environment")
    key = find_key(SILICONFLOW, "from-argument")
    assert key is not None
    assert key.header() == {"Authorization": "Bearer from-argument"}
    key = find_key(SILICONFLOW, None)
    assert key is not None
    assert key.header() == {"Authorization": "Bearer from-environment"}


@pytest.mark.parametrize(
    ("provider", "variable"),
    [
        ("siliconflow", "SILICONFLOW_API_KEY"),
        ("dashscope", "DASHSCOPE_API_KEY"),
        ("cohere", "COHERE_API_KEY"),
        ("cohere", "CO_API_KEY"),
        ("jina", "JINA_API_KEY"),
        ("voyage", "VOYAGE_API_KEY"),
        ("mixedbread", "MXBAI_API_KEY"),
        ("finerank", "FINERANK_API_KEY"),
        ("vllm", "VLLM_API_KEY"),
        ("tei", "TEI_API_KEY"),
    ],
)
def test_each_provider_has_its_variable(monkeypatch: pytest.MonkeyPatch, provider: str, variable: str) -> None:
    monkeypatch.setenv(variable, " real-key\n")
    key = find_key(PROVIDERS[provider], None)
    assert key is not None
    assert key.header() == {"Authorization": "Bearer real-key"}


def test_hosted_providers_need_one_and_servers_do_not() -> None:
    for provider in PROVIDERS.values():
        if provider.is_hosted:
            with pytest.raises(
                AuthenticationError, match=f"{provider.name} needs an API key; set {provider.key_variables[0]}"
            ):
                find_key(provider, None)
        else:
            assert find_key(provider, None) is None


@pytest.mark.parametrize(
    "text",
    ["YOUR_API_KEY", "your-api-key", "YOUR_SILICONFLOW_API_KEY", "<key>", "<your key>", "sk-xxx", "sk-XXXXXXXX", "xxxx",
     "sk-...", "sk-your-key", "$JINA_API_KEY", "${KEY}", "api_key", "API KEY", "changeme", "***", "None", "…"],
)  # fmt: skip
def test_placeholders_are_refused_before_any_request(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    with pytest.raises(
        AuthenticationError, match="api_key for siliconflow is a placeholder and no key; set SILICONFLOW"
    ):
        Client("siliconflow:m", api_key=text)
    monkeypatch.setenv("SILICONFLOW_API_KEY", text)
    with pytest.raises(AuthenticationError, match="SILICONFLOW_API_KEY for siliconflow is a placeholder"):
        Client("siliconflow:m")


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_an_empty_key_is_refused_and_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    with pytest.raises(AuthenticationError, match=r"api_key for finerank is empty.*or leave both out"):
        find_key(PROVIDERS["finerank"], text)
    monkeypatch.setenv("FINERANK_API_KEY", text)
    assert find_key(PROVIDERS["finerank"], None) is None


@pytest.mark.parametrize("text", ["two words", "line\r\nX-Evil: 1", "käse", "tab\there", "zero\u200bwidth"])
def test_what_no_header_can_carry_is_refused_unquoted(text: str) -> None:
    with pytest.raises(AuthenticationError, match="characters that no key has") as caught:
        find_key(SILICONFLOW, text)
    assert text not in str(caught.value)


def test_a_key_of_another_type_is_refused() -> None:
    number: object = 5
    with pytest.raises(AuthenticationError, match="must be a string, not int"):
        find_key(SILICONFLOW, number)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["sk-3f9a8b7c6d5e4f", "jina_0123456789abcdef", "pa-yourself123", "hunter2", "EMPTY"])
def test_keys_pass(text: str) -> None:
    assert find_key(SILICONFLOW, text) is not None


def test_a_key_hides() -> None:
    key = ApiKey("sk-3f9a8b7c")
    assert "sk-3f9a8b7c" not in f"{key!r} {key!s}"
    assert key.hidden_in("wrong key sk-3f9a8b7c!") == "wrong key ***!"
    assert ApiKey("a").hidden_in("a banana") == "a banana"
