"""`finerank search`: a query to passages of an index."""

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ..errors import InputError
from ..instructions import resolve_instruction
from ..models.embedded import ADVICE
from . import options
from .console import advise, heard_warnings, is_watched, show, to_json, warn
from .rerank import Calibration, Instruction, MinScore, Preset
from .search_table import facts_line, print_hits, print_moves

if TYPE_CHECKING:
    from ..retrieval.types import SearchResult

_SEARCH_PANEL: Final = "Search"


def _option(*names: str, **more: Any) -> Any:
    return typer.Option(*names, rich_help_panel=_SEARCH_PANEL, **more)


def search(
    query: Annotated[str, typer.Argument(help="What to look for.")],
    db: options.Db = options.DEFAULT_DB,
    collection: options.Collection = "finerank",
    token: options.MilvusToken = None,
    recall: Annotated[int, _option("--recall", help="Candidates from each recall, 1 to 1000.")] = 100,
    depth: Annotated[int, _option("--depth", help="So many of the best candidates are reranked.")] = 50,
    top_n: Annotated[int, _option("--top-n", "-n", help="Results.")] = 10,
    mode: Annotated[str, _option("--mode", help="hybrid, dense or bm25.")] = "hybrid",
    filter_: Annotated[
        str | None,
        _option(
            "--filter",
            metavar="EXPR",
            help="""Milvus expression, such as source like "manuals/%" or metadata["year"] > 2020.""",
            show_default=False,
        ),
    ] = None,
    instruction: Instruction = None,
    preset: Preset = None,
    min_score: MinScore = None,
    calibration: Calibration = None,
    rule: Annotated[
        list[str] | None,
        _option(
            "--rule",
            help="Drop candidates: advertisement, recruitment, disclaimer, or FIELD=~PATTERN; may be repeated.",
            show_default=False,
        ),
    ] = None,
    duplicates: Annotated[
        float, _option("--duplicates", min=0.0, max=1.0, help="Collapse texts that are so alike; 0 keeps all.")
    ] = 0.95,
    group: Annotated[bool, _option("--group", help="Only the best chunk of each document.")] = False,
    diversity: Annotated[
        float, _option("--diversity", min=0.0, max=1.0, help="0 = by score alone, 1 = by novelty alone.")
    ] = 0.0,
    no_rerank: Annotated[bool, _option("--no-rerank", help="The order of the recall.")] = False,
    explain: Annotated[
        bool, _option("--explain", help="Show every stage's score, and what the reranker moved.")
    ] = False,
    context_tokens: Annotated[
        int | None,
        _option(
            "--context-tokens",
            min=16,
            help="Print the passages as a context block with citations, for a language model, of so many tokens.",
            show_default=False,
        ),
    ] = None,
    model: options.Model = None,
    embedding_model: options.EmbeddingModel = None,
    embedding_url: options.EmbeddingUrl = None,
    hub: options.HubName = "huggingface",
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    max_length: options.MaxLength = 8192,
    as_json: options.AsJson = False,
) -> None:
    """Find the passages of an index that answer QUERY: dense and BM25 recall, then the reranker."""
    if explain and context_tokens is not None and not as_json:
        raise InputError(
            "--explain and --context-tokens were both given; give one of them, or --json too, which has both"
        )
    if calibration is not None and (no_rerank or not depth):
        raise InputError("--calibration is of a reranker's scores; leave out --no-rerank and --depth 0, or it")
    from ..retrieval.options import SearchOptions
    from ..retrieval.rules import rules_from

    asked = SearchOptions(
        recall=recall,
        depth=depth,
        top_n=top_n,
        mode=mode,  # type: ignore[arg-type]  # checked below
        filter=filter_,
        instruction=resolve_instruction(instruction, preset),
        min_score=min_score,
        rules=rules_from(rule or ()),
        duplicates=duplicates or None,
        group=group,
        diversity=diversity,
    )
    asked.check()
    from ..retrieval.context import context_block
    from ..retrieval.searcher import Searcher

    if is_watched():
        advise("loading ...")
    loading = {"hub": hub, "device": device, "dtype": dtype}
    embedding = {"model": embedding_model, "base_url": embedding_url, **loading}
    with (
        heard_warnings() as heard,
        Searcher.open(db, collection=collection, token=token, embedding=embedding) as searcher,
    ):
        if not no_rerank and depth:
            searcher.reranker = _reranker(model, max_length=max_length, calibration=calibration, **loading)
        result = searcher.search(query, asked)
        for message in result.facts.warnings:
            warn(message)
        result.facts.warnings += heard  # which were shown as they came
        block = None if context_tokens is None else context_block(result, context_tokens, searcher.count_tokens)
    if as_json:
        _print_json(result, block, explain=explain)
    else:
        _print(result, block, explain=explain)


def _reranker(model: str | None, **loading: Any) -> Any:
    from ..reranker import Reranker

    return Reranker(model, **loading)


def _print_json(result: "SearchResult", block: str | None, *, explain: bool) -> None:
    from ..retrieval.answer import answer_of

    context = {} if block is None else {"context": block}
    typer.echo(to_json(answer_of(result, explain=explain) | context))


def _print(result: "SearchResult", block: str | None, *, explain: bool) -> None:
    if block is not None:
        typer.echo(block)
        advise(facts_line(result.facts))
        return
    if not result.hits:
        show("nothing was found")
    else:
        print_hits(result)
    if explain:
        print_moves(result)
    advise(facts_line(result.facts))
    if result.facts.reranker is not None and result.facts.reranker.is_default:
        advise(ADVICE)
