"""What goes to the terminal: results to standard output, everything else to standard error."""

import json
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import typer
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from ..errors import FinerankWarning

OnProgress: TypeAlias = Callable[[int, int], None]
"""Called with (done, total)."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")


def show(*parts: RenderableType) -> None:
    """On standard output; a Text keeps its length, a string is wrapped to the terminal. Brackets are no markup.

    Printed in one go by typer, since rich hides a broken pipe behind an exit of its own. What the terminal's encoding
    cannot show is replaced.
    """
    console = Console(highlight=False, markup=False)
    with console.capture() as capture:
        for part in parts:
            console.print(part, soft_wrap=isinstance(part, Text))
    encoding = sys.stdout.encoding or "utf-8"
    typer.echo(capture.get().encode(encoding, "replace").decode(encoding), nl=False)


def complain(message: str) -> None:
    """An error, red."""
    _note(f"error: {message}", "bold red")


def warn(message: str) -> None:
    """Something that worked, but not as one may expect."""
    _note(f"warning: {message}", "yellow")


def advise(message: str) -> None:
    """Something worth knowing."""
    _note(message, "dim")


def on_one_line(text: str) -> str:
    """`text` without line breaks and without anything that could command the terminal."""
    return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", " ".join(_CONTROL.sub(" ", text).split()))


def to_json(value: Any, indent: int | None = None) -> str:
    """Readable in any script where standard output can show it, escaped where it cannot."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(value, allow_nan=False, indent=indent)
    return text


def is_watched() -> bool:
    """Is somebody looking at standard error?"""
    return sys.stderr.isatty()


@contextmanager
def heard_warnings() -> Iterator[list[str]]:
    """Shows every FinerankWarning of the block as it comes, and collects them."""
    heard: list[str] = []

    def show(message: Warning | str, category: type[Warning], *others: Any, **more: Any) -> None:
        if not issubclass(category, FinerankWarning):
            original(message, category, *others, **more)
            return
        heard.append(str(message))
        warn(str(message))

    with warnings.catch_warnings():
        original: Callable[..., None] = warnings.showwarning
        warnings.simplefilter("always", FinerankWarning)
        warnings.showwarning = show
        yield heard


@contextmanager
def progress_bar(what: str) -> Iterator[OnProgress | None]:
    """A bar on standard error that the yielded function moves; None if nobody is looking."""
    if not is_watched():
        yield None
        return
    with bars() as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def bars() -> Progress:
    """Bars on standard error that leave nothing behind. What they are called is shown as it is, brackets too."""
    called = TextColumn("{task.description}", markup=False)
    columns = (called, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _note(message: str, style: str) -> None:
    Console(stderr=True, highlight=False).print(Text(on_one_line(message), style), soft_wrap=True)
