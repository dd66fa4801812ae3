"""Dataclasses as groups of options."""

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from finerank.cli.option_groups import Loading, grouped, is_path


@dataclass(frozen=True)
class Size:
    width: Annotated[int, typer.Argument()]
    height: Annotated[int, typer.Option("--height", "-h")] = 3


def test_a_dataclass_stands_for_its_fields() -> None:
    app, seen = typer.Typer(), []

    @app.command()
    @grouped
    def draw(size: Size, name: Annotated[str, typer.Argument()], *, is_bold: bool = False) -> None:
        """Draws."""
        seen.append((size, name, is_bold))

    assert CliRunner().invoke(app, ["7", "box", "-h", "2", "--is-bold"]).exit_code == 0
    assert CliRunner().invoke(app, ["7", "box"]).exit_code == 0
    assert seen == [(Size(7, 2), "box", True), (Size(7), "box", False)]
    assert CliRunner().invoke(app, ["wide", "box"]).exit_code == 2
    assert "Draws." in CliRunner().invoke(app, ["--help"]).stdout


def test_what_was_given_is_what_is_not_at_its_default() -> None:
    assert Loading().given == {}
    assert Loading(dtype="bf16", max_length=512).given == {"dtype": "bf16", "max_length": 512}


@pytest.mark.parametrize("text", ["x" * 300, "a\0b", "~nobody-of-that-name/x", ""])
def test_a_text_that_can_be_no_name_is_no_path(text: str) -> None:
    assert is_path(text) == (text == "")
