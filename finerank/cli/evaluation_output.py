"""An evaluation to files and to standard output, in every form that was asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..errors import SettingsError
from .console import advise, to_json, warn
from .evaluation_options import JsonFile, PerQueryFile, ReportFile, RunFile, check_outputs

if TYPE_CHECKING:
    from ..evaluation.types import Dataset, Evaluation

_STANDARD_OUTPUT = "-"


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where the results go; None = nowhere.   json_file: "-" is standard output, which then holds nothing else."""

    json_file: JsonFile = None
    run_file: RunFile = None
    per_query_file: PerQueryFile = None
    report_file: ReportFile = None

    def check(self) -> None:
        """Raises InputError before any work if a file could not be written."""
        check_outputs(self.json_file, self.run_file, self.per_query_file, self.report_file)
        if self.report_file is not None:
            from ..evaluation import report  # noqa: F401  a missing package must show before hours of work

    def check_ids(self, dataset: "Dataset") -> None:
        """Raises InputError before any work if the ids cannot stand in the run that was asked for."""
        from ..evaluation.trec import check_ids

        if self.run_file is not None:
            check_ids(dataset.qrels)
            check_ids(dataset.corpus)

    def show_and_write(
        self,
        evaluation: "Evaluation",
        print_tables: Callable[[], None],
        more: dict[str, Any] | None = None,
        run_stage: int = 1,
    ) -> None:
        """First what was odd, then the tables unless standard output is the JSON's, then the files.

        more: joins the JSON.   run_stage: position of the stage whose run is written.
        """
        for message in [*evaluation.dataset.warnings, *evaluation.warnings]:
            warn(message)
        if self.json_file != _STANDARD_OUTPUT:
            print_tables()
        self._write(evaluation, more or {}, run_stage)

    def _write(self, evaluation: "Evaluation", more: dict[str, Any], run_stage: int) -> None:
        from ..evaluation.records import evaluation_record, write_per_query
        from ..evaluation.trec import write_run

        stage = evaluation.stages[run_stage]
        _write(self.run_file, lambda file: write_run(stage.run, file, stage.name))
        _write(self.per_query_file, lambda file: write_per_query(evaluation, file))
        if self.report_file is not None:
            from ..evaluation.report import write_report

            _write(self.report_file, lambda file: write_report(evaluation, file))
        if self.json_file is not None:
            text = to_json(evaluation_record(evaluation) | more, indent=2) + "\n"
            if self.json_file == _STANDARD_OUTPUT:
                typer.echo(text, nl=False)
            else:
                _write(Path(self.json_file), lambda file: file.write_text(text, encoding="utf-8"))


def _write(file: Path | None, write: Callable[[Path], object]) -> None:
    if file is None:
        return
    try:
        write(file.expanduser())
    except OSError as error:
        raise SettingsError(f"{file} cannot be written: {error.strerror}") from None
    advise(f"wrote {file}")
