"""Options that `finerank eval` and `finerank compare` share, and some that others have, too."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ..client.providers import EMBEDDING_PROVIDERS, split_name
from ..errors import InputError
from ..evaluation.metrics import DEFAULT_METRICS
from .option_groups import Loading, is_path
from .options import OUTPUT_PANEL

if TYPE_CHECKING:
    from ..embedder import Embedder
    from ..evaluation.types import Dataset

DATA_PANEL: Final = "Data"
FIRST_STAGE_PANEL: Final = "First stage"
NO_CACHE: Final = "off"
RUN: Final = "run:FILE"
_FIRST_STAGES_WITH: Final = {
    "language": ("bm25", "hybrid"), "embedding_model": ("dense", "hybrid"), "recall": ("bm25", "dense", "hybrid"),
}  # fmt: skip
_KNOWN_STAGES: Final = ("bm25", "dense", "hybrid", RUN)


def _data(*names: str, **more: Any) -> Any:
    return typer.Option(*names, rich_help_panel=DATA_PANEL, **more)


def _first(*names: str, **more: Any) -> Any:
    return typer.Option(*names, rich_help_panel=FIRST_STAGE_PANEL, **more)


def _output(*names: str, **more: Any) -> Any:
    return typer.Option(*names, rich_help_panel=OUTPUT_PANEL, show_default=False, **more)


Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A BEIR folder (corpus.jsonl, queries.jsonl, qrels/SPLIT.tsv), a file of TREC qrels, or a .csv or .jsonl "
        "with query, document and label.",
        show_default=False,
    ),
]
Split = Annotated[
    str | None, _data("--split", help="Which of the folder's qrels.", show_default="dev, else test, else the only one")
]
QueriesFrom = Annotated[
    str | None,
    _data(
        "--queries-from", metavar="L", help="Folder of the queries, in a DATA of parallel folders.", show_default=False
    ),
]
CorpusFrom = Annotated[
    str | None,
    _data("--corpus-from", metavar="L", help="Folder of the documents and their judgements.", show_default=False),
]
Queries = Annotated[
    Path | None, _data("--queries", help="Texts for a DATA of TREC qrels: JSONL with _id, text.", show_default=False)
]
Corpus = Annotated[Path | None, _data("--corpus", help="Texts too: JSONL with _id, text, title.", show_default=False)]
DropIdentical = Annotated[
    bool, _data("--drop-identical-ids", help="A query's own id is no result for it (ArguAna, Quora).")
]
Limit = Annotated[
    int | None, _data("--limit", min=1, help="Only so many queries, drawn at random.", show_default="all")
]
Seed = Annotated[int, _data("--seed", min=0, help="Of the draw and of the tests.")]
FirstStage = Annotated[
    str, _first("--first-stage", "-f", help="bm25, dense, hybrid (both fused), or run:FILE (a TREC run).")
]
Depth = Annotated[int, _first("--depth", min=1, help="So many of its best are reranked; the rest follows behind.")]
NumResults = Annotated[
    int | None,
    _first("--recall", min=1, help="So many it returns for a query.", show_default="as many as depth and metrics need"),
]
Language = Annotated[
    str | None,
    _first("--language", help="Of the documents, for BM25's terms, such as en, de, zh.", show_default="guessed"),
]
EmbeddingModel = Annotated[
    str | None,
    _first("--embedding-model", help="Hub id or folder, for dense and hybrid.", show_default="all-MiniLM-L6-v2"),
]
Metrics = Annotated[
    list[str] | None,
    typer.Option(
        "--metrics",
        help="Names of ir_measures, separated by commas; the first is what the plots show.",
        show_default=",".join(DEFAULT_METRICS),
        rich_help_panel=OUTPUT_PANEL,
    ),
]
JsonFile = Annotated[str | None, _output("--json", metavar="FILE", help="The figures as JSON; - is standard output.")]
RunFile = Annotated[Path | None, _output("--run", help="The reranked order as a TREC run.")]
PerQueryFile = Annotated[Path | None, _output("--per-query", help="Each query's values, as .csv or .jsonl.")]
ReportFile = Annotated[Path | None, _output("--report", metavar="FILE.html", help="A page with plots.")]
CacheFolder = Annotated[
    str | None,
    typer.Option(
        "--cache",
        metavar="FOLDER",
        help="Where scores, vectors and runs are kept, so that a run can go on; off keeps nothing.",
        show_default="finerank in the user's cache folder",
    ),
]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is measured on what."""

    data: Data
    split: Split = None
    queries_from: QueriesFrom = None
    corpus_from: CorpusFrom = None
    queries: Queries = None
    corpus: Corpus = None
    drop_identical_ids: DropIdentical = False
    limit: Limit = None
    seed: Seed = 0
    first_stage: FirstStage = "bm25"
    depth: Depth = 100
    recall: NumResults = None
    language: Language = None
    embedding_model: EmbeddingModel = None
    metrics: Metrics = None
    cache: CacheFolder = None

    def check(self) -> None:
        """Raises InputError for an option that the first stage has no use for."""
        stage = RUN if self.first_stage.startswith("run:") else self.first_stage
        given = [name for name in ("language", "embedding_model", "recall") if getattr(self, name) is not None]
        useless = [name for name in given if stage not in _FIRST_STAGES_WITH[name]]
        if useless and stage in _KNOWN_STAGES:
            flags = ", ".join(f"--{name.replace('_', '-')}" for name in useless)
            raise InputError(f"{flags} has no effect on --first-stage {stage}; leave one of them out")

    def dataset(self) -> "Dataset":
        from ..evaluation.datasets import load_dataset, sample_queries

        dataset = load_dataset(
            self.data,
            split=self.split,
            queries_from=self.queries_from,
            corpus_from=self.corpus_from,
            queries=self.queries,
            corpus=self.corpus,
            drop_identical_ids=self.drop_identical_ids,
        )
        return dataset if self.limit is None else sample_queries(dataset, self.limit, self.seed)

    def options(self, loading: Loading) -> dict[str, Any]:
        """Keywords that `evaluate` and `compare` take.   loading: holds for the embedding model, too."""
        names = self.metrics or DEFAULT_METRICS
        return {
            "first_stage": self.first_stage,
            "depth": self.depth,
            "num_results": self.recall,
            "metrics": [name.strip() for each in names for name in _split(each) if name.strip()],
            "language": self.language,
            "embedder": lambda: load_embedder(self.embedding_model, loading),
            "cache": cache_folder(self.cache),
            "seed": self.seed,
        }


def load_embedder(model: str | None, loading: Loading) -> "Embedder":
    """The model of the first stage; what is computed by a provider takes no options of loading."""
    from ..embedder import Embedder

    is_remote = model is not None and split_name(model, EMBEDDING_PROVIDERS) is not None and not is_path(model)
    return Embedder(model, **({} if is_remote else loading.for_embedder))


def cache_folder(given: str | None) -> Path | None:
    """Of --cache; None = nothing is kept."""
    from ..evaluation.cache import default_folder

    if given == NO_CACHE:
        return None
    return default_folder() if given is None else Path(given).expanduser()


def check_outputs(*files: Path | str | None) -> None:
    """Refuses a folder that is not there before hours of work, not after. Raises InputError."""
    for file in files:
        if file is None or str(file) == "-":
            continue
        path = Path(file)
        if not path.expanduser().parent.is_dir():
            raise InputError(f"{file}: there is no folder {path.parent}; make it first")
        if path.expanduser().is_dir():
            raise InputError(f"{file} is a folder; name a file in it")


def _split(names: str) -> list[str]:
    """At commas outside parentheses: `P(rel=2)@5,nDCG(dcg='exp-log2',gains=...)@10` are two."""
    parts, level = [""], 0
    for character in names:
        level += (character in "({") - (character in ")}")
        if character == "," and level == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts
