"""`finerank eval`: does reranking help on these data, and by how much?"""

from typing import TYPE_CHECKING, Annotated, Any

from ..errors import InputError
from ..instructions import resolve_instruction
from ..models.embedded import ADVICE
from . import evaluation_options as asked_for
from . import options
from .console import advise, heard_warnings, is_watched
from .evaluation_options import Asked
from .evaluation_output import Outputs
from .evaluation_progress import progress_bars
from .rerank import Instruction, Preset

if TYPE_CHECKING:
    from ..evaluation.types import Dataset, Evaluation

NoRerank = Annotated[bool, options.model_option("--no-rerank", help="Measure the first stage alone.")]
Price = Annotated[
    float | None,
    options.model_option("--price", min=0.0, help="Of a million tokens, for the table's costs.", show_default=False),
]


def evaluate(
    data: asked_for.Data,
    split: asked_for.Split = None,
    queries_from: asked_for.QueriesFrom = None,
    corpus_from: asked_for.CorpusFrom = None,
    queries: asked_for.Queries = None,
    corpus: asked_for.Corpus = None,
    drop_identical_ids: asked_for.DropIdentical = False,
    limit: asked_for.Limit = None,
    seed: asked_for.Seed = 0,
    first_stage: asked_for.FirstStage = "bm25",
    depth: asked_for.Depth = 100,
    recall: asked_for.NumResults = None,
    language: asked_for.Language = None,
    embedding_model: asked_for.EmbeddingModel = None,
    model: options.Model = None,
    no_rerank: NoRerank = False,
    instruction: Instruction = None,
    preset: Preset = None,
    revision: options.Revision = None,
    hub: options.HubName = "huggingface",
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    max_length: options.MaxLength = 8192,
    long_documents: options.LongDocumentsMode = "truncate",
    prompt_form: options.PromptFormName = "readme",
    deterministic: options.Deterministic = False,
    trust_remote_code: options.TrustRemoteCode = False,
    self_test: options.SelfTest = "warn",
    price: Price = None,
    metrics: asked_for.Metrics = None,
    cache: asked_for.CacheFolder = None,
    json_file: asked_for.JsonFile = None,
    run_file: asked_for.RunFile = None,
    per_query_file: asked_for.PerQueryFile = None,
    report_file: asked_for.ReportFile = None,
) -> None:
    """Measure what reranking does for the results of a first stage, with a significance test.

    The first stage's best are reranked, nothing is added to them. Shown beside: the best order that these documents
    could have. nDCG is trec_eval's, ties are broken as trec_eval does, and queries without results count 0.
    """
    asked = Asked(
        data, split, queries_from, corpus_from, queries, corpus, drop_identical_ids, limit, seed,
        first_stage, depth, recall, language, embedding_model, metrics, cache,
    )  # fmt: skip
    loading = {
        "revision": revision,
        "hub": hub,
        "device": device,
        "dtype": dtype,
        "max_length": max_length,
        "long_documents": long_documents,
        "prompt_form": prompt_form,
        "deterministic": deterministic,
        "trust_remote_code": trust_remote_code,
        "self_test": self_test,
    }
    outputs = Outputs(json_file, run_file, per_query_file, report_file)
    outputs.check()
    instruction = resolve_instruction(instruction, preset)
    dataset = asked.dataset()
    is_alone = no_rerank or not _is_to_rerank(dataset, model)
    with heard_warnings(), progress_bars() as on_progress:
        if is_alone:
            evaluation = _measured(dataset, None, asked, on_progress=on_progress)
        else:
            evaluation = _reranked(dataset, model, loading, asked, instruction, price, on_progress)
    outputs.write(evaluation, {}, run_stage=0 if is_alone else 1)
    if outputs.has_table:
        from .evaluation_table import print_evaluation

        print_evaluation(evaluation)
    if any(stage.model is not None and stage.model.is_default for stage in evaluation.stages):
        advise(ADVICE)


def _is_to_rerank(dataset: "Dataset", model: str | None) -> bool:
    """Without texts only the first stage can be measured, which is what is wanted if no model was named."""
    if dataset.corpus:
        return True
    if model is not None:
        raise InputError(f"{dataset.name} has no texts for {model} to read; give --queries and --corpus")
    advise("no texts were given, so only the first stage is measured; --queries and --corpus bring them")
    return False


def _reranked(
    dataset: "Dataset",
    model: str | None,
    loading: dict[str, Any],
    asked: Asked,
    instruction: str | None,
    price: float | None,
    on_progress: Any,
) -> "Evaluation":
    if is_watched():
        advise(f"loading {model or 'the embedded model'} ...")
    from ..reranker import Reranker

    # Not closed: closing waits for the batch in hand, and Ctrl-C should not.
    reranker = Reranker(model, **loading)
    return _measured(
        dataset, reranker, asked, instruction=instruction, price_per_million=price, on_progress=on_progress
    )


def _measured(dataset: "Dataset", reranker: Any, asked: Asked, **more: Any) -> "Evaluation":
    from ..evaluation.evaluator import evaluate as measure

    return measure(dataset, reranker, **asked.options(), **more)
