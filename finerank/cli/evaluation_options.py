"""Options that `finerank eval` and `finerank compare` share, and what they mean."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ..errors import InputError
from .options import OUTPUT_PANEL

if TYPE_CHECKING:
    from ..embedder import Embedder
    from ..evaluation.types import Dataset

DATA_PANEL: Final = "Data"
FIRST_STAGE_PANEL: Final = "First stage"
DEFAULT_METRICS: Final = "nDCG@10,RR@10,AP@100,R@100,P@10"
NO_CACHE: Final = "off"


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
Seed = Annotated[int, _data("--seed", help="Of the draw and of the tests.")]
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
        show_default=DEFAULT_METRICS,
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


@dataclass(slots=True)
class Asked:
    """What is measured on what, as the command line has it."""

    data: str
    split: str | None
    queries_from: str | None
    corpus_from: str | None
    queries: Path | None
    corpus: Path | None
    drop_identical_ids: bool
    limit: int | None
    seed: int
    first_stage: str
    depth: int
    num_results: int | None
    language: str | None
    embedding_model: str | None
    metrics: list[str] | None
    cache: str | None

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

    def options(self) -> dict[str, Any]:
        """Keywords that `evaluate` and `compare` take."""
        from ..evaluation.cache import default_folder

        folder = default_folder() if self.cache is None else Path(self.cache).expanduser()
        names = self.metrics or [DEFAULT_METRICS]
        return {
            "first_stage": self.first_stage,
            "depth": self.depth,
            "num_results": self.num_results,
            "metrics": [name.strip() for each in names for name in _split(each) if name.strip()],
            "language": self.language,
            "embedder": self._load_embedder,
            "cache": None if self.cache == NO_CACHE else folder,
            "seed": self.seed,
        }

    def _load_embedder(self) -> "Embedder":
        from ..embedder import Embedder

        return Embedder(self.embedding_model)


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
