"""Options that several commands have in common, as dataclasses.

A parameter of a command that is annotated with such a dataclass stands for its fields: typer sees one option for each,
and the command gets the object.
"""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import wraps
from inspect import Parameter
from pathlib import Path
from typing import Any, get_type_hints

from ..client.providers import split_name
from ..errors import InputError
from . import options


@dataclass(frozen=True, slots=True)
class Loading:
    """How a model on this machine is loaded."""

    revision: options.Revision = None
    hub: options.HubName = "huggingface"
    device: options.Device = "auto"
    dtype: options.Dtype = "auto"
    max_length: options.MaxLength = 8192
    long_documents: options.LongDocumentsMode = "truncate"
    prompt_form: options.PromptFormName = "readme"
    deterministic: options.Deterministic = False
    trust_remote_code: options.TrustRemoteCode = False
    self_test: options.SelfTest = "warn"

    @property
    def options(self) -> dict[str, Any]:
        """As `Reranker` takes them."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @property
    def given(self) -> dict[str, Any]:
        """Those that are not at their default."""
        return {each.name: self.options[each.name] for each in fields(self) if self.options[each.name] != each.default}

    @property
    def for_embedder(self) -> dict[str, Any]:
        """Those that hold for the model of the first stage, too."""
        return {name: self.options[name] for name in ("hub", "device", "dtype", "trust_remote_code")}


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the fields of its dataclasses as parameters, in their place."""
    parameters: list[Parameter] = []
    groups: dict[str, tuple[Callable[..., Any], list[str]]] = {}
    for parameter in inspect.signature(command).parameters.values():
        kind = parameter.annotation
        members = _parameters_of(kind) if is_dataclass(kind) else [parameter.replace(kind=Parameter.KEYWORD_ONLY)]
        if is_dataclass(kind) and callable(kind):
            groups[parameter.name] = kind, [each.name for each in members]
        parameters += members

    @wraps(command)
    def run(**given: Any) -> None:
        built = {name: kind(**{each: given.pop(each) for each in names}) for name, (kind, names) in groups.items()}
        command(**built, **given)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what inspect looks for
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def provider_source(model: str | None, provider: str | None, base_url: str | None) -> str | None:
    """PROVIDER or PROVIDER:MODEL if an API is to be asked, None for a model on this machine."""
    if provider is not None:
        return provider if model is None else f"{provider}:{model}"
    if model is not None and is_remote(model):
        return model
    if base_url is not None:
        raise InputError("--base-url is the address of a --provider; name that too")
    return None


def is_remote(model: str) -> bool:
    """PROVIDER:MODEL, and no folder of that name?"""
    return split_name(model) is not None and not is_path(model)


def is_path(text: str) -> bool:
    """Is there a file or folder of that name? A text that cannot be a name, such as a long one, is none."""
    try:
        return Path(text).expanduser().exists()
    except (OSError, RuntimeError, ValueError):
        return False


def refuse_loading(given: list[str], source: str) -> None:
    """given: options of a model that is computed here. Raises InputError if there are any."""
    if given:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise InputError(f"{source} is computed by its provider, where {flags} has no effect; leave it out")


def _parameters_of(group: Any) -> list[Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        Parameter(
            each.name,
            Parameter.KEYWORD_ONLY,
            default=Parameter.empty if each.default is MISSING else each.default,
            annotation=hints[each.name],
        )
        for each in fields(group)
    ]
