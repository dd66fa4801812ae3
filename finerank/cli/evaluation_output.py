"""An evaluation to files and to standard output, in every form that was asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..errors import SettingsError
from .console import advise, to_json, warn
from .evaluation_options import check_outputs

if TYPE_CHECKING:
    from ..evaluation.types import Evaluation

_STANDARD_OUTPUT = "-"


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where the results go; None = nowhere.   json_file: "-" is standard output, which then holds nothing else."""

    json_file: str | None = None
    run_file: Path | None = None
    per_query_file: Path | None = None
    report_file: Path | None = None

    @property
    def has_table(self) -> bool:
        return self.json_file != _STANDARD_OUTPUT

    def check(self) -> None:
        """Raises InputError before any work if a file could not be written."""
        check_outputs(self.json_file, self.run_file, self.per_query_file, self.report_file)
        if self.report_file is not None:
            from ..evaluation import report  # noqa: F401  a missing package must show before hours of work

    def write(self, evaluation: "Evaluation", more: dict[str, Any], run_stage: int = 1) -> None:
        """more: joins the JSON.   run_stage: position of the stage whose run is written."""
        from ..evaluation.records import evaluation_record, write_per_query
        from ..evaluation.trec import write_run

        for message in [*evaluation.dataset.warnings, *evaluation.warnings]:
            warn(message)
        try:
            if self.run_file is not None:
                stage = evaluation.stages[run_stage]
                write_run(stage.run, self.run_file.expanduser(), stage.name)
            if self.per_query_file is not None:
                write_per_query(evaluation, self.per_query_file.expanduser())
            if self.report_file is not None:
                from ..evaluation.report import write_report

                write_report(evaluation, self.report_file.expanduser())
            if self.json_file is not None:
                self._write_json(evaluation_record(evaluation) | more)
        except OSError as error:
            raise SettingsError(f"{error.filename} cannot be written: {error.strerror}") from None
        for file in (self.run_file, self.per_query_file, self.report_file):
            if file is not None:
                advise(f"wrote {file}")

    def _write_json(self, record: dict[str, Any]) -> None:
        text = to_json(record, indent=2)
        if self.json_file == _STANDARD_OUTPUT:
            typer.echo(text)
        elif self.json_file is not None:
            Path(self.json_file).expanduser().write_text(text + "\n", encoding="utf-8")
            advise(f"wrote {self.json_file}")
