"""`finerank serve`: the HTTP server and its web page.

Every field of `Settings` is a flag; its default and description are written there alone. A flag that was not given is
None, so that the file and the environment keep their say.
"""

from collections.abc import Callable
from inspect import Parameter, Signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, get_args, get_origin

import typer

from ..errors import SettingsError

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

_EXTRA: Final = "pip install 'finerank[server]'"
_SHORT: Final = {"model": "-m"}


def serve_command() -> Callable[..., None]:
    """The command, with a flag for each setting; without the server extra, one that says what to install."""
    try:
        from ..settings import Settings
    except ModuleNotFoundError as error:
        return _without_extra(error.name or "a package")
    flags = [_parameter(name, field) for name, field in Settings.model_fields.items() if field.json_schema_extra]

    def serve(config: Path | None = None, **given: Any) -> None:
        """Start the server: every rerank API that clients already speak, and a web page."""
        try:
            from ..server.serve import serve as serve_settings
        except ModuleNotFoundError as error:
            raise _missing(error.name or "a package") from error
        from ..settings import load_settings

        serve_settings(load_settings(config, **{name: value for name, value in given.items() if value != []}))

    serve.__signature__ = Signature([_CONFIG, *flags])  # type: ignore[attr-defined]
    serve.__annotations__ = {each.name: each.annotation for each in (_CONFIG, *flags)}
    return serve


def _parameter(name: str, field: "FieldInfo") -> Parameter:
    """A keyword of the command; typer makes a flag of it."""
    flag = "--" + name.replace("_", "-")
    kind = _flag_type(field.annotation)
    names = [f"{flag}/--no-{flag[2:]}" if kind is bool else flag, *([_SHORT[name]] if name in _SHORT else [])]
    extra: Any = field.json_schema_extra
    option = typer.Option(
        *names, help=_sentence(field), show_default=_shown_default(field), rich_help_panel=extra["panel"]
    )
    return Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option])


def _flag_type(annotation: Any) -> Any:
    """What typer should read: the type without None, lists for tuples."""
    if get_origin(annotation) is Annotated:
        return _flag_type(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return annotation
    if get_origin(annotation) is tuple:
        return list[str]
    members = [_flag_type(each) for each in get_args(annotation) if each is not type(None)]
    return members[0] if members else annotation


def _sentence(field: "FieldInfo") -> str:
    text = (field.description or "").removeprefix("true or false: ")
    return text[:1].upper() + text[1:] + "."


def _shown_default(field: "FieldInfo") -> str | bool:
    """Defaults in words, as typer knows only None."""
    default = field.default
    if isinstance(default, bool):
        return "on" if default else "off"
    if default is None or default == ():
        return False
    return f"{default:g}" if isinstance(default, float) else str(default)


def _without_extra(package: str) -> Callable[..., None]:
    def serve() -> None:
        """Start the server (needs the server extra)."""
        raise _missing(package)

    return serve


def _missing(package: str) -> SettingsError:
    return SettingsError(f"the server needs {package.split('.')[0]}: {_EXTRA}")


_CONFIG: Final = Parameter(
    "config",
    Parameter.KEYWORD_ONLY,
    default=None,
    annotation=Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            help="TOML file of settings. Flags win over FINERANK_... variables, which win over the file.",
            show_default="none",
        ),
    ],
)
