"""`finerank mine`: hard negatives for training data, from its own documents."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ..errors import InputError
from ..instructions import resolve_instruction
from ..training.mining_options import TEACHER_MARGIN, FirstStageName, Margin, MiningOptions, RankWindow, Sampling
from . import options
from .console import advise, heard_warnings, is_watched, to_json, warn
from .evaluation_contenders import EMBEDDED
from .evaluation_options import CacheFolder, cache_folder, check_outputs, load_embedder
from .evaluation_progress import progress_bars
from .option_groups import Loading, grouped, is_remote, refuse_loading
from .rerank import Instruction, Preset

if TYPE_CHECKING:
    from ..embedder import Embedder
    from ..reranker import Reranker
    from ..training.mining import Mined

_DATA_PANEL: Final = "Data"
_FIRST_STAGE_PANEL: Final = "First stage"
_NEGATIVES_PANEL: Final = "Negatives"
_TEACHER_PANEL: Final = "Teacher"
_DEFAULTS: Final = MiningOptions()
_SUFFIXES: Final = (".jsonl", ".ndjson")
_FOR_ANY: Final = ("max_length", "long_documents", "self_test")
"""Options that a model behind an API takes, too."""


def _of(panel: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, rich_help_panel=panel, **more)


Data = Annotated[
    Path,
    typer.Argument(
        metavar="DATA",
        help="A BEIR folder, JSONL with query, positives and negatives, ms-swift's messages, or pairs of query, "
        "document and label (.csv, .jsonl, .json).",
        show_default=False,
    ),
]
Output = Annotated[
    Path,
    _of(
        options.OUTPUT_PANEL,
        "--output",
        "-o",
        metavar="FILE.jsonl",
        help="The data with its negatives, as finerank train reads it.",
        show_default=False,
    ),
]
Overwrite = Annotated[bool, _of(options.OUTPUT_PANEL, "--overwrite", help="Replace an output that is there already.")]
Split = Annotated[str | None, _of(_DATA_PANEL, "--split", help="Of a BEIR folder's qrels.", show_default="train")]
Corpus = Annotated[
    Path | None,
    _of(
        _DATA_PANEL,
        "--corpus",
        metavar="FILE",
        help="More documents to find negatives among: .jsonl with text and perhaps title, .csv with text, or .txt "
        "with one a line.",
        show_default="the data's own documents alone",
    ),
]
FirstStage = Annotated[
    FirstStageName, _of(_FIRST_STAGE_PANEL, "--first-stage", "-f", help="Whose ranking they come from.")
]
EmbeddingModel = Annotated[
    str | None,
    _of(
        _FIRST_STAGE_PANEL,
        "--embedding-model",
        help="Hub id or folder, for dense and hybrid.",
        show_default="all-MiniLM-L6-v2",
    ),
]
Language = Annotated[
    str | None,
    _of(
        _FIRST_STAGE_PANEL,
        "--language",
        help="Of the documents, for BM25's terms, such as en, de, zh.",
        show_default="guessed",
    ),
]
Depth = Annotated[int, _of(_FIRST_STAGE_PANEL, "--depth", min=1, help="So many documents it returns for a query.")]
Ranks = Annotated[
    str,
    _of(
        _NEGATIVES_PANEL,
        "--ranks",
        metavar="FIRST:LAST",
        help="Ranks of negatives, counted from 1 over what is no known positive. The first few are often positives "
        "that nobody labelled.",
    ),
]
Negatives = Annotated[
    int, _of(_NEGATIVES_PANEL, "--negatives", "-n", min=0, help="Mined for each query, besides those in the data.")
]
Random = Annotated[
    int, _of(_NEGATIVES_PANEL, "--random", min=0, help="More for each query, from all documents it did not find.")
]
SamplingName = Annotated[
    Sampling, _of(_NEGATIVES_PANEL, "--sampling", help="Which of the ranks: at random, or the top ones.")
]
Fill = Annotated[bool, _of(_NEGATIVES_PANEL, "--fill", help="Give queries with too few of them random ones instead.")]
MarginText = Annotated[
    str | None,
    _of(
        _NEGATIVES_PANEL,
        "--margin",
        metavar="SHARE|NUMBER|off",
        help="How far below the lowest positive's score: 5% of it, or 0.5. Of the first stage's scores; with a "
        "--teacher a share of its probability, a number of its log-odds.",
        show_default=f"off; {TEACHER_MARGIN} with a --teacher",
    ),
]
Seed = Annotated[int, _of(_NEGATIVES_PANEL, "--seed", min=0, help="Of everything that is drawn at random.")]
Teacher = Annotated[
    str | None,
    _of(
        _TEACHER_PANEL,
        "--teacher",
        metavar="MODEL",
        help=f"A stronger reranker (hub id, folder, PROVIDER:MODEL, or {EMBEDDED}): what it likes is no negative, and "
        "its log-odds are written for distillation.",
        show_default="none",
    ),
]
Threshold = Annotated[
    float | None,
    _of(
        _TEACHER_PANEL,
        "--teacher-threshold",
        metavar="P",
        help="Nor is what it gives a probability above this.",
        show_default="none",
    ),
]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which negatives, and how many."""

    first_stage: FirstStage = "bm25"
    embedding_model: EmbeddingModel = None
    language: Language = None
    depth: Depth = _DEFAULTS.depth
    ranks: Ranks = str(_DEFAULTS.ranks)
    negatives: Negatives = _DEFAULTS.negatives
    random: Random = _DEFAULTS.random
    sampling: SamplingName = "random"
    fill: Fill = False
    margin: MarginText = None
    seed: Seed = _DEFAULTS.seed
    teacher: Teacher = None
    teacher_threshold: Threshold = None

    def options(self, instruction: str | None) -> MiningOptions:
        """Raises InputError for what contradicts itself."""
        default = None if self.teacher is None else TEACHER_MARGIN
        asked = MiningOptions(
            first_stage=self.first_stage,
            language=self.language,
            depth=self.depth,
            ranks=RankWindow.parse(self.ranks),
            negatives=self.negatives,
            random=self.random,
            sampling=self.sampling,
            fill=self.fill,
            margin=default if self.margin is None else Margin.parse(self.margin),
            threshold=self.teacher_threshold,
            instruction=instruction,
            seed=self.seed,
        )
        asked.check(has_teacher=self.teacher is not None)
        return asked

    def check_loading(self, loading: Loading) -> None:
        """Raises InputError for options of a model where there is none to have them."""
        if self.embedding_model is not None and self.first_stage == "bm25":
            raise InputError("--embedding-model has no effect on --first-stage bm25; leave one of them out")
        if self.language is not None and self.first_stage == "dense":
            raise InputError("--language has no effect on --first-stage dense; leave one of them out")
        useful = () if self.first_stage == "bm25" else tuple(loading.for_embedder)
        if self.teacher is not None and is_remote(self.teacher):
            refuse_loading([name for name in loading.given if name not in (*useful, *_FOR_ANY)], self.teacher)
        elif self.teacher is None and set(loading.given) - set(useful):
            flags = ", ".join(f"--{name.replace('_', '-')}" for name in loading.given if name not in useful)
            raise InputError(f"{flags} has no effect without a --teacher; leave it out")


@grouped
def mine(
    data: Data,
    *,
    output: Output,
    split: Split = None,
    corpus: Corpus = None,
    wanted: Wanted,
    instruction: Instruction = None,
    preset: Preset = None,
    loading: Loading,
    cache: CacheFolder = None,
    overwrite: Overwrite = False,
    as_json: options.AsJson = False,
) -> None:
    """Find hard negatives: documents that the first stage takes for answers, and that are none.

    Never one: a text that equals a positive of the query, or the query itself. With a teacher also none that it likes
    as well as the query's positives. An interrupted run goes on where it was.
    """
    _check_output(output, data, overwrite=overwrite)
    asked = wanted.options(resolve_instruction(instruction, preset))
    wanted.check_loading(loading)
    from ..training.example_writer import write_examples
    from ..training.mining import mine as search
    from ..training.mining_corpus import read_documents
    from ..training.sources import read_training_data

    training = read_training_data(data, split=split)
    messages = list(training.warnings)
    documents = [*training.documents, *(() if corpus is None else read_documents(corpus, messages))]
    for message in messages:
        warn(message)
    with heard_warnings(), progress_bars() as on_progress:
        mined = search(
            training.examples,
            documents,
            asked,
            teacher=None if wanted.teacher is None else partial(_reranker, wanted.teacher, loading),
            embedder=partial(_embedder, wanted.embedding_model, loading),
            cache=cache_folder(cache),
            on_progress=on_progress,
        )
    for message in mined.report.warnings:
        warn(message)
    write_examples(mined.examples, output.expanduser())
    _show(mined, data, output, as_json=as_json)


def _check_output(output: Path, data: Path, *, overwrite: bool) -> None:
    check_outputs(output)
    path = output.expanduser()
    if path.suffix.lower() not in _SUFFIXES:
        raise InputError(f"{output} is written as JSON Lines; give it a name that ends with .jsonl")
    if path.exists() and data.expanduser().exists() and path.samefile(data.expanduser()):
        raise InputError(f"{output} is the data itself; name another file")
    if path.exists() and not overwrite:
        raise InputError(f"{output} exists; name another file, or replace it with --overwrite")


def _reranker(teacher: str, loading: Loading) -> "Reranker":
    if is_watched():
        advise(f"loading {teacher} ...")
    from ..reranker import Reranker

    given = {name: value for name, value in loading.options.items() if not is_remote(teacher) or name in _FOR_ANY}
    return Reranker(None if teacher == EMBEDDED else teacher, **given)


def _embedder(model: str | None, loading: Loading) -> "Embedder":
    if is_watched():
        advise(f"loading {model or 'the embedded model'} ...")
    return load_embedder(model, loading)


def _show(mined: "Mined", data: Path, output: Path, *, as_json: bool) -> None:
    if as_json:
        typer.echo(to_json({"output": str(output), **mined.report.as_record(mined.pool)}, indent=2))
        return
    from .mining_table import print_mined

    print_mined(mined, data.name)
    typer.echo(f"{output}: {len(mined.examples):,} examples")
