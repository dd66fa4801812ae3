"""Pages that stand alone: one file of HTML without anything from elsewhere."""

import os
import platform
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from .. import __version__
from ..errors import SettingsError
from . import report_words as words
from .plot_canvas import NUM_SERIES, dash_arrays


def render(template: str, **values: Any) -> str:
    """A page of the folder `templates`. Everything in `values` is escaped, unless it is Markup."""
    page = _environment().get_template(template).render(dashes=dash_arrays(), **values)
    return page.encode("utf-8", "replace").decode()  # a lone surrogate is no text and cannot be sent


def write_page(page: str, file: Path) -> None:
    """Raises SettingsError if the file cannot be written."""
    try:
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"the report {file} cannot be written: {error.strerror}") from None


def origin() -> list[tuple[str, str]]:
    """What made a page, when and where."""
    return [
        ("finerank", __version__),
        ("date", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")),
        ("machine", machine()),
    ]


def machine() -> str:
    """System, CPUs and Python, without a name that could tell whose it is."""
    num_cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    cpus = words.counted(num_cpus, "CPU")
    return f"{platform.system()} {platform.machine()}, {cpus}, Python {platform.python_version()}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("finerank.evaluation"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {
        "figure": words.figure,
        "signed": words.signed,
        "share": words.share,
        "milliseconds": words.milliseconds,
        "words": words.as_words,
        "counted": words.counted,
        "series": lambda number: number % NUM_SERIES + 1,
        "p_value": words.p_value,
    }
    return environment
