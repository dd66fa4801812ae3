"""`finerank eval`: does reranking help on these data, and by how much?"""

from typing import TYPE_CHECKING, Annotated, Any

from ..errors import InputError
from ..instructions import resolve_instruction
from ..models.embedded import ADVICE
from . import options
from .console import advise, heard_warnings, is_watched
from .evaluation_options import Asked
from .evaluation_output import Outputs
from .evaluation_progress import progress_bars
from .option_groups import Loading, grouped
from .rerank import Instruction, Preset

if TYPE_CHECKING:
    from ..evaluation.types import Dataset, Evaluation
    from ..reranker import Reranker

NoRerank = Annotated[bool, options.model_option("--no-rerank", help="Measure the first stage alone.")]
Price = Annotated[
    float | None,
    options.model_option("--price", min=0.0, help="Of a million tokens, for the table's costs.", show_default=False),
]


@grouped
def evaluate(
    asked: Asked,
    *,
    model: options.Model = None,
    no_rerank: NoRerank = False,
    instruction: Instruction = None,
    preset: Preset = None,
    loading: Loading,
    price: Price = None,
    outputs: Outputs,
) -> None:
    """Measure what reranking does for the results of a first stage, with a significance test.

    The first stage's best are reranked, nothing is added to them. Shown beside: the best order that these documents
    could have. nDCG is trec_eval's, ties are broken as trec_eval does, and queries without results count 0.
    """
    outputs.check()
    asked.check()
    if no_rerank:
        _refuse_reranking({"--model": model, "--instruction": instruction, "--preset": preset, "--price": price})
    instruction = resolve_instruction(instruction, preset)
    dataset = asked.dataset()
    outputs.check_ids(dataset)
    is_alone = no_rerank or not _is_to_rerank(dataset, model)
    with heard_warnings(), progress_bars() as on_progress:
        evaluation = _measured(
            dataset,
            None if is_alone else _loaded(model, loading),
            **asked.options(loading),
            instruction=instruction,
            price_per_million=price,
            on_progress=on_progress,
        )
    outputs.show_and_write(evaluation, lambda: _print(evaluation), run_stage=0 if is_alone else 1)
    if any(stage.model is not None and stage.model.is_default for stage in evaluation.stages):
        advise(ADVICE)


def _refuse_reranking(given: dict[str, object]) -> None:
    flags = ", ".join(flag for flag, value in given.items() if value is not None)
    if flags:
        raise InputError(f"--no-rerank measures the first stage alone, where {flags} has no effect; leave it out")


def _is_to_rerank(dataset: "Dataset", model: str | None) -> bool:
    """Without texts only the first stage can be measured, which is what is wanted if no model was named."""
    if dataset.corpus:
        return True
    if model is not None:
        raise InputError(f"{dataset.name} has no texts for {model} to read; give --queries and --corpus")
    advise("no texts were given, so only the first stage is measured; --queries and --corpus bring them")
    return False


def _loaded(model: str | None, loading: Loading) -> "Reranker":
    if is_watched():
        advise(f"loading {model or 'the embedded model'} ...")
    from ..reranker import Reranker

    # Not closed: closing waits for the batch in hand, and Ctrl-C should not.
    return Reranker(model, **loading.options)


def _measured(dataset: "Dataset", reranker: "Reranker | None", **more: Any) -> "Evaluation":
    from ..evaluation.evaluator import evaluate as measure

    return measure(dataset, reranker, **more)


def _print(evaluation: "Evaluation") -> None:
    from .evaluation_table import print_evaluation

    print_evaluation(evaluation)
