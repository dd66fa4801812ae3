"""What stands on the terminal is what was said: names with brackets in bars, tables and sentences."""

import pytest
from rich.table import Table

from finerank.cli import console


def test_brackets_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("org/model [bfloat16]")
    table.add_row("[/x]")
    console.show(table, "a sentence of [bold]")
    shown = capsys.readouterr().out
    for part in ("[bfloat16]", "[/x]", "[bold]"):
        assert part in shown


@pytest.mark.parametrize("name", ["a/b [bfloat16]", "[/x]"])
def test_bars_show_a_name_as_it_is(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with console.bars() as progress:
        progress.add_task(name, total=2)
        progress.console.print(progress.get_renderable())
    assert name in capsys.readouterr().err
