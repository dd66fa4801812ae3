"""`finerank compare`: models, dtypes, instructions and prompts over the same candidates: what helps, at what cost?"""

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.text import Text

from . import options
from .console import heard_warnings, on_one_line, show
from .evaluation_contenders import HELP, read_contenders
from .evaluation_options import Asked
from .evaluation_output import Outputs
from .evaluation_progress import progress_bars
from .option_groups import Loading, grouped

if TYPE_CHECKING:
    from ..evaluation.types import CorpusDocument, Evaluation

_SHOWN_CHARACTERS: Final = 90
Contenders = Annotated[list[str], typer.Argument(metavar="CONTENDER...", help=HELP, show_default=False)]
Worst = Annotated[
    int,
    typer.Option(
        "--worst",
        min=0,
        help="So many queries that lost most against the first contender are shown.",
        rich_help_panel=options.OUTPUT_PANEL,
    ),
]
RunOf = Annotated[
    int,
    typer.Option("--run-of", min=1, help="Which contender's order --run writes.", rich_help_panel=options.OUTPUT_PANEL),
]


@grouped
def compare(
    asked: Asked,
    contenders: Contenders,
    *,
    loading: Loading,
    worst: Worst = 3,
    outputs: Outputs,
    run_of: RunOf = 1,
) -> None:
    """Compare rerankers that differ in model, dtype, instruction, prompt form or length.

    Each is tested against the first stage and against those before it; the p values are corrected by Holm's method.
    Options of the model hold for every contender that says nothing else.
    """
    spelled = read_contenders(contenders)
    if run_of > len(spelled):
        raise typer.BadParameter(f"there are {len(spelled)} contenders", param_hint="--run-of")
    outputs.check()
    asked.check()
    dataset = asked.dataset()
    outputs.check_ids(dataset)
    with heard_warnings(), progress_bars() as on_progress:
        from ..evaluation.evaluator import compare as measure

        found = [each.contender(loading.options) for each in spelled]
        evaluation = measure(dataset, found, **asked.options(loading), on_progress=on_progress)
    outputs.show_and_write(evaluation, lambda: _print(evaluation, worst), _worse(evaluation, worst), run_stage=run_of)


def _worse(evaluation: "Evaluation", num: int) -> dict[str, Any]:
    """For the JSON: what each contender made worse, against the first one."""
    from ..evaluation.records import regression_records

    baseline, *others = _contenders(evaluation)
    found = {name: regression_records(evaluation, baseline, name, num) for name in others}
    return {"worse_than": baseline, "worse": found}


def _print(evaluation: "Evaluation", num: int) -> None:
    from .evaluation_table import print_comparison, verdict

    print_comparison(evaluation)
    baseline, *others = _contenders(evaluation)
    for name in others:
        for test in evaluation.tests:
            if (test.metric, test.a, test.b) == (evaluation.metrics[0], baseline, name):
                show(Text(on_one_line(verdict(test)), "bold"))
        _print_worse(evaluation, baseline, name, num)


def _print_worse(evaluation: "Evaluation", a: str, b: str, num: int) -> None:
    from ..evaluation.regression import regressions

    for each in regressions(evaluation, a, b, num):
        values = f"{each.metric} {each.a_value:.4f} -> {each.b_value:.4f}"
        show(Text(on_one_line(f"worse: {each.query_id} {each.query!r}: {values}")))
        for fallen in each.fallen:
            place = f"to rank {fallen.b_rank}" if fallen.b_rank is not None else "out of the ranking"
            said = f"  {_shown(evaluation, fallen.document_id)} fell from rank {fallen.a_rank} {place}"
            show(Text(said, "yellow"))
            for above in fallen.above:
                show(Text(f"    below {_shown(evaluation, above)}", "dim"))


def _shown(evaluation: "Evaluation", document_id: str) -> str:
    document: CorpusDocument | None = evaluation.dataset.corpus.get(document_id)
    text = on_one_line(document.full_text) if document is not None else ""
    excerpt = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
    return on_one_line(f"{document_id} {excerpt!r}")


def _contenders(evaluation: "Evaluation") -> list[str]:
    return [stage.name for stage in evaluation.stages if stage.kind == "reranked"]
